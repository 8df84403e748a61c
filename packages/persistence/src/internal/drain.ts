/**
 * Deletes as many rows as there are, in statements of a bounded number of rows that each commit by themselves.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"

/** Rows that one statement deletes at most: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/**
 * Repeats a DELETE of at most `rows` rows until one finds fewer, or `limit` rows are gone; gives how many went. Run
 * again after a failure, it goes on where it stopped.
 *
 * A statement whose answer was lost is sent again. What it deletes then may be more than asked for by as much as it had
 * deleted before, but never what it was not to delete at all.
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
      const statement = body(rows)
      const verify = () => Effect.map(statement, Transaction.committed)
      const gone = yield* Transaction.autocommit(statement, { operation, verify })
      removed += gone
      if (gone < rows) break
    }
    return removed
  })
