/**
 * A fenced update of one row, against the same statement through the two drivers that most programs use; and what it
 * costs to look after keys that many want.
 */
import { DsqlClient, Fence, Transaction } from "@effect-dsql/core"
import { Context, Effect, Layer, Redacted } from "effect"
import pg from "pg"
import postgres from "postgres"
import * as Bars from "./Bars.ts"
import * as Charts from "./Charts.ts"
import { compare } from "./Compare.ts"

const connections = 8

/** The statement that `Fence.compareAndSet` sends, as one would write it by hand. */
const text = `
  WITH guard AS (SELECT token FROM bench_guards WHERE id = $1 FOR UPDATE),
  written AS (
    UPDATE bench_guards SET token = $2, owner = $3 FROM guard
    WHERE bench_guards.id = $4 AND guard.token = $5 RETURNING 1
  )
  SELECT (SELECT token FROM guard) AS token, EXISTS (SELECT 1 FROM written) AS written`

/** Each contender has guards of its own, so many that none is met again while it is still being moved. */
const guards = (contender: number) => {
  let next = 0
  const tokens = new Map<number, bigint>()
  return () => {
    const id = contender * 1_000 + (next++ % 1_000)
    const token = tokens.get(id) ?? 0n
    tokens.set(id, token + 1n)
    return { id, token }
  }
}

export const fences = (url: Redacted.Redacted) =>
  Effect.gen(function* () {
    const client = yield* DsqlClient.DsqlClient
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new pg.Pool({ connectionString: Redacted.value(url), max: connections })),
      (pool) => Effect.promise(() => pool.end())
    )
    const porsager = yield* Effect.acquireRelease(
      Effect.sync(() => postgres(Redacted.value(url), { max: connections })),
      (sql) => Effect.promise(() => sql.end())
    )
    const [pgGuard, postgresGuard, sqlPgGuard, ourGuard] = [guards(1), guards(2), guards(3), guards(4)]
    const contenders = [
      {
        name: "pg",
        once: Effect.promise(() => {
          const { id, token } = pgGuard()
          return pool
            .query({ name: "fence", text, values: [id, token + 1n, "owner", id, token] })
            .then(({ rows }) => written(rows[0]?.written))
        })
      },
      {
        name: "postgres",
        once: Effect.promise(() => {
          const { id, token } = postgresGuard()
          const values = [id, String(token + 1n), "owner", id, String(token)]
          return porsager.unsafe(text, values, { prepare: true }).then((rows) => written(rows[0]?.written))
        })
      },
      {
        // What of the difference is the driver's, and what the toolkit's.
        name: "@effect/sql-pg",
        once: Effect.suspend(() => {
          const { id, token } = sqlPgGuard()
          return client.sql.unsafe<{ written: boolean }>(text, [id, token + 1n, "owner", id, token])
        }).pipe(Effect.map((rows) => written(rows[0]?.written)))
      },
      {
        name: "Transaction.autocommit(Fence.compareAndSet)",
        once: moved(client, ourGuard)
      }
    ]
    const options = { operations: 400, rounds: 31, concurrency: 1 }
    const crowd = { operations: 800, rounds: 31, concurrency: connections }
    const panels = [
      { title: "1 at a time", compared: yield* compare("A fenced update of one row", contenders, options) },
      { title: `${connections} at a time`, compared: yield* compare("A fenced update of one row", contenders, crowd) }
    ]
    yield* compare("A fenced update, and the queue for its key", yield* queued(url), options)
    yield* Charts.draw("fences", (caption) => Bars.render(panels, (name) => name.startsWith("Transaction."), caption), [
      "@effect-dsql/core",
      "@effect/sql-pg",
      "pg",
      "postgres"
    ])
  })

/** Moves the token of a guard that nobody else wants. */
const moved = (client: DsqlClient.DsqlClient["Service"], next: ReturnType<typeof guards>) =>
  Effect.suspend(() => {
    const { id, token } = next()
    const guard = { table: "bench_guards", key: { id }, token: "token" }
    return Transaction.autocommit(Fence.compareAndSet(guard, token, { token: token + 1n, owner: "owner" }), {
      operation: "Bench"
    })
  }).pipe(Effect.provideService(DsqlClient.DsqlClient, client))

/** Clients without a queue, with one, and with one that has met a conflict within the minute, so that fences name keys. */
const queued = (url: Redacted.Redacted) =>
  Effect.gen(function* () {
    const clientWith = (queue: "off" | "fences") =>
      Effect.map(
        Layer.build(DsqlClient.layerUrl({ url, maxConnections: 1, hotKeys: { queue } })),
        Context.get(DsqlClient.DsqlClient)
      )
    const [off, cold, hot] = yield* Effect.all([clientWith("off"), clientWith("fences"), clientWith("fences")])
    yield* Effect.provideService(conflicted, DsqlClient.DsqlClient, hot)
    return [
      { name: "queue: off", once: moved(off, guards(5)) },
      { name: "queue: fences (the default), no conflict yet", once: moved(cold, guards(6)) },
      { name: "queue: fences, after a conflict", once: moved(hot, guards(7)) }
    ]
  })

/** A transaction that meets a conflict at its first attempt. */
const conflicted = Effect.suspend(() => {
  let attempts = 0
  return Transaction.run(
    Effect.flatMap(Transaction.sql, (sql) =>
      attempts++ === 0
        ? sql.unsafe("DO $$ BEGIN RAISE EXCEPTION 'a conflict' USING ERRCODE = '40001'; END $$")
        : sql`SELECT 1`
    )
  )
})

const written = (answer: unknown): void => {
  if (answer !== true) throw new Error("the fence did not hold")
}
