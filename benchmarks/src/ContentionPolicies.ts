/**
 * Those who contend for a row, each by the library that a program would use: how a process increments it.
 */
import { AuroraDSQLPool, isOCCError } from "@aws/aurora-dsql-node-postgres-connector"
import { DsqlClient, DsqlError, GroupCommit, Transaction } from "@effect-dsql/core"
import { Context, Effect, Layer, ManagedRuntime, Redacted } from "effect"
import type { SqlError } from "effect/sql"

/** What a process increments the row by. */
export interface Contender {
  /** Increments the row: whether that was committed, or given up. What fails otherwise fails. */
  readonly increment: () => Promise<boolean>
  /** How often it was tried, by all of them. */
  readonly attempts: () => number
  readonly stop: () => Promise<unknown>
}

/** Opens a connection for each of so many who contend. */
type Start = (url: string, connections: number) => Promise<Contender>

const table = "bench_hot"
const keys = [{ table, key: { id: 1 } }]

/** Reads the row and increments it by so much. */
type Add = (by: number) => Effect.Effect<void, SqlError.SqlError, Transaction.Transaction>

/** What one of the toolkit's contenders does. */
type Once = Effect.Effect<unknown, unknown>

class Contending extends Context.Service<Contending, Once>()("benchmarks/ContentionPolicies/Contending") {}

const own =
  (make: (add: Add) => Layer.Layer<Contending, never, DsqlClient.DsqlClient>): Start =>
  async (url, connections) => {
    let attempts = 0
    const add: Add = (by) =>
      Effect.gen(function* () {
        attempts += 1
        const sql = yield* Transaction.sql
        yield* sql`SELECT n FROM bench_hot WHERE id = 1`
        yield* sql`UPDATE bench_hot SET n = n + ${by} WHERE id = 1`
      })
    const client = DsqlClient.layerUrl({
      url: Redacted.make(url),
      maxConnections: connections,
      minConnections: connections
    })
    const runtime = ManagedRuntime.make(Layer.provideMerge(make(add), client))
    await runtime.runPromise(warmed(connections))
    const once = Context.get(await runtime.runPromise(Effect.context<Contending>()), Contending)
    return {
      increment: () => runtime.runPromise(unlessGivenUp(once)),
      attempts: () => attempts,
      stop: () => runtime.dispose()
    }
  }

const unlessGivenUp = (once: Once): Effect.Effect<boolean, unknown> =>
  Effect.as(once, true).pipe(
    Effect.catch((error) =>
      error instanceof DsqlError.ConflictRetriesExhausted ? Effect.succeed(false) : Effect.fail(error)
    )
  )

/** Has every connection opened. */
const warmed = (connections: number) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ reserve }) =>
    Effect.scoped(Effect.replicateEffect(reserve, connections, { concurrency: "unbounded", discard: true }))
  )

const alone = (options: Transaction.Options<void>) => (add: Add) =>
  Layer.effect(
    Contending,
    Effect.map(Effect.context<DsqlClient.DsqlClient>(), (context) =>
      Effect.provideContext(Transaction.run(add(1), { operation: "Increment", ...options }), context)
    )
  )

const together = (add: Add) =>
  Layer.effect(
    Contending,
    Effect.map(
      GroupCommit.make({
        operation: "Increment",
        key: () => ({ table, key: { id: 1 } }),
        commit: (requests) => Effect.as(add(requests.length), requests)
      }),
      (request) => request(undefined)
    )
  )

/** AWS's own retries, by its own package. The emulator takes any token, and no TLS where none is asked for. */
const awsConnector: Start = async (url, connections) => {
  const { hostname, pathname, port, username } = new URL(url)
  let attempts = 0
  const pool = new AuroraDSQLPool({
    host: hostname,
    port: Number(port),
    user: username,
    database: pathname.slice(1),
    region: "us-east-1",
    ssl: false,
    max: connections,
    customCredentialsProvider: { accessKeyId: "bench", secretAccessKey: "bench" }
  })
  const opened = await Promise.all(Array.from({ length: connections }, () => pool.connect()))
  for (const client of opened) client.release()
  return {
    increment: () =>
      pool
        .transaction(async (client) => {
          attempts += 1
          await client.query("SELECT n FROM bench_hot WHERE id = 1")
          await client.query("UPDATE bench_hot SET n = n + 1 WHERE id = 1")
        })
        .then(
          () => true,
          (error: unknown) => {
            if (isOCCError(error)) return false
            throw error
          }
        ),
    attempts: () => attempts,
    stop: () => pool.end()
  }
}

/** By the names that the simulator has for them. */
export const starts = {
  "effect-dsql": own(alone({})),
  "effect-dsql-queue": own(alone({ keys })),
  "effect-dsql-group": own(together),
  "aws-connector": awsConnector
} satisfies Readonly<Record<string, Start>>

export type Name = keyof typeof starts
