/**
 * What becomes of jobs when an answer is lost, or a process.
 */
import { DsqlClient } from "@effect-dsql/core"
import { PersistedQueue as Store } from "@effect-dsql/storage"
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Latch, Layer, Redacted, Schedule } from "effect"
import { PersistedQueue } from "effect/persistence"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Database, elsewhere, jobsOf, number, queueNamed, someQueue, Stores } from "./support/queue.ts"
import { loseAnswer } from "./support/storage.ts"

layer(Stores.pipe(Layer.provideMerge(Database)), { excludeTestServices: true })("PersistedQueue", (it) => {
  for (const when of ["before", "after"] as const) {
    it.effect(`offers a job once whose answer was lost ${when} COMMIT`, () =>
      Effect.gen(function* () {
        const { name, queue } = yield* someQueue()
        yield* loseAnswer(when)
        yield* queue.offer({ n: 1 })
        assert.lengthOf(yield* jobsOf(name), 1)
        assert.strictEqual(yield* queue.take(number), 1)
      })
    )

    it.effect(`gives a job once, at its first attempt, whose claim was lost ${when} COMMIT`, () =>
      Effect.gen(function* () {
        const { name, queue } = yield* someQueue()
        yield* queue.offer({ n: 1 })
        yield* loseAnswer(when)
        assert.strictEqual(yield* queue.take((_, { attempts }) => Effect.succeed(attempts)), 1)
        assert.include((yield* jobsOf(name))[0], { state: "completed", attempts: 1 })
      })
    )

    it.effect(`completes a job whose completion was lost ${when} COMMIT`, () =>
      Effect.gen(function* () {
        const { name, queue } = yield* someQueue()
        yield* queue.offer({ n: 1 })
        yield* queue.take(() => loseAnswer(when))
        assert.include((yield* jobsOf(name))[0], { state: "completed", attempts: 1 })
      })
    )

    it.effect(`counts an attempt once whose failure was lost ${when} COMMIT`, () =>
      Effect.gen(function* () {
        const { name, queue } = yield* someQueue()
        yield* queue.offer({ n: 1 })
        yield* Effect.flip(queue.take(() => Effect.andThen(loseAnswer(when), Effect.fail("boom"))))
        assert.include((yield* jobsOf(name))[0], { state: "pending", attempts: 1, claim: null })
        assert.strictEqual(yield* queue.take((_, { attempts }) => Effect.succeed(attempts)), 2)
      })
    )

    it.effect(`extends a lease again whose extension was lost ${when} COMMIT`, () =>
      Effect.gen(function* () {
        const { name, queue } = yield* someQueue()
        yield* queue.offer({ n: 1 })
        const impatient = PersistedQueue.layer.pipe(
          Layer.provide(Store.layerStoreSql({ lockRefreshInterval: "20 millis", pollInterval: "10 millis" }))
        )
        const longer = Effect.flatMap(jobsOf(name), ([job]) =>
          Effect.repeat(jobsOf(name), {
            until: ([later]) => (later?.delay ?? 0) > (job?.delay ?? 0),
            schedule: Schedule.spaced("5 millis")
          })
        )
        const work = Effect.gen(function* () {
          yield* longer
          yield* loseAnswer(when)
          yield* Effect.repeat(longer, { times: 2 })
        })
        yield* Effect.flatMap(queueNamed(name), (queue) => queue.take(() => work)).pipe(
          Effect.provide(Layer.fresh(impatient))
        )
        assert.include((yield* jobsOf(name))[0], { state: "completed", attempts: 1 })
      })
    )
  }

  it.effect("gives a job again whose process was killed between claim and completion, once its lease is over", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      yield* queue.offer({ n: 1 })
      const { sql } = yield* DsqlClient.DsqlClient
      const url = sql.config.url
      if (url === undefined) return assert.fail("the emulator is reached by a URL")
      yield* Effect.promise(async () => {
        const child = spawn(process.execPath, [fileURLToPath(new URL("./support/worker.ts", import.meta.url))], {
          env: { ...process.env, WORKER_URL: Redacted.value(url), WORKER_QUEUE: name },
          stdio: ["ignore", "pipe", "inherit"]
        })
        await once(child.stdout, "data")
        child.kill("SIGKILL")
        await once(child, "exit")
      })
      assert.include((yield* jobsOf(name))[0], { state: "pending", attempts: 1 })
      assert.strictEqual(
        yield* elsewhere(
          Effect.flatMap(queueNamed(name), (queue) => queue.take((_, { attempts }) => Effect.succeed(attempts)))
        ),
        2
      )
      assert.include((yield* jobsOf(name))[0], { state: "completed", attempts: 2 })
    })
  )

  it.effect("says of all jobs that fail at once what they failed with, however long that is", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      const count = 450
      const ids = Array.from({ length: count }, (_, n) => n)
      yield* Effect.forEach(ids, (n) => queue.offer({ n }), { concurrency: 16 })
      const all = yield* Latch.make()
      let taken = 0
      const work = Effect.suspend(() => {
        taken += 1
        return Effect.andThen(taken === count ? all.open : all.await, Effect.fail(`\0${"\u6f22".repeat(40_000)}`))
      })
      const exits = yield* Effect.forEach(ids, () => Effect.exit(queue.take(() => work)), { concurrency: "unbounded" })
      assert.isTrue(exits.every((exit) => exit._tag === "Failure" && !Cause.hasDies(exit.cause)))
      const jobs = yield* jobsOf(name)
      assert.lengthOf(jobs, count)
      for (const { attempts, claim, last_failure, state } of jobs) {
        assert.deepStrictEqual({ attempts, claim, state }, { attempts: 1, claim: null, state: "pending" })
        assert.include(last_failure, "\u6f22")
        assert.strictEqual(last_failure?.length, 2_000)
      }
    })
  )

  it.effect("says in one line which table is missing, and what makes it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Store.layerStoreSql({ tableName: "other.queue" }))))
      assert.strictEqual(
        error.message,
        "PersistedQueue needs other.queue, which the database does not have: run effect-dsql setup-schema --schema-name dsql/storage"
      )
    })
  )
})
