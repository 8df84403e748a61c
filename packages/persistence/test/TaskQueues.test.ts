import { DsqlClient } from "@effect-dsql/core"
import { Identifiers, PageToken, TaskQueueId } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { blob, namespaceId } from "./support/rows.ts"
import { classic, fair, given, type Kind, queueId, tasksAt } from "./support/taskQueues.ts"
import { describeAlone, describeStores } from "./support/persistence.ts"

/** The contract of the queues themselves, the same for both kinds. */
const ownership = <P>(kind: Kind<P>) =>
  describeStores(`Of ${kind.name}, a queue`, (it) => {
    it.effect("is created and read back, its id as it was given", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        assert.deepStrictEqual(yield* store.find(queue.id), Option.some(queue))
        assert.isTrue(Option.isNone(yield* store.find(queueId())))
      })
    )

    it.effect("is not created twice: the second gets the one that is there", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const error = yield* Effect.flip(store.create({ ...queue, rangeId: 9n, info: blob() }))
        assert(error._tag === "TaskQueueExists")
        assert.deepStrictEqual(error.existing, queue)
        assert.deepStrictEqual(yield* store.find(queue.id), Option.some(queue))
      })
    )

    it.effect("is updated, with its range and without moving it, by whoever has the range", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const refreshed = { ...queue, info: blob() }
        yield* store.update(refreshed, 5n)
        assert.deepStrictEqual(yield* store.find(queue.id), Option.some(refreshed))
        const moved = { ...queue, rangeId: 6n, info: blob() }
        yield* store.update(moved, 5n)
        assert.deepStrictEqual(yield* store.find(queue.id), Option.some(moved))
      })
    )

    it.effect("is left as it is by an update with a stale range, which learns the range that is", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 6n)
        for (const rangeId of [5n, 7n]) {
          const lost = yield* Effect.flip(store.update({ ...queue, rangeId, info: blob() }, 5n))
          assert.deepInclude(lost, { _tag: "TaskQueueOwnershipLost", id: queue.id, expected: 5n, actual: 6n } as const)
        }
        assert.deepStrictEqual(yield* store.find(queue.id), Option.some(queue))
      })
    )

    it.effect("is not made by an update or a delete", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const id = queueId()
        for (const rangeId of [5n, 6n]) {
          const lost = yield* Effect.flip(store.update({ id, rangeId, info: blob() }, 5n))
          assert.include(lost, { _tag: "TaskQueueOwnershipLost", actual: undefined } as const)
        }
        assert.strictEqual((yield* Effect.flip(store.delete({ id, rangeId: 5n })))._tag, "TaskQueueOwnershipLost")
        assert.isTrue(Option.isNone(yield* store.find(id)))
      })
    )

    it.effect("is deleted by whoever has the range, and by nobody else", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const lost = yield* Effect.flip(store.delete({ id: queue.id, rangeId: 4n }))
        assert.include(lost, { _tag: "TaskQueueOwnershipLost", expected: 4n, actual: 5n } as const)
        assert.deepStrictEqual(yield* store.find(queue.id), Option.some(queue))
        yield* store.delete({ id: queue.id, rangeId: 5n })
        assert.isTrue(Option.isNone(yield* store.find(queue.id)))
      })
    )

    it.effect("is leased with range 1 when it is new, and with the next range when it is not", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const id = queueId()
        const info = blob()
        assert.deepStrictEqual(yield* store.lease(id, info), { id, rangeId: 1n, info })
        assert.deepStrictEqual(yield* store.lease(id, blob()), { id, rangeId: 2n, info })
        assert.deepStrictEqual(yield* store.find(id), Option.some({ id, rangeId: 2n, info }))
      })
    )

    it.effect("gives each of eight who lease it at once a range of his own", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const id = queueId()
        const leased = yield* Effect.all(
          Array.from({ length: 8 }, () => store.lease(id, blob())),
          {
            concurrency: "unbounded"
          }
        )
        const ranges = leased.map(({ rangeId }) => Number(rangeId)).toSorted((a, b) => a - b)
        assert.deepStrictEqual(ranges, [1, 2, 3, 4, 5, 6, 7, 8])
      })
    )

    it.effect("is refused when no column could hold its info, before it is sent", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const info = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
        const id = queueId()
        for (const write of [store.create({ id, rangeId: 1n, info }), store.lease(id, info)]) {
          const refused = yield* Effect.flip(write)
          assert.include(refused, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
          assert.include(refused.message, `${kind.queues}.data`)
        }
        assert.isTrue(Option.isNone(yield* store.find(id)))
      })
    )

    it.effect("whose row does not decode is named", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queue = yield* given(kind, 5n)
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`UPDATE ${sql(kind.queues)} SET data_encoding = 'Thrift' WHERE task_queue_id = ${queue.id.uuid}`
        const malformed = yield* Effect.flip(store.find(queue.id))
        assert.include(malformed, { _tag: "MalformedRow", table: kind.queues } as const)
        assert.include(malformed.message, queue.id.uuid)
        assert.include(malformed.message, "data_encoding")
      })
    )
  })

