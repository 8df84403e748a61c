/**
 * Workers of each queue that is compared: jobs that take no time, as many workers as are asked for in one process.
 */
import { DsqlClient } from "@effect-dsql/core"
import { PersistedQueue as Dsql } from "@effect-dsql/storage"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { Logger, run } from "graphile-worker"
import { PgBoss } from "pg-boss"

/** The queue's name, or its task's. */
export const queue = "bench"

/** What the others are measured against. */
export const dsql = "the store, on emulated Aurora DSQL"

/** Connections that a process has for its workers at most. */
const connections = 16

/** Starts workers on a database, and gives what stops them; `done` is called after each job. */
export type Start = (url: string, workers: number, done: () => void) => Promise<() => Promise<unknown>>

const onEffect =
  <E>(store: (url: Redacted.Redacted) => Layer.Layer<PersistedQueue.PersistedQueueStore, E>): Start =>
  async (url, workers, done) => {
    const runtime = ManagedRuntime.make(PersistedQueue.layer.pipe(Layer.provide(store(Redacted.make(url)))))
    await runtime.runPromise(PersistedQueue.PersistedQueueFactory)
    const work = Effect.gen(function* () {
      const jobs = yield* PersistedQueue.make({ name: queue, schema: Schema.Int })
      const one = Effect.andThen(
        jobs.take(() => Effect.void),
        Effect.sync(done)
      )
      yield* Effect.all(
        Array.from({ length: workers }, () => Effect.forever(one)),
        { concurrency: "unbounded", discard: true }
      )
    })
    runtime.runFork(work)
    return () => runtime.dispose()
  }

export const starts = {
  [dsql]: onEffect((url) =>
    Dsql.layerStoreSql().pipe(Layer.provide(DsqlClient.layerUrl({ url, maxConnections: connections })))
  ),
  "Effect's store, on PostgreSQL": onEffect((url) =>
    PersistedQueue.layerStoreSql().pipe(Layer.provide(PgClient.layer({ url, maxConnections: connections })))
  ),
  "graphile-worker, on PostgreSQL": async (url, workers, done) => {
    const runner = await run({
      connectionString: url,
      noHandleSignals: true,
      preset: {
        worker: {
          concurrentJobs: workers,
          maxPoolSize: connections,
          logger: new Logger(() => () => undefined),
          // As its documentation advises where there are many jobs.
          localQueue: { size: workers + 1 }
        }
      },
      taskList: { [queue]: () => done() }
    })
    return () => runner.stop()
  },
  "pg-boss, on PostgreSQL": async (url, workers, done) => {
    const boss = new PgBoss({
      connectionString: url,
      max: connections,
      supervise: false,
      schedule: false,
      migrate: false
    })
    await boss.start()
    // Without full batches it polls twice a second.
    const options = { localConcurrency: workers, batchSize: 10, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
    await boss.work(queue, options, async (jobs) => jobs.forEach(done))
    return () => boss.stop({ graceful: true, close: true })
  }
} as const satisfies Record<string, Start>

export type Contender = keyof typeof starts
