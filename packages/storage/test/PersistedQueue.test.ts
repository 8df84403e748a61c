import { Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Schedule } from "effect"
import { PersistedQueue } from "effect/persistence"
import { busy, Database, jobsOf, lapse, number, someQueue, Stores } from "./support/queue.ts"

/** Waits until a queue's first job is a dead letter: nobody is told when it becomes one. */
const untilFailed = (name: string) =>
  Effect.repeat(jobsOf(name), { until: ([job]) => job?.state === "failed", schedule: Schedule.spaced("5 millis") })

const [none, hour] = [Duration.zero, Duration.hours(1)]

layer(Stores.pipe(Layer.provideMerge(Database)), { excludeTestServices: true })("PersistedQueue", (it) => {
  it.effect("gives a job to one worker and keeps it as completed", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      const id = yield* queue.offer({ n: 1 })
      const told = yield* queue.take((item, metadata) => Effect.succeed({ item, metadata }))
      assert.deepStrictEqual(told, { item: { n: 1 }, metadata: { id, attempts: 1 } })
      assert.include((yield* jobsOf(name))[0], { id, state: "completed", attempts: 1, claim: null })
    })
  )

  it.effect("gives what is offered next, not a job that somebody has", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      yield* queue.offer({ n: 1 })
      const first = yield* busy(name)
      yield* queue.offer({ n: 2 })
      assert.strictEqual(yield* queue.take(number), 2)
      yield* Deferred.succeed(first.end, undefined)
      yield* Fiber.join(first.fiber)
      assert.deepStrictEqual(new Set((yield* jobsOf(name)).map(({ state }) => state)), new Set(["completed"]))
    })
  )

  it.effect("gives a job whose worker was interrupted to the next one, as if it had not been claimed", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      yield* queue.offer({ n: 1 })
      const first = yield* busy(name)
      yield* Fiber.interrupt(first.fiber)
      assert.strictEqual(yield* queue.take((_, { attempts }) => Effect.succeed(attempts)), 1)
    })
  )

  it.effect("gives a job that failed again after its delay, and keeps why", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      yield* queue.offer({ n: 1 })
      assert.strictEqual(yield* Effect.flip(queue.take(() => Effect.fail("boom"))), "boom")
      assert.include((yield* jobsOf(name))[0]?.last_failure ?? "", "boom")
      assert.strictEqual(yield* queue.take((_, { attempts }) => Effect.succeed(attempts)), 2)
    })
  )

  it.effect("keeps a job whose last attempt failed as a dead letter", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue(2)
      const failed = yield* queue.offer({ n: 1 })
      yield* Effect.replicateEffect(Effect.flip(queue.take(() => Effect.fail("boom"))), 2)
      yield* queue.offer({ n: 2 })
      assert.strictEqual(yield* queue.take(number), 2)
      assert.include(
        (yield* jobsOf(name)).find(({ id }) => id === failed),
        { state: "failed", attempts: 2 }
      )
    })
  )

  it.effect("keeps a job whose last lease ran out as a dead letter", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue(1)
      const failed = yield* queue.offer({ n: 1 })
      const first = yield* busy(name, 1)
      yield* lapse(name)
      yield* Effect.forkChild(queue.take(number))
      yield* untilFailed(name)
      const [before] = yield* jobsOf(name)
      assert.include(before, { id: failed, attempts: 1, last_failure: "the lease of the last attempt ran out" })
      yield* Deferred.succeed(first.end, undefined)
      yield* Fiber.join(first.fiber)
      assert.deepStrictEqual((yield* jobsOf(name))[0], before)
    })
  )

  it.effect("keeps an element that does not decode as a dead letter, and gives the next one", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      const store = yield* PersistedQueue.PersistedQueueStore
      yield* store.offer({ name, id: "bad", element: { n: "one" }, isCustomId: true })
      const taken = yield* Effect.forkChild(queue.take(number))
      yield* untilFailed(name)
      yield* queue.offer({ n: 2 })
      assert.strictEqual(yield* Fiber.join(taken), 2)
    })
  )

  it.effect("takes an id once in each queue, also after it is completed", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* someQueue(), yield* someQueue()]
      yield* one.queue.offer({ n: 1 }, { id: "mine" })
      yield* one.queue.offer({ n: 2 }, { id: "mine" })
      yield* other.queue.offer({ n: 3 }, { id: "mine" })
      assert.strictEqual(yield* one.queue.take(number), 1)
      assert.strictEqual(yield* other.queue.take(number), 3)
      yield* one.queue.offer({ n: 4 }, { id: "mine" })
      assert.deepStrictEqual(
        (yield* jobsOf(one.name)).map(({ state }) => state),
        ["completed"]
      )
    })
  )

  it.effect("makes a delayed job visible after its delay, by the database's clock", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      const later = yield* queue.offer({ n: 1 }, { delay: "1 hour" })
      yield* queue.offer({ n: 2 }, { delay: "5 millis" })
      assert.strictEqual(yield* queue.take(number), 2)
      assert.isAtLeast((yield* jobsOf(name)).find(({ id }) => id === later)?.delay ?? 0, 3_600_000)
      yield* lapse(name)
      assert.strictEqual(yield* queue.take(number), 1)
    })
  )

  it.effect("offers within the transaction that is open, and wakes workers when it has committed", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      const offers = (n: number) => Effect.orDie(queue.offer({ n }))
      const undone = Transaction.run(Effect.andThen(offers(1), Effect.fail("undone" as const)), { operation: "Undone" })
      assert.strictEqual(yield* Effect.flip(undone), "undone")
      const taken = yield* Effect.forkChild(queue.take(number))
      yield* Transaction.run(offers(2), { operation: "Done" })
      assert.strictEqual(yield* Fiber.join(taken), 2)
      assert.lengthOf(yield* jobsOf(name), 1)
    })
  )

  it.effect("leaves a job alone that was claimed again after the lease of its worker", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue()
      yield* queue.offer({ n: 1 })
      const first = yield* busy(name)
      yield* lapse(name)
      const second = yield* busy(name)
      const before = yield* jobsOf(name)
      assert.include(before[0], { state: "pending", attempts: 2 })
      yield* Deferred.succeed(first.end, undefined)
      yield* Fiber.join(first.fiber)
      assert.deepStrictEqual(yield* jobsOf(name), before)
      yield* Deferred.fail(second.end, "boom")
      yield* Fiber.join(second.fiber)
      assert.include((yield* jobsOf(name))[0], { state: "pending", attempts: 2, claim: null })
    })
  )

  it.effect("removes what was settled so long ago, and forgets its id", () =>
    Effect.gen(function* () {
      const { name, queue } = yield* someQueue(1)
      const store = yield* PersistedQueue.PersistedQueueStore
      yield* queue.offer({ n: 1 }, { id: "completed" })
      yield* queue.take(number)
      yield* queue.offer({ n: 2 }, { id: "failed" })
      yield* Effect.flip(queue.take(() => Effect.fail("boom")))
      yield* queue.offer({ n: 3 }, { id: "waiting", delay: "1 hour" })
      const left = Effect.map(jobsOf(name), (jobs) => jobs.map(({ id }) => id))
      yield* store.cleanup({ timeToLive: hour, failedTimeToLive: undefined })
      assert.deepStrictEqual(yield* left, ["completed", "failed", "waiting"])
      yield* store.cleanup({ timeToLive: none, failedTimeToLive: undefined })
      assert.deepStrictEqual(yield* left, ["failed", "waiting"])
      yield* store.cleanup({ timeToLive: hour, failedTimeToLive: none })
      assert.deepStrictEqual(yield* left, ["waiting"])
    })
  )
})
