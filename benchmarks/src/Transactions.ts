/**
 * What `Transaction.run` adds to Effect SQL's own `withTransaction`, on the same statements.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, type Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import { compare } from "./Compare.ts"

const statements = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    const id = Math.floor(Math.random() * 1_000)
    yield* sql`SELECT n FROM bench_rows WHERE id = ${id}`
    yield* sql`UPDATE bench_rows SET n = n + 1 WHERE id = ${id}`
  })

export const transactions = (url: Redacted.Redacted) =>
  Effect.gen(function* () {
    const client = yield* DsqlClient.DsqlClient
    const bare = yield* PgClient.make({
      url,
      maxConnections: 8,
      startupParameters: { default_transaction_isolation: "repeatable read" }
    })
    const contenders = [
      { name: "sql.withTransaction", once: bare.withTransaction(statements(bare)) },
      {
        name: "Transaction.run",
        once: Effect.provideService(
          Transaction.run(Effect.flatMap(Transaction.sql, statements), { operation: "Bench" }),
          DsqlClient.DsqlClient,
          client
        )
      }
    ]
    yield* compare("A transaction of two statements", contenders, { operations: 400, rounds: 31, concurrency: 1 })
  })
