/**
 * What the application does with its schema.
 */
import { Transaction } from "@effect-dsql/core"
import { Effect } from "effect"

/** Opens an account, and gives how many there are. */
export const open = (email: string, name: string) =>
  Transaction.run(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* sql`INSERT INTO accounts (email, name) VALUES (${email}, ${name})`
      const rows = yield* sql<{ readonly n: number }>`SELECT count(*)::integer AS n FROM accounts`
      return rows[0]?.n ?? 0
    }),
    { operation: "OpenAccount" }
  )
