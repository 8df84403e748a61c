import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Control, loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob } from "./support/rows.ts"
import { classic, fair, given, type Kind, queueId, tasksAt } from "./support/taskQueues.ts"
import { describeEmulated } from "./support/persistence.ts"

const suite = <P>(kind: Kind<P>) =>
  describeEmulated(`With ${kind.name}`, (it) => {
    it.effect("leasing, updating, reading a queue and adding 100 tasks are one round trip each", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        let added = 0
        const operations: Record<string, Effect.Effect<unknown, unknown>> = {
          create: Effect.suspend(() => store.create({ ...queue, id: queueId() })),
          get: store.find(queue.id),
          list: store.list(),
          update: store.update({ ...queue, info: blob() }, 5n),
          createTasks: Effect.suspend(() =>
            store.createTasks({ id: queue.id, rangeId: 5n }, tasksAt(kind, (added += 100), 100))
          ),
          getTasks: store.listTasks(queue.id),
          completeTasksLessThan: Effect.suspend(() => store.deleteTasks(queue, kind.at(added))),
          lease: store.lease(queue.id, blob())
        }
        for (const [name, operation] of Object.entries(operations)) {
          assert.deepStrictEqual([name, yield* roundTrips(operation)], [name, 1])
        }
        const [one, two] = [yield* given(kind, 5n), yield* given(kind, 5n)]
        const control = yield* Control
        yield* store.delete({ id: one.id, rangeId: 5n })
        const before = (yield* control.counts()).roundTrips
        yield* store.delete({ id: two.id, rangeId: 5n })
        assert.strictEqual((yield* control.counts()).roundTrips - before, 1)
      })
    )

    it.effect("tasks whose answer was lost are there once, and known to be", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const tasks = tasksAt(kind, 0, 20)
        yield* loseAnswer("after")
        yield* store.createTasks({ id, rangeId: 5n }, tasks)
        assert.deepStrictEqual((yield* store.listTasks(id)).items, tasks)
      })
    )

    it.effect("tasks that were lost before they took effect are known not to be there, and can be added again", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const tasks = tasksAt(kind, 0, 20)
        yield* loseAnswer("before")
        assert.strictEqual((yield* Effect.flip(store.createTasks({ id, rangeId: 5n }, tasks)))._tag, "ConnectionLost")
        assert.deepStrictEqual((yield* store.listTasks(id)).items, [])
        yield* store.createTasks({ id, rangeId: 5n }, tasks)
        assert.deepStrictEqual((yield* store.listTasks(id)).items, tasks)
      })
    )

    it.effect("a queue whose answer was lost is settled by what is there", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = { id: queueId(), rangeId: 5n, info: blob() }
        // One that is there does not say who made it, nor one that is not whether it was.
        for (const when of ["before", "after"] as const) {
          yield* loseAnswer(when)
          const lost = yield* Effect.flip(store.create({ ...queue, id: queueId() }))
          assert.strictEqual(lost._tag, "CommitOutcomeUnknown")
        }
        yield* store.create(queue)
        for (const rangeId of [5n, 6n]) {
          const changed = { ...queue, rangeId, info: blob() }
          yield* loseAnswer("before")
          // A range that moves lets the write be done again; one that stays does not.
          const again = yield* Effect.result(store.update(changed, 5n))
          assert.strictEqual(again._tag, rangeId === 5n ? "Failure" : "Success")
          yield* loseAnswer("after")
          const moved = { ...changed, rangeId: rangeId === 5n ? 5n : 7n }
          yield* store.update(moved, rangeId)
          assert.deepStrictEqual(yield* store.find(queue.id), Option.some(moved))
        }
        yield* loseAnswer("before")
        yield* store.delete({ id: queue.id, rangeId: 7n })
        assert.isTrue(Option.isNone(yield* store.find(queue.id)))
        const anew = yield* store.create(queue)
        assert.strictEqual(anew.rangeId, 9n)
        yield* loseAnswer("after")
        yield* store.delete(anew)
        assert.isTrue(Option.isNone(yield* store.find(queue.id)))
      })
    )

    it.effect("a lease whose answer was lost is taken again, and the range it gives holds", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        yield* loseAnswer("before")
        assert.strictEqual((yield* store.lease(queue.id, blob())).rangeId, 6n)
        yield* loseAnswer("after")
        const leased = yield* store.lease(queue.id, blob())
        assert.strictEqual(leased.rangeId, 8n)
        yield* store.createTasks({ id: queue.id, rangeId: leased.rangeId }, tasksAt(kind, 0, 1))
      })
    )

    it.effect("completing goes on when an answer was lost, until all are gone", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        yield* store.createTasks({ id, rangeId: 5n }, tasksAt(kind, 0, 1_200))
        const control = yield* Control
        for (const fault of ["cut", "cut-after"] as const) {
          yield* control.clear
          yield* control.inject({ on: "commit", fault, nth: [2] })
          yield* store.deleteTasks({ id, rangeId: 5n }, kind.at(fault === "cut" ? 600 : 1_200))
        }
        yield* control.clear
        assert.deepStrictEqual((yield* store.listTasks(id)).items, [])
      })
    )
  })

suite(classic)
suite(fair)
