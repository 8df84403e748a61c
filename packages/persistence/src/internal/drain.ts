/**
 * Deletes as many rows as there are, or as many as are asked for.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Removal from "@effect-dsql/core/Removal"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NumberInvalid, type OperationError } from "../PersistenceError.ts"
import { repeatable } from "./repeatable.ts"

/**
 * Deletes rows, the first ones first, until none is left or `limit` rows are gone; gives how many went. Run again after
 * a failure, it goes on where it stopped.
 *
 * A statement whose answer was lost is sent again. Then more may go than `limit`, by as many as one statement deletes,
 * but never a row that it was not to delete.
 */
export const drain = (
  operation: string,
  rows: Removal.Rows,
  limit: number = Number.POSITIVE_INFINITY
): Effect.Effect<number, OperationError, DsqlClient> =>
  limit >= 0 && (Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY)
    ? Stream.runSum(Removal.by(rows, (statement) => repeatable(operation, statement), { limit }))
    : Effect.fail(
        new NumberInvalid({ where: `the limit of ${operation}`, value: limit, reason: "give a whole number" })
      )
