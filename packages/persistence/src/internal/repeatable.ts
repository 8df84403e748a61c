/**
 * Writes that leave the same rows behind however often they are done.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import type * as Effect from "effect/Effect"

/**
 * A statement that commits by itself. If its answer is lost, it is done again once the first one is void: one that came
 * later would take away what others have put there since, or put back what they took away.
 */
export const repeatable = <E = never>(
  operation: string,
  statement: Guarded.Statement<E>
): Effect.Effect<Guarded.Told, Transaction.Failure<E>, DsqlClient> =>
  Transaction.autocommit(Guarded.write(statement), { operation, repeat: true })
