/**
 * Workflows whose runners are gone before they come to their end.
 */
import { PersistedQueue as Queue } from "@effect-dsql/storage"
import { assert } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Latch, Layer, Option, Schema } from "effect"
import { Entity } from "effect/cluster"
import { PersistedQueue } from "effect/persistence"
import { Rpc } from "effect/rpc"
import { Activity, DurableClock, DurableDeferred, DurableQueue, Workflow, WorkflowEngine } from "effect/workflow"
import { describeFleet, type Entities, fleet, type Fleet, the, until } from "../support/fleet.ts"

const payload = { id: Schema.String }
const idempotencyKey = ({ id }: { readonly id: string }) => id

const Gate = DurableDeferred.make("Gate", { success: Schema.String })
const Tail = DurableDeferred.make("Tail", { success: Schema.String })

const Story = Workflow.make("Story", {
  payload,
  success: Schema.String,
  error: Schema.String,
  idempotencyKey
})

/** Any workflow of these tests. */
type Told = typeof Story

/** A cluster of three that runs a story, and what is done to it from outside. */
const told = Effect.fnUntraced(function* (entities: Entities) {
  const cluster = yield* fleet({ entities })
  const three = Effect.gen(function* () {
    for (let number = 0; number < 3; number++) yield* cluster.start()
    yield* cluster.settled
  })
  yield* three
  const outside = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, WorkflowEngine.WorkflowEngine, cluster.engine)
  const executionId = yield* outside(Story.execute({ id: "s1" }, { discard: true }))
  const open = (deferred: typeof Gate, value: string) =>
    outside(
      DurableDeferred.succeed(deferred, {
        token: DurableDeferred.tokenFromExecutionId(deferred, { workflow: Story, executionId }),
        value
      })
    )
  const found = outside(Story.poll(executionId))
  const suspended = until(
    "it is suspended",
    Effect.map(found, (result) => Option.isSome(result) && result.value._tag === "Suspended")
  )
  const end = Effect.gen(function* () {
    yield* until(
      "it has come to its end",
      Effect.map(found, (result) => Option.isSome(result) && result.value._tag === "Complete")
    )
    const result = Option.getOrThrow(yield* found)
    return result._tag === "Complete" ? result.exit : yield* Effect.die("it was complete")
  })
  const owner = () => cluster.ownerOf(placed, executionId)
  const ownerDies = Effect.andThen(
    Effect.suspend(() => the(owner()).kill),
    cluster.settled
  )
  const allDie = Effect.andThen(
    Effect.suspend(() => Effect.forEach(cluster.runners, ({ kill }) => kill, { concurrency: "unbounded" })),
    three
  )
  return { cluster, outside, executionId, open, suspended, end, owner, ownerDies, allDie }
})

/** Where executions are. */
const placed: Parameters<Fleet["ownerOf"]>[0] = { getShardGroup: () => "default" }

const story = (tell: Parameters<Told["toLayer"]>[0]) => Story.toLayer(tell) as Entities

const counting = () => {
  let count = 0
  return { more: Effect.sync(() => void count++), count: () => count }
}

