/**
 * Deletes as many rows as there are, in statements of a bounded number of rows that each commit by themselves.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Expression from "@effect-dsql/core/Expression"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import { NumberInvalid, type OperationError } from "../PersistenceError.ts"
import { repeatable } from "./repeatable.ts"

/** Rows that one statement deletes at most: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/**
 * Repeats a deletion of at most `rows` rows until one finds fewer, or `limit` rows are gone; gives how many went. Run
 * again after a failure, it goes on where it stopped.
 *
 * A statement whose answer was lost is sent again. Then more may go than `limit`, by as many as one statement deletes,
 * but never a row that it was not to delete.
 */
export const drain = (
  operation: string,
  removal: (rows: number) => Write.Write,
  limit: number = Number.POSITIVE_INFINITY
): Effect.Effect<number, OperationError, DsqlClient> =>
  Effect.gen(function* () {
    if (!(limit >= 0 && (Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY))) {
      return yield* new NumberInvalid({
        where: `the limit of ${operation}`,
        value: limit,
        reason: "give a whole number"
      })
    }
    let removed = 0
    while (removed < limit) {
      const rows = Math.min(most, limit - removed)
      const told = yield* repeatable(operation, { guards: [], writes: [Write.counted("gone", removal(rows))] })
      const gone = Number(told["gone"])
      removed += gone
      if (gone < rows) break
    }
    return removed
  })

/** Rows that stand next to each other in the key of their table. */
export interface Run {
  readonly table: string
  /** The columns that order them. */
  readonly order: ReadonlyArray<string>
  readonly where: Expression.Expression
}

/**
 * Deletes the first `rows` of a run: those up to the last one of them. To ask which rows are among the first would be
 * shorter, but a plan without statistics then looks for them anew for each row.
 */
export const first =
  ({ order, table, where }: Run) =>
  (rows: number): Write.Write => {
    const names = Expression.names(order)
    const backwards = Expression.join(
      order.map((column) => Expression.sql`${Expression.column(column)} DESC`),
      ", "
    )
    const some = Expression.sql`SELECT ${names} FROM ${Expression.name(table)} WHERE ${where} ORDER BY ${names} LIMIT ${rows}`
    const last = Expression.sql`SELECT ${names} FROM (${some}) AS first ORDER BY ${backwards} LIMIT 1`
    return Write.remove({ table, where: Expression.sql`${where} AND (${names}) <= (${last})` })
  }
