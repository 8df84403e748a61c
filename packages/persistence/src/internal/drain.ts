/**
 * Deletes as many rows as there are, or as many as are asked for.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type * as Guard from "@effect-dsql/core/Guard"
import * as Removal from "@effect-dsql/core/Removal"
import type * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NumberInvalid, type OperationError } from "../PersistenceError.ts"
import { repeatable } from "./repeatable.ts"

export interface Options<E> {
  /** Rows that go at most. Default: all. */
  readonly limit?: number | undefined
  /** What each statement asks. Default: nothing. */
  readonly guards?: ReadonlyArray<Guard.Guard<E>> | undefined
}

/**
 * Deletes rows, the first ones first, until none is left or `limit` rows are gone; gives how many went. Run again after
 * a failure, it goes on where it stopped.
 *
 * A statement whose answer was lost is sent again. Then more may go than `limit`, by as many as one statement deletes,
 * but never a row that it was not to delete.
 */
export const drain = <E = never>(
  operation: string,
  rows: Removal.Rows,
  { guards = [], limit = Number.POSITIVE_INFINITY }: Options<E> = {}
): Effect.Effect<number, OperationError | Transaction.Failure<E>, DsqlClient> =>
  limit >= 0 && (Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY)
    ? Stream.runSum(
        Removal.by(
          rows,
          (statement) => repeatable(operation, { ...statement, guards: [...guards, ...statement.guards] }),
          { limit }
        )
      )
    : Effect.fail(
        new NumberInvalid({ where: `the limit of ${operation}`, value: limit, reason: "give a whole number" })
      )