describeFleet("A workflow", (it) => {
  it.effect("runs once for all who ask for it at once", () =>
    Effect.gen(function* () {
      const goOn = Latch.makeUnsafe()
      const runs = counting()
      const { outside } = yield* told(
        story(({ id }) =>
          Activity.make({
            name: "work",
            success: Schema.String,
            execute: Effect.andThen(runs.more, Effect.as(goOn.await, `worked on ${id}`))
          })
        )
      )
      const both = yield* Effect.forkChild(
        outside(Effect.all([Story.execute({ id: "s1" }), Story.execute({ id: "s1" })], { concurrency: 2 })),
        { startImmediately: true }
      )
      yield* until(
        "it works",
        Effect.sync(() => runs.count() > 0)
      )
      yield* goOn.open
      assert.deepStrictEqual([yield* Fiber.join(both), runs.count()], [["worked on s1", "worked on s1"], 1])
    })
  )

  it.effect("does not do again what it had done when its owner died", () =>
    Effect.gen(function* () {
      const runs = counting()
      const { end, open, ownerDies, suspended } = yield* told(
        story(() => Effect.andThen(Activity.make({ name: "before", execute: runs.more }), DurableDeferred.await(Gate)))
      )
      yield* suspended
      yield* ownerDies
      yield* open(Gate, "opened")
      assert.deepStrictEqual([yield* end, runs.count()], [Exit.succeed("opened"), 1])
    })
  )

  it.effect("goes on after all runners died, by a deferred that an entity on another runner completes", () =>
    Effect.gen(function* () {
      const Porter = Entity.make("Porter", [
        Rpc.make("Open", { payload: { token: DurableDeferred.Token }, success: Schema.Number })
      ])
      const porter = Porter.toLayer(
        Effect.gen(function* () {
          const { port } = yield* Entity.CurrentRunnerAddress
          return {
            Open: ({ payload: { token } }) =>
              Effect.as(DurableDeferred.succeed(Gate, { token, value: "by a porter" }), port)
          }
        })
      )
      const { allDie, cluster, end, executionId, owner, suspended } = yield* told(
        Layer.merge(
          story(() => DurableDeferred.await(Gate)),
          porter
        )
      )
      yield* suspended
      yield* allDie
      const ids = Array.from({ length: 100 }, (_, number) => `p${number}`)
      const elsewhere = the(ids.find((id) => cluster.ownerOf(Porter, id) !== owner()))
      const token = DurableDeferred.tokenFromExecutionId(Gate, { workflow: Story, executionId })
      const port = yield* (yield* cluster.clientOf(Porter))(elsewhere).Open({ token })
      assert.strictEqual(port, the(cluster.ownerOf(Porter, elsewhere)).address.port)
      assert.deepStrictEqual(yield* end, Exit.succeed("by a porter"))
    })
  )

  it.effect("remembers who has won a race of deferreds when its owner died", () =>
    Effect.gen(function* () {
      const entered = counting()
      const { end, open, ownerDies, suspended } = yield* told(
        story(() =>
          Effect.gen(function* () {
            const winner = yield* DurableDeferred.raceAll({
              name: "race",
              success: Schema.String,
              error: Schema.Never,
              effects: [DurableDeferred.await(Gate), Effect.andThen(entered.more, Effect.never)]
            })
            return `${winner}, ${yield* DurableDeferred.await(Tail)}`
          })
        )
      )
      yield* until(
        "the race has begun",
        Effect.sync(() => entered.count() > 0)
      )
      yield* open(Gate, "first")
      yield* suspended
      const before = entered.count()
      yield* ownerDies
      yield* open(Tail, "last")
      assert.deepStrictEqual([yield* end, entered.count()], [Exit.succeed("first, last"), before])
    })
  )

  it.effect("hears of a deferred that is completed while it is being suspended and its owner dies", () =>
    Effect.gen(function* () {
      const suspending = Latch.makeUnsafe()
      const goOn = Latch.makeUnsafe()
      const { end, open, owner, cluster } = yield* told(
        story(() =>
          DurableDeferred.raceAll({
            name: "race",
            success: Schema.String,
            error: Schema.Never,
            effects: [DurableDeferred.await(Gate), DurableDeferred.await(Tail)]
          }).pipe(Effect.ensuring(Effect.andThen(suspending.open, goOn.await)))
        )
      )
      yield* suspending.await
      yield* open(Tail, "late")
      const dying = yield* Effect.forkChild(the(owner()).kill, { startImmediately: true })
      yield* goOn.open
      yield* Fiber.join(dying)
      yield* cluster.settled
      assert.deepStrictEqual(yield* end, Exit.succeed("late"))
    })
  )

  it.effect("compensates once, on whoever owns it when it fails", () =>
    Effect.gen(function* () {
      const compensated = counting()
      const { end, open, ownerDies, suspended } = yield* told(
        story(({ id }) =>
          Effect.gen(function* () {
            yield* Activity.make({ name: "reserve", success: Schema.String, execute: Effect.succeed(id) }).pipe(
              Story.withCompensation(() => compensated.more)
            )
            yield* DurableDeferred.await(Gate)
            return yield* Effect.fail("sold out")
          })
        )
      )
      yield* suspended
      yield* ownerDies
      yield* open(Gate, "go")
      assert.deepStrictEqual([yield* end, compensated.count()], [Exit.fail("sold out"), 1])
    })
  )

  it.effect("is suspended where it fails and is told to, after its owner died too", () =>
    Effect.gen(function* () {
      const failed = counting()
      const Careful = Story.annotate(Workflow.SuspendOnFailure, true)
      const { open, ownerDies, suspended } = yield* told(
        // It is the same workflow, but for its annotation.
        Careful.toLayer(() =>
          Effect.gen(function* () {
            yield* DurableDeferred.await(Gate)
            yield* Activity.make({ name: "fail", execute: Effect.andThen(failed.more, Effect.die("failed")) })
            return "never"
          })
        ) as Entities
      )
      yield* suspended
      yield* ownerDies
      yield* open(Gate, "go")
      yield* until(
        "it has failed",
        Effect.sync(() => failed.count() === 1)
      )
      yield* suspended
    })
  )

  it.effect("tries an activity again as it is told to, and keeps its last error", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const { end } = yield* told(
        story(() =>
          Activity.make({
            name: "try",
            success: Schema.String,
            error: Schema.String,
            execute: Effect.gen(function* () {
              const attempt = yield* Activity.CurrentAttempt
              attempts.push(attempt)
              return yield* Effect.fail(`attempt ${attempt}`)
            })
          }).pipe(Activity.retry({ times: 2 }))
        )
      )
      assert.deepStrictEqual([yield* end, attempts], [Exit.fail("attempt 3"), [1, 2, 3]])
    })
  )

  it.effect("wakes from a durable sleep though all runners died while it slept", () =>
    Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      const { allDie, end, suspended } = yield* told(
        story(() =>
          Effect.gen(function* () {
            yield* DurableClock.sleep({ name: "nap", duration: "1 second", inMemoryThreshold: 0 })
            return String(yield* Clock.currentTimeMillis)
          })
        )
      )
      yield* suspended
      yield* allDie
      const exit = yield* end
      assert.isTrue(Exit.isSuccess(exit))
      if (Exit.isSuccess(exit)) assert.isAtLeast(Number(exit.value) - began, 1_000)
    })
  )

  it.effect("has its work done once by a worker of a durable queue, though all runners died meanwhile", () =>
    Effect.gen(function* () {
      const working = Latch.makeUnsafe()
      const runs = counting()
      const Work = DurableQueue.make({ name: "Work", payload, success: Schema.String, idempotencyKey })
      const worker = Layer.effectDiscard(
        Effect.forkScoped(
          Effect.andThen(
            working.await,
            DurableQueue.makeWorker(Work, ({ id }) => Effect.as(runs.more, `did ${id}`))
          )
        )
      )
      const queue = PersistedQueue.layer.pipe(Layer.provide(Queue.layerStoreSql({ pollInterval: "100 millis" })))
      const { allDie, end, suspended } = yield* told(
        Layer.merge(
          Story.toLayer(({ id }) => DurableQueue.process(Work, { id })),
          worker
        ).pipe(Layer.provide(queue), Layer.orDie)
      )
      yield* suspended
      yield* allDie
      yield* working.open
      assert.deepStrictEqual([yield* end, runs.count()], [Exit.succeed("did s1"), 1])
    })
  )

  it.effect("is interrupted though all runners died before they heard of it", () =>
    Effect.gen(function* () {
      const { allDie, end, executionId, outside, suspended } = yield* told(story(() => DurableDeferred.await(Gate)))
      yield* suspended
      yield* outside(Story.interrupt(executionId))
      yield* allDie
      const exit = yield* end
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
    })
  )
})
