/**
 * A fenced update of one row, against the same statement through the drivers that most programs use, and against what one
 * would write by hand; and what it costs to look after keys that many want.
 */
import { DsqlClient, Fence, Transaction } from "@effect-dsql/core"
import { Context, Effect, Layer, Redacted } from "effect"
import { CurrentTransformer } from "effect/sql/Statement"
import pg from "pg"
import postgres from "postgres"
import * as Bars from "./Bars.ts"
import * as Charts from "./Charts.ts"
import { compare } from "./Compare.ts"

const connections = 8

/**
 * What one would write by hand. It locks the row before it looks at the token, so that a stale owner who is refused is in
 * the owner's way, and it takes a key that names several rows.
 */
const byHand = `
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

/** The values of the statement that `Fence.compareAndSet` sends, in its order. */
const valuesOf = (id: number, token: bigint) => [id, token, id, token + 1n, "owner", id]

const moving = (id: number, token: bigint) =>
  Transaction.autocommit(
    Fence.compareAndSet({ table: "bench_guards", key: { id }, token: "token" }, token, {
      token: token + 1n,
      owner: "owner"
    }),
    { operation: "Bench" }
  )

/** The text of the statement that `Fence.compareAndSet` sends, of a row that is there for it. */
const sentText = Effect.gen(function* () {
  const sent: Array<readonly [string, ReadonlyArray<unknown>]> = []
  yield* Effect.provideService(moving(0, 0n), CurrentTransformer, (statement) =>
    Effect.sync(() => {
      sent.push(statement.compile())
      return statement
    })
  )
  const [[text, values] = ["", []]] = sent
  if (String(values) !== String(valuesOf(0, 0n))) throw new Error(`the values are ${String(values)}`)
  return text
})

export const fences = (url: Redacted.Redacted) =>
  Effect.gen(function* () {
    const client = yield* DsqlClient.DsqlClient
    const text = yield* sentText
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new pg.Pool({ connectionString: Redacted.value(url), max: connections })),
      (pool) => Effect.promise(() => pool.end())
    )
    const porsager = yield* Effect.acquireRelease(
      Effect.sync(() => postgres(Redacted.value(url), { max: connections })),
      (sql) => Effect.promise(() => sql.end())
    )
    const [handGuard, pgGuard, postgresGuard, sqlPgGuard] = [guards(1), guards(2), guards(3), guards(8)]
    const ourGuard = guards(4)
    const contenders = [
      {
        name: "pg",
        once: Effect.promise(() => {
          const { id, token } = pgGuard()
          return pool.query({ name: "fence", text, values: valuesOf(id, token) }).then(({ rows }) => held(rows[0]))
        })
      },
      {
        name: "pg, a statement written by hand",
        once: Effect.promise(() => {
          const { id, token } = handGuard()
          return pool
            .query({ name: "by hand", text: byHand, values: [id, token + 1n, "owner", id, token] })
            .then(({ rows }) => written(rows[0]?.written))
        })
      },
      {
        name: "postgres",
        once: Effect.promise(() => {
          const { id, token } = postgresGuard()
          const values = valuesOf(id, token).map((value) => (typeof value === "bigint" ? String(value) : value))
          return porsager.unsafe(text, values, { prepare: true }).then((rows) => held(rows[0]))
        })
      },
      {
        // What of the difference is the driver's, and what the toolkit's.
        name: "@effect/sql-pg",
        once: Effect.suspend(() => {
          const { id, token } = sqlPgGuard()
          return client.sql.unsafe<Readonly<Record<string, unknown>>>(text, valuesOf(id, token))
        }).pipe(Effect.map((rows) => held(rows[0])))
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
    return moving(id, token)
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

const held = (row: Readonly<Record<string, unknown>> | undefined): void => written(row?.["holds_0"])

const written = (answer: unknown): void => {
  if (answer !== true) throw new Error("the fence did not hold")
}
