/**
 * What a poll reads and how long it takes while ever more requests are finished: 3,001 shards with 100,000 messages that
 * wait, on the plain PostgreSQL, which counts what is read.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import type { Postgres } from "@effect-dsql/emulator"
import { Clock, Console, Effect, Layer } from "effect"
import { MessageStorage, RunnerAddress, RunnerStorage, ShardId } from "effect/cluster"
import { analyse, fill } from "../../packages/cluster/test/support/filled.ts"
import { database, setUp } from "./ClusterDatabases.ts"
import { median } from "./Compare.ts"

const shards = 3_001
const waiting = 100_000
const finished = [0, 10_000, 100_000, 1_000_000]

/** As many as Effect asks for. */
const limit = 1_024
const times = 20

const prefix = "cluster"
const address = RunnerAddress.make("127.0.0.1", 1)
const held = Array.from({ length: shards }, (_, index) => ShardId.make("default", index + 1))

/** Polls, and gives how many milliseconds each took. What was handed out is forgotten in between. */
const polling = Effect.gen(function* () {
  const runners = yield* RunnerStorage.RunnerStorage
  const messages = yield* MessageStorage.MessageStorage
  yield* runners.acquire(address, held)
  const poll = Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const found = yield* messages.unprocessedMessages(held, { limit })
    const took = Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
    if (found.length !== limit) return yield* Effect.die(new Error(`a poll found ${found.length} messages`))
    yield* messages.resetShards(held)
    return took
  })
  yield* poll
  const before = yield* rowsRead
  const took = yield* Effect.replicateEffect(poll, times)
  return { read: ((yield* rowsRead) - before) / times, millis: median(took) }
}).pipe(Effect.provide(Layer.fresh(DsqlCluster.layerWith({ prefix, shardingConfig: { shardLockExpiration: 0 } }))))

/** What the server has read of all tables, as far as its sessions have said. */
const rowsRead = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const flush = sql.unsafe("SELECT pg_stat_force_next_flush()")
  yield* flush
  const [row] = yield* sql.unsafe<{ readonly rows: bigint }>(
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint AS rows FROM pg_stat_user_tables"
  )
  return Number(row?.rows)
})

export const polls = Effect.fnUntraced(function* (server: Postgres.Postgres) {
  const url = yield* database(server, "bench_cluster_polls")
  yield* setUp(url)
  yield* Console.log(`\nPolls for ${limit} of ${waiting} messages on ${shards} shards (medians of ${times})`)
  yield* Console.log(`  ${"finished requests".padEnd(44)}${"rows read".padStart(12)}${"ms".padStart(12)}`)
  yield* Effect.gen(function* () {
    yield* fill({ prefix, shards, waiting, finished: 0 })
    let known = 0
    for (const count of finished) {
      if (count > known) yield* fill({ prefix, shards, waiting: 0, finished: count - known, known })
      yield* analyse
      known = count
      const { millis, read } = yield* polling
      yield* Console.log(
        `  ${String(count).padEnd(44)}${read.toFixed(0).padStart(12)}${millis.toFixed(1).padStart(12)}`
      )
    }
    // A session says what it has read when it is idle: one session sees its own.
  }).pipe(Effect.provide(DsqlClient.layerUrl({ url, maxConnections: 1 })))
}, Effect.scoped)
