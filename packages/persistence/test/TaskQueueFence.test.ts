import { DsqlClient, Fence, type Guard, Guarded, Removal, RetryPolicy, Transaction } from "@effect-dsql/core"
import type { TaskQueue } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Stream } from "effect"
import * as Layout from "../src/internal/taskQueues/layout.ts"
import { owned } from "../src/internal/taskQueues/ownership.ts"
import { add, earlier, owner, verify } from "../src/internal/taskQueues/tasks.ts"
import { blob } from "./support/rows.ts"
import { classic, fair, given, type Kind, queueId, tasksAt } from "./support/taskQueues.ts"
import { describeForms, describeStores } from "./support/persistence.ts"

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

/** A transaction that takes its snapshot, lets `meanwhile` happen, and goes on with `then`. */
const interleaved = <E, R>(
  meanwhile: Effect.Effect<unknown, E, R>,
  then: Effect.Effect<unknown, unknown, Transaction.Transaction>,
  retries: RetryPolicy.RetryPolicy = policy
) =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const done = yield* Deferred.make<void>()
    const body = Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* sql`SELECT 1 AS one FROM task_queues LIMIT 1`
      yield* Deferred.succeed(begun, undefined)
      yield* Deferred.await(done)
      yield* then
    })
    const fiber = yield* Transaction.run(body, { policy: retries }).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(begun)
    yield* meanwhile
    yield* Deferred.succeed(done, undefined)
    return yield* Fiber.join(fiber)
  })

const suite = <P>(kind: Kind<P>, layout: Layout.Layout<P>) =>
  describeStores(`Of ${kind.name}, tasks that a stale owner adds`, (it) => {
    const visible = (queue: TaskQueue.TaskQueue) =>
      Effect.gen(function* () {
        const store = yield* kind.store
        return (yield* store.listTasks(queue.id)).items.length
      })

    it.effect("in a transaction begun before the takeover do not commit after it", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const outcome = yield* interleaved(
          store.lease(queue.id, blob()),
          add(layout, { id: queue.id, rangeId: 5n }, tasksAt(kind, 0, 3))
        )
        assert(outcome._tag === "Failure")
        assert.include(outcome.failure, { _tag: "TaskQueueOwnershipLost", expected: 5n, actual: 6n } as const)
        assert.strictEqual(yield* visible(queue), 0)
      })
    )

    it.effect("are refused for ever, though another deletes the queue and makes it anew", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const mine = yield* store.lease(queueId(), blob())
        yield* store.delete(mine)
        assert.deepStrictEqual(yield* store.find(mine.id), Option.none())
        const theirs = yield* store.lease(mine.id, blob())
        const lost = yield* Effect.flip(store.createTasks(mine, tasksAt(kind, 0, 1)))
        assert.include(lost, {
          _tag: "TaskQueueOwnershipLost",
          expected: mine.rangeId,
          actual: theirs.rangeId
        } as const)
        assert.isAbove(Number(theirs.rangeId), Number(mine.rangeId))
        assert.strictEqual(yield* visible(theirs), 0)
      })
    )

    it.effect("do not outlive the queue that is deleted meanwhile", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const outcome = yield* interleaved(
          store.delete(queue),
          add(layout, { id: queue.id, rangeId: 5n }, tasksAt(kind, 0, 3))
        )
        assert(outcome._tag === "Failure")
        assert.include(outcome.failure, { _tag: "TaskQueueOwnershipLost", actual: undefined } as const)
        assert.strictEqual(yield* visible(queue), 0)
      })
    )

    it.effect("would commit if the queue's row were read and not held", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const unheld = Effect.gen(function* () {
          const sql = yield* Transaction.sql
          const rows = yield* sql<{ range_id: bigint }>`
            SELECT range_id FROM ${sql(kind.queues)} WHERE task_queue_id = ${queue.id.uuid}`
          // It looks as if the range were still its own.
          assert.strictEqual(rows[0]?.range_id, 5n)
          yield* sql`INSERT INTO ${sql(kind.tasks)} ${sql.insert({
            ...Layout.key(queue.id),
            ...layout.toColumns(kind.at(0)),
            data: new Uint8Array(),
            data_encoding: "Proto3"
          })}`
        })
        const outcome = yield* interleaved(store.lease(queue.id, blob()), unheld)
        assert.strictEqual(outcome._tag, "Success")
        assert.strictEqual(yield* visible(queue), 1)
      })
    )

    it.effect("would commit if the new owner raised the range without FOR UPDATE", () =>
      Effect.gen(function* () {
        const queue = yield* given(kind, 5n)
        const { sql } = yield* DsqlClient.DsqlClient
        const outcome = yield* interleaved(
          sql`UPDATE ${sql(kind.queues)} SET range_id = 6 WHERE task_queue_id = ${queue.id.uuid}`,
          add(layout, { id: queue.id, rangeId: 5n }, tasksAt(kind, 0, 3))
        )
        assert.strictEqual(outcome._tag, "Success")
        assert.strictEqual(yield* visible(queue), 3)
      })
    )

    it.effect("would come under a queue whose range its update had moved back, were the range not in its WHERE", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const { rangeId } = yield* store.lease(queue.id, blob())
        yield* Effect.flip(store.update({ ...queue, info: blob() }, 5n))
        assert.strictEqual(Option.getOrThrow(yield* store.find(queue.id)).rangeId, rangeId)
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`UPDATE ${sql(kind.queues)} SET range_id = 5 WHERE task_queue_id = ${queue.id.uuid}`
        yield* store.createTasks({ id: queue.id, rangeId: 5n }, tasksAt(kind, 0, 1))
        assert.strictEqual(yield* visible(queue), 1)
      })
    )
  })