const lists = <P>(kind: Kind<P>) =>
  describeAlone(`The list of ${kind.name}`, (it) => {
    it.effect("gives each queue once, whatever the size of its pages", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const queues = yield* Effect.all(Array.from({ length: 9 }, () => given(kind, 1n)))
        const hash = (queue: { readonly id: { readonly rangeHash: bigint; readonly uuid: string } }) => queue.id.uuid
        const expected = new Set(queues.map(hash))
        for (const size of [1, 2, 4, 9, 100]) {
          const listed = yield* Stream.runCollect(store.stream({ size }))
          assert.strictEqual(listed.length, 9)
          assert.deepStrictEqual(new Set(listed.map(hash)), expected)
          const hashes = listed.map((queue) => queue.id.rangeHash)
          assert.deepStrictEqual(
            hashes,
            hashes.toSorted((a, b) => (a < b ? -1 : 1))
          )
        }
        const nine = yield* store.list({ size: 9 })
        assert.isUndefined(nine.next)
        const foreign = PageToken.PageToken.make("nonsense")
        assert.strictEqual((yield* Effect.flip(store.list({ token: foreign })))._tag, "PageTokenInvalid")
      })
    )

    it.effect("stops before a row that does not decode, and leads past it", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const before = yield* Stream.runCollect(store.stream())
        const bad = before[4]
        assert(bad !== undefined)
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`UPDATE ${sql(kind.queues)} SET data_encoding = 'Thrift' WHERE task_queue_id = ${bad.id.uuid}`
        const first = yield* store.list()
        assert.deepStrictEqual(first.items, before.slice(0, 4))
        const malformed = yield* Effect.flip(store.list({ token: first.next }))
        assert(malformed._tag === "MalformedRow")
        assert.deepStrictEqual((yield* store.list({ token: malformed.next })).items, before.slice(5))
      })
    )
  })

