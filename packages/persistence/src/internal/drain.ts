/**
 * Deletes as many rows as there are, in statements of a bounded number of rows that each commit by themselves.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/** Rows of a table that stand next to each other in its key. */
export interface Run {
  readonly table: string
  /** The columns that order them. */
  readonly order: ReadonlyArray<string>
  readonly where: (sql: SqlClient) => Fragment
}

/** Rows that one statement deletes at most: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/**
 * Deletes the first ones of a run until none is left, or `limit` are gone; gives how many went. Run again after a
 * failure, it goes on where it stopped.
 *
 * A statement whose answer was lost is sent again. Then more may go than `limit`, by as many as one statement deletes,
 * but never a row that is not of the run.
 */
export const drain = (
  operation: string,
  run: Run,
  limit: number = Number.POSITIVE_INFINITY
): Effect.Effect<number, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    let removed = 0
    while (removed < limit) {
      const rows = Math.min(most, limit - removed)
      const statement = remove(run, rows)
      const verify = () => Effect.map(statement, Transaction.committed)
      const gone = yield* Transaction.autocommit(statement, { operation, verify })
      removed += gone
      if (gone < rows) break
    }
    return removed
  })

/**
 * Deletes the rows up to the last one of the first `rows`. To ask which rows are among the first would be shorter, but
 * a plan without statistics then looks for them anew for each row.
 */
const remove = Effect.fnUntraced(function* ({ order, table, where }: Run, rows: number) {
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