const owners = <P>(kind: Kind<P>, layout: Layout.Layout<P>) =>
  describeStores(`Of ${kind.name}, the owner's writes`, (it) => {
    it.effect("do not conflict with each other: tasks beside tasks, tasks beside the queue's own update", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const beside = Effect.andThen(
          store.createTasks({ id: queue.id, rangeId: 5n }, tasksAt(kind, 100, 3)),
          store.update({ ...queue, info: blob() }, 5n)
        )
        const outcome = yield* interleaved(
          beside,
          add(layout, { id: queue.id, rangeId: 5n }, tasksAt(kind, 0, 3)),
          RetryPolicy.none
        )
        assert.strictEqual(outcome._tag, "Success")
        assert.strictEqual((yield* store.listTasks(queue.id)).items.length, 6)
      })
    )

    it.effect("do conflict where only FOR UPDATE can be had, and succeed when they are tried again", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const race = (at: number, retries: RetryPolicy.RetryPolicy) =>
          interleaved(
            store.createTasks({ id: queue.id, rangeId: 5n }, tasksAt(kind, at, 1)),
            add(layout, { id: queue.id, rangeId: 5n }, tasksAt(kind, at + 1, 1)),
            retries
          ).pipe(Effect.provideService(Fence.SharedLock, "FOR UPDATE"))
        const once = yield* race(0, RetryPolicy.none)
        assert(once._tag === "Failure")
        assert.include(once.failure, { _tag: "ConflictRetriesExhausted" } as const)
        assert.strictEqual((yield* race(2, policy))._tag, "Success")
        assert.strictEqual((yield* store.listTasks(queue.id)).items.length, 3)
      })
    )
  })

/** Tasks are written and their COMMIT is under way, when `settle` looks whether they are there. */
const underWay = <P>(
  kind: Kind<P>,
  layout: Layout.Layout<P>,
  settle: (
    queue: TaskQueue.TaskQueue,
    tasks: ReadonlyArray<TaskQueue.Task<P>>
  ) => Effect.Effect<unknown, unknown, Transaction.Transaction>
) =>
  Effect.gen(function* () {
    const queue = yield* given(kind, 5n)
    const tasks = tasksAt(kind, 0, 3)
    const written = yield* Deferred.make<void>()
    const settled = yield* Deferred.make<void>()
    const body = Effect.andThen(
      add(layout, { id: queue.id, rangeId: 5n }, tasks),
      Effect.andThen(Deferred.succeed(written, undefined), Deferred.await(settled))
    )
    const fiber = yield* Transaction.run(body, { policy: RetryPolicy.none }).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(written)
    const outcome = yield* Transaction.run(settle(queue, tasks))
    yield* Deferred.succeed(settled, undefined)
    return { outcome, committed: (yield* Fiber.join(fiber))._tag === "Success" }
  })

