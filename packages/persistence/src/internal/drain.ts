/**
 * Deletes as many rows as there are, in statements of a bounded number of rows that each commit by themselves.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { repeatable } from "./repeatable.ts"

/** Rows that one statement deletes at most: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/**
 * Repeats a DELETE of at most `rows` rows until one finds fewer, or `limit` rows are gone; gives how many went. Run
 * again after a failure, it goes on where it stopped.
 *
 * A statement whose answer was lost is sent again. Then more may go than `limit`, by as many as one statement deletes,
 * but never a row that it was not to delete.
 */
export const drain = (
  operation: string,
  body: (rows: number) => Effect.Effect<number, SqlError, Transaction.Transaction>,
  limit: number = Number.POSITIVE_INFINITY
): Effect.Effect<number, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    let removed = 0
    while (removed < limit) {
      const rows = Math.min(most, limit - removed)
      const gone = yield* repeatable(operation, body(rows))
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
  readonly where: (sql: SqlClient) => Fragment
}

/**
 * Deletes the first `rows` of a run: those up to the last one of them. To ask which rows are among the first would be
 * shorter, but a plan without statistics then looks for them anew for each row.
 */
export const first = ({ order, table, where }: Run) =>
  Effect.fnUntraced(function* (rows: number) {
    const sql = yield* Transaction.sql
    const names = sql.csv(order.map((name) => sql`${sql(name)}`))
    const backwards = sql.csv(order.map((name) => sql`${sql(name)} DESC`))
    const [gone] = yield* sql<{ readonly count: bigint }>`
      WITH gone AS (
        DELETE FROM ${sql(table)} WHERE ${where(sql)} AND (${names}) <= (
          SELECT ${names} FROM (
            SELECT ${names} FROM ${sql(table)} WHERE ${where(sql)} ORDER BY ${names} LIMIT ${rows}
          ) AS first
          ORDER BY ${backwards} LIMIT 1
        )
        RETURNING 1
      )
      SELECT count(*) AS count FROM gone`
    return Number(gone?.count ?? 0n)
  })
