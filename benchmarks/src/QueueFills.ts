/**
 * Fills the queues that are compared, on the server itself: how fast jobs are offered is not what is measured.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { PersistedQueue } from "effect/persistence"
import { makeWorkerUtils } from "graphile-worker"
import pg from "pg"
import { PgBoss } from "pg-boss"
import * as Buckets from "../../packages/storage/src/internal/queue/buckets.ts"
import { type Contender, dsql, queue } from "./QueueWorkers.ts"

/** The database of each of them. */
export const databases = {
  [dsql]: "bench",
  "Effect's store, on PostgreSQL": "bench_effect",
  "graphile-worker, on PostgreSQL": "bench_graphile",
  "pg-boss, on PostgreSQL": "bench_boss"
} as const satisfies Record<Contender, string>

/** Empties a queue and puts so many jobs into it. */
export type Fill = (jobs: number) => Effect.Effect<unknown>

const ids = (jobs: number) => Array.from({ length: jobs }, (_, index) => `job ${index}`)

export const pool = (connectionString: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new pg.Pool({ connectionString })),
    (pool) => Effect.promise(() => pool.end())
  )

/** Makes the queues that make their own tables, and what fills each of them. */
export const make = Effect.fnUntraced(function* (urlOf: (database: string) => string) {
  yield* Layer.build(
    PersistedQueue.layerStoreSql().pipe(
      Layer.provide(PgClient.layer({ url: Redacted.make(urlOf(databases["Effect's store, on PostgreSQL"])) }))
    )
  )
  const graphile = yield* Effect.acquireRelease(
    Effect.promise(() => makeWorkerUtils({ connectionString: urlOf(databases["graphile-worker, on PostgreSQL"]) })),
    (utils) => Effect.promise(async () => utils.release())
  )
  yield* Effect.promise(() => graphile.migrate())
  const boss = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const url = urlOf(databases["pg-boss, on PostgreSQL"])
      const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false })
      await boss.start()
      await boss.createQueue(queue)
      return boss
    }),
    (boss) => Effect.promise(() => boss.stop({ graceful: false }))
  )
  const emulated = yield* pool(urlOf(databases[dsql]))
  const effect = yield* pool(urlOf(databases["Effect's store, on PostgreSQL"]))
  const fills: Record<Contender, Fill> = {
    [dsql]: (jobs) =>
      Effect.promise(async () => {
        await emulated.query("TRUNCATE effect_queue")
        await emulated.query(
          `INSERT INTO effect_queue (queue_name, bucket, id, state, visible_at, attempts, element, created_at)
           SELECT $1, bucket, id, 'pending', now(), 0, '1', now() FROM unnest($2::text[], $3::int[]) AS job (id, bucket)`,
          [queue, ids(jobs), ids(jobs).map(Buckets.of)]
        )
      }),
    "Effect's store, on PostgreSQL": (jobs) =>
      Effect.promise(async () => {
        await effect.query("TRUNCATE effect_queue")
        await effect.query(
          `INSERT INTO effect_queue (id, queue_name, element, state, attempts, visible_at, created_at, updated_at)
           SELECT id, $1, '1', 'pending', 0, now(), now(), now() FROM unnest($2::text[]) AS job (id)`,
          [queue, ids(jobs)]
        )
      }),
    // They take away a job that is done, or mark it.
    "graphile-worker, on PostgreSQL": (jobs) =>
      Effect.promise(() => graphile.addJobs(ids(jobs).map(() => ({ identifier: queue, payload: {} })))),
    "pg-boss, on PostgreSQL": (jobs) =>
      Effect.promise(async () => {
        await boss.deleteAllJobs(queue)
        await boss.insert(
          queue,
          ids(jobs).map(() => ({ data: {} }))
        )
      })
  }
  return fills
})