/** The contract of their tasks, the same for both kinds. */
const tasks = <P>(kind: Kind<P>) =>
  describeStores(`Of ${kind.name}, the tasks`, (it) => {
    it.effect("come back in order, in whatever order they were added", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const added = tasksAt(kind, 0, 25)
        yield* store.createTasks({ id, rangeId: 5n }, added.toReversed())
        assert.deepStrictEqual(yield* store.listTasks(id), { items: added, next: undefined })
      })
    )

    it.effect("of 32 times 32 come back page by page, one a page", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const batches = Array.from({ length: 32 }, (_, batch) => tasksAt(kind, batch * 32, 32))
        yield* Effect.forEach(batches, (batch) => store.createTasks({ id, rangeId: 5n }, batch))
        const read = yield* Stream.runCollect(store.streamTasks(id, { size: 1 }))
        assert.deepStrictEqual(read, batches.flat())
      })
    )

    it.effect("are read from a position on, up to another one that is not included", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const added = tasksAt(kind, 0, 40)
        yield* store.createTasks({ id, rangeId: 5n }, added)
        const range = { from: kind.at(7), before: kind.at(23) }
        assert.deepStrictEqual((yield* store.listTasks(id, range)).items, added.slice(7, 23))
        for (const size of [1, 5, 16]) {
          assert.deepStrictEqual(
            yield* Stream.runCollect(store.streamTasks(id, { ...range, size })),
            added.slice(7, 23)
          )
        }
        assert.deepStrictEqual(yield* store.listTasks(id, { from: kind.at(40) }), { items: [], next: undefined })
      })
    )

    it.effect("are added to a queue that is owned only; of a stale owner's none is seen", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const lost = yield* Effect.flip(store.createTasks({ id, rangeId: 4n }, tasksAt(kind, 0, 3)))
        assert.deepInclude(lost, { _tag: "TaskQueueOwnershipLost", id, expected: 4n, actual: 5n } as const)
        const missing = yield* Effect.flip(store.createTasks({ id: queueId(), rangeId: 4n }, tasksAt(kind, 0, 3)))
        assert.include(missing, { _tag: "TaskQueueOwnershipLost", actual: undefined } as const)
        assert.deepStrictEqual((yield* store.listTasks(id)).items, [])
      })
    )

    it.effect("are added all or none: a position that is taken refuses its whole batch", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const added = tasksAt(kind, 0, 3)
        yield* store.createTasks({ id, rangeId: 5n }, added)
        assert.strictEqual(
          (yield* Effect.flip(store.createTasks({ id, rangeId: 5n }, tasksAt(kind, 2, 4))))._tag,
          "UniqueViolation"
        )
        assert.deepStrictEqual((yield* store.listTasks(id)).items, added)
        yield* store.createTasks({ id, rangeId: 5n }, [])
        const stale = yield* Effect.flip(store.createTasks({ id, rangeId: 4n }, []))
        assert.strictEqual(stale._tag, "TaskQueueOwnershipLost")
      })
    )

    it.effect("of a subqueue are added below the range of its queue, beside the queue's own", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const name = Identifiers.TaskQueueName.make("priorities")
        const known = { namespaceId: namespaceId(), name, type: "Activity" } as const
        const queue = yield* store.create({ id: TaskQueueId.make(known), rangeId: 5n, info: blob() })
        const subqueue = TaskQueueId.make({ ...known, subqueue: 3 })
        const [own, urgent] = [tasksAt(kind, 0, 2), tasksAt(kind, 0, 3)]
        const tasks = [...own, ...urgent.map((task) => ({ ...task, subqueue }))]
        const stale = yield* Effect.flip(store.createTasks({ ...queue, rangeId: 4n }, tasks))
        assert.include(stale, { _tag: "TaskQueueOwnershipLost", actual: 5n } as const)
        yield* store.createTasks(queue, tasks)
        assert.deepStrictEqual((yield* store.listTasks(queue.id)).items, own)
        assert.deepStrictEqual((yield* store.listTasks(subqueue)).items, urgent)
        assert.isTrue(Option.isNone(yield* store.find(subqueue)))
        assert.strictEqual(yield* store.deleteTasks(queue, kind.at(2), { subqueue }), 2)
        assert.deepStrictEqual((yield* store.listTasks(queue.id)).items, own)
      })
    )

    it.effect("of one queue are not another's, nor is its page token, nor that of another range", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const [one, other] = [yield* given(kind, 5n), yield* given(kind, 5n)]
        const added = tasksAt(kind, 0, 3)
        yield* store.createTasks({ id: one.id, rangeId: 5n }, added)
        assert.deepStrictEqual((yield* store.listTasks(other.id)).items, [])
        const { next } = yield* store.listTasks(one.id, { size: 1 })
        const foreign = [
          store.listTasks(other.id, { token: next }),
          store.listTasks(one.id, { from: kind.at(1), token: next })
        ]
        for (const each of foreign) assert.strictEqual((yield* Effect.flip(each))._tag, "PageTokenInvalid")
        yield* store.deleteTasks(other, kind.at(100))
        assert.deepStrictEqual((yield* store.listTasks(one.id)).items, added)
      })
    )

    it.effect("are completed up to a position, first ones first, as many as asked for", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const added = tasksAt(kind, 0, 30)
        yield* store.createTasks({ id, rangeId: 5n }, added)
        assert.strictEqual(yield* store.deleteTasks({ id, rangeId: 5n }, kind.at(0)), 0)
        assert.strictEqual(yield* store.deleteTasks({ id, rangeId: 5n }, kind.at(25), { limit: 4 }), 4)
        assert.deepStrictEqual((yield* store.listTasks(id)).items, added.slice(4))
        assert.strictEqual(yield* store.deleteTasks({ id, rangeId: 5n }, kind.at(25)), 21)
        assert.deepStrictEqual((yield* store.listTasks(id)).items, added.slice(25))
        assert.strictEqual(yield* store.deleteTasks({ id, rangeId: 5n }, kind.at(25)), 0)
      })
    )

    it.effect("beyond the rows of one transaction are refused at once, and completed in several", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const refused = yield* Effect.flip(store.createTasks({ id, rangeId: 5n }, tasksAt(kind, 0, 3_001)))
        assert.include(refused, { _tag: "LimitExceeded", limit: "transaction_rows" } as const)
        const blobs = { data: new Uint8Array(1024 * 1024), encoding: "Proto3" } as const
        const large = tasksAt(kind, 0, 11).map(({ position }) => ({ position, task: blobs }))
        const heavy = yield* Effect.flip(store.createTasks({ id, rangeId: 5n }, large))
        assert.include(heavy, { _tag: "LimitExceeded", limit: "transaction_bytes" } as const)
        assert.deepStrictEqual((yield* store.listTasks(id)).items, [])
        yield* store.createTasks({ id, rangeId: 5n }, tasksAt(kind, 0, 3_000))
        yield* store.createTasks({ id, rangeId: 5n }, tasksAt(kind, 3_000, 600))
        assert.strictEqual(yield* store.deleteTasks({ id, rangeId: 5n }, kind.at(3_500)), 3_500)
        assert.strictEqual((yield* store.listTasks(id)).items.length, 100)
      })
    )

    it.effect("that do not decode are named, and the rest can be read", () =>
      Effect.gen(function* () {
        const store = yield* kind.store
        const { id } = yield* given(kind, 5n)
        const added = tasksAt(kind, 0, 3)
        yield* store.createTasks({ id, rangeId: 5n }, added)
        const { sql } = yield* DsqlClient.DsqlClient
        const bad = added[1]?.position
        assert(bad !== undefined)
        const taskId = (bad as { readonly taskId: bigint }).taskId
        yield* sql`UPDATE ${sql(kind.tasks)} SET data_encoding = 'Thrift'
          WHERE task_queue_id = ${id.uuid} AND task_id = ${taskId}`
        const first = yield* store.listTasks(id)
        assert.deepStrictEqual(first.items, added.slice(0, 1))
        const malformed = yield* Effect.flip(store.listTasks(id, { token: first.next }))
        assert(malformed._tag === "MalformedRow")
        assert.include(malformed.message, `task_id = ${taskId}`)
        assert.deepStrictEqual((yield* store.listTasks(id, { token: malformed.next })).items, added.slice(2))
      })
    )
  })

ownership(classic)
ownership(fair)
lists(classic)
lists(fair)
tasks(classic)
tasks(fair)