const unknown = <P>(kind: Kind<P>, layout: Layout.Layout<P>) =>
  describeStores(`Of ${kind.name}, tasks that are still under way`, (it) => {
    it.effect("never come once they have been found missing", () =>
      Effect.gen(function* () {
        const settle = (queue: TaskQueue.TaskQueue, tasks: ReadonlyArray<TaskQueue.Task<P>>) =>
          verify(layout, { id: queue.id, rangeId: 5n }, tasks)
        const { committed, outcome } = yield* underWay(kind, layout, settle)
        assert.deepStrictEqual(outcome, Transaction.notCommitted)
        assert.isFalse(committed)
      })
    )

    it.effect("would come after all if the queue's row were not taken to look for them", () =>
      Effect.gen(function* () {
        const settle = (queue: TaskQueue.TaskQueue) =>
          Effect.flatMap(
            Transaction.sql,
            (sql) => sql`SELECT 1 AS one FROM ${sql(kind.tasks)} WHERE task_queue_id = ${queue.id.uuid}`
          )
        const { committed, outcome } = yield* underWay(kind, layout, settle)
        assert.deepStrictEqual(outcome, [])
        assert.isTrue(committed)
      })
    )

    it.effect("are unknown once somebody else has the queue, who may have completed them", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const tasks = tasksAt(kind, 0, 3)
        const outcome = Transaction.run(verify(layout, { id: queue.id, rangeId: 5n }, tasks))
        yield* store.createTasks({ id: queue.id, rangeId: 5n }, tasks)
        const theirs = yield* store.lease(queue.id, blob())
        assert.strictEqual((yield* outcome)._tag, "Committed")
        yield* store.deleteTasks(theirs, kind.at(3))
        assert.strictEqual((yield* outcome)._tag, "Unknown")
      })
    )
  })

const deletions = <P>(kind: Kind<P>, layout: Layout.Layout<P>) =>
  describeForms(`Of ${kind.name}, tasks that a stale owner deletes`, (it) => {
    const [before, tasks] = [kind.at(3), tasksAt(kind, 0, 3)]
    const taken = Effect.gen(function* () {
      const store = yield* kind.store
      const mine = yield* store.lease(queueId(), blob())
      return { store, mine, theirs: yield* store.lease(mine.id, blob()) }
    })

    it.effect(
      "stay where they are, so that their owner finds them when the answer was lost that he has added them",
      () =>
        Effect.gen(function* () {
          const { mine, store, theirs } = yield* taken
          yield* store.createTasks(theirs, tasks)
          const lost = yield* Effect.flip(store.deleteTasks(mine, before))
          assert.include(lost, {
            _tag: "TaskQueueOwnershipLost",
            expected: mine.rangeId,
            actual: theirs.rangeId
          } as const)
          assert.strictEqual((yield* Transaction.run(verify(layout, theirs, tasks)))._tag, "Committed")
          assert.strictEqual(yield* store.deleteTasks(theirs, before), 3)
        })
    )

    it.effect("would be taken for tasks that never were, were they deleted", () =>
      Effect.gen(function* () {
        const { store, theirs } = yield* taken
        yield* store.createTasks(theirs, tasks)
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`DELETE FROM ${sql(kind.tasks)} WHERE task_queue_id = ${theirs.id.uuid}`
        assert.strictEqual((yield* Transaction.run(verify(layout, theirs, tasks)))._tag, "NotCommitted")
      })
    )

    /** Begins to delete what he has added, is taken over by one who adds more, and deletes. */
    const overtaken = (guard: (mine: TaskQueue.TaskQueue) => Guard.Guard<unknown>) =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const mine = yield* store.lease(queueId(), blob())
        const [first, ...others] = tasks
        yield* store.createTasks(mine, first === undefined ? [] : [first])
        const successor = Effect.flatMap(store.lease(mine.id, blob()), (theirs) => store.createTasks(theirs, others))
        const removal = Removal.by(earlier(layout, mine.id, before), (statement) =>
          Guarded.write({ ...statement, guards: [guard(mine)] })
        )
        const outcome = yield* interleaved(successor, Stream.runDrain(removal), RetryPolicy.none)
        return { outcome, others, left: (yield* store.listTasks(mine.id)).items }
      })

    it.effect("stay where they are where he began before the takeover, and what stood there before goes", () =>
      Effect.gen(function* () {
        const { left, others, outcome } = yield* overtaken((mine) => owner(layout, mine))
        assert.strictEqual(outcome._tag, "Success")
        assert.deepStrictEqual(left, others)
      })
    )

    it.effect("would make him conflict with the takeover if he held the queue", () =>
      Effect.gen(function* () {
        const { left, outcome } = yield* overtaken((mine) => owned(layout.queues, mine, "shared"))
        assert(outcome._tag === "Failure")
        assert.include(outcome.failure, { _tag: "ConflictRetriesExhausted" } as const)
        assert.deepStrictEqual(left, tasks)
      })
    )
  })

suite(classic, Layout.classic)
suite(fair, Layout.fair)
owners(classic, Layout.classic)
owners(fair, Layout.fair)
unknown(classic, Layout.classic)
unknown(fair, Layout.fair)
deletions(classic, Layout.classic)
deletions(fair, Layout.fair)
