/**
 * Writes that leave the same rows behind however often they are done.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import type * as Effect from "effect/Effect"

/** A statement that commits by itself. If its answer is lost, it is done again: done twice is done once. */
export const repeatable = <A, E, R>(
  operation: string,
  statement: Effect.Effect<A, E, R> & Transaction.NotNested<R>
): Effect.Effect<A, Transaction.Failure<E>, DsqlClient | Exclude<R, Transaction.Transaction>> =>
  Transaction.autocommit(statement, { operation, repeat: true })
