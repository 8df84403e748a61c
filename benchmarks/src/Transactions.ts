/**
 * A transaction of two statements that are given their keys: in each of the toolkit's forms, through Effect SQL's own
 * client, and as others send it. Without latency, and with what a network within a region adds.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { PgClient } from "@effect/sql-pg"
import { Console, Effect, Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import * as Bars from "./Bars.ts"
import * as Charts from "./Charts.ts"
import { compare } from "./Compare.ts"
import { latencyProxy } from "./LatencyProxy.ts"
import { others } from "./OtherClients.ts"
import { limit } from "./Pgbench.ts"

const connections = 16

/** Milliseconds that a network within a region adds to a round trip. */
const network = 2

let last = 0

/** So many that none is met again while it is still being changed: conflicts are not what is compared. */
const nextId = () => last++ % 1_000

const read = (sql: SqlClient.SqlClient, id: number) =>
  sql<{ readonly n: number }>`SELECT n FROM bench_rows WHERE id = ${id}`

const write = (sql: SqlClient.SqlClient, id: number) => sql`UPDATE bench_rows SET n = n + 1 WHERE id = ${id}`

const inTurn = (sql: SqlClient.SqlClient) =>
  Effect.suspend(() => {
    const id = nextId()
    return Effect.andThen(read(sql, id), write(sql, id))
  })

const ours = Effect.map(DsqlClient.DsqlClient, (client) => {
  const within = <A, E>(program: Effect.Effect<A, E, DsqlClient.DsqlClient>) =>
    Effect.provideService(program, DsqlClient.DsqlClient, client)
  const atOnce = Effect.flatMap(Transaction.sql, (sql) => {
    const id = nextId()
    return Effect.all([read(sql, id), write(sql, id)], { concurrency: "unbounded" })
  })
  const readFirst = Effect.flatMap(Transaction.sql, (sql) => {
    const id = nextId()
    return Effect.as(read(sql, id), [write(sql, id)])
  })
  const both = (sql: SqlClient.SqlClient) => {
    const id = nextId()
    return [read(sql, id), write(sql, id)]
  }
  return [
    { name: "Transaction.run, in turn", once: within(Transaction.run(Effect.flatMap(Transaction.sql, inTurn))) },
    { name: "Transaction.run, at once", once: within(Transaction.run(atOnce)) },
    { name: "Transaction.finish, read, then write and COMMIT", once: within(Transaction.finish(readFirst)) },
    { name: "Transaction.batch, all in one", once: within(Transaction.batch(both)) }
  ]
})

const startupParameters = { default_transaction_isolation: "repeatable read" }

const compared = (
  url: Redacted.Redacted,
  title: string,
  size: { readonly operations: number; readonly rounds: number }
) =>
  Effect.gen(function* () {
    const bare = yield* PgClient.make({ url, maxConnections: connections, startupParameters })
    const contenders = [
      { name: "sql.withTransaction of @effect/sql-pg", once: bare.withTransaction(inTurn(bare)) },
      ...(yield* others(url, connections, nextId)),
      ...(yield* ours)
    ]
    return yield* Effect.forEach([1, 4, connections], (concurrency) => {
      const operations = Math.max(size.operations, concurrency)
      const options = { ...size, operations, concurrency, beside: "pg by hand" }
      return Effect.map(
        compare(`${title}: a transaction of two statements`, contenders, options),
        (compared): Bars.Panel => ({ title: `${title}, ${concurrency} at a time`, compared })
      )
    })
  }).pipe(Effect.provide(DsqlClient.layerUrl({ url, maxConnections: connections })), Effect.scoped)

export const transactions = (url: Redacted.Redacted) =>
  Effect.gen(function* () {
    const [near] = yield* compared(url, "No latency", { operations: 192, rounds: 21 })
    for (const concurrency of [1, 4, connections]) yield* limit(url, concurrency)
    const address = new URL(Redacted.value(url))
    const proxy = yield* latencyProxy({ host: address.hostname, port: Number(address.port) }, network)
    address.port = String(proxy.port)
    const [far, , crowded] = yield* compared(Redacted.make(address.href), `${network} ms`, {
      operations: 16,
      rounds: 11
    })
    const panels = [near, far, crowded].filter((panel) => panel !== undefined)
    yield* Console.log("")
    yield* Charts.draw(
      "transactions",
      (caption) => Bars.render(panels, (name) => name.startsWith("Transaction."), caption),
      ["@effect-dsql/core", "@effect/sql-pg", "@aws/aurora-dsql-node-postgres-connector", "knex", "pg", "postgres"]
    )
  })
