import { DsqlClient } from "@effect-dsql/core"
import {
  HistoryTask,
  HistoryTasks,
  Identifiers,
  PageToken,
  type PersistenceError,
  type Shard,
  Shards
} from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Control, loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob, shardId } from "./support/rows.ts"
import { describeEmulated } from "./support/persistence.ts"

/** One kind of queue, as its contract sees it: tasks by a number that orders them. */
interface Subject<Range, Key, Task, Owner, E> {
  readonly queue: HistoryTasks.Queue<Range, Key, Task, Owner, E>
  readonly task: (n: number) => Task
  readonly key: (n: number) => Key & Owner
  readonly range: (min: number, max: number) => Range & Owner
  readonly add: (tasks: ReadonlyArray<Task>) => Effect.Effect<void, unknown>
  /** Makes the row of a task one that does not decode. */
  readonly corrupt: (n: number) => Effect.Effect<unknown, unknown>
}

/** The same of a queue of a shard, from which its owner deletes. */
type Owned<Range, Key, Task> = Subject<
  Range,
  Key,
  Task,
  Shard.OwnedShard,
  PersistenceError.ShardOwnershipLost | PersistenceError.MalformedRow
>

const rangeId = 5n

const owned = Effect.gen(function* () {
  const shards = yield* Shards.Shards
  return (yield* shards.getOrCreate(shardId(), () => ({ rangeId, info: blob() }))).shardId
})

const immediate = (category: HistoryTask.ImmediateCategory, table: string) =>
  Effect.gen(function* () {
    const tasks = yield* HistoryTasks.HistoryTasks
    const { sql } = yield* DsqlClient.DsqlClient
    const shardId = yield* owned
    const subject: Owned<HistoryTask.ImmediateRange, HistoryTask.ImmediateKey, HistoryTask.ImmediateTask> = {
      queue: tasks.immediate,
      task: (n) => ({ category, taskId: BigInt(n), task: blob() }),
      key: (n) => ({ shardId, rangeId, category, taskId: BigInt(n) }),
      range: (min, max) => ({ shardId, rangeId, category, min: BigInt(min), max: BigInt(max) }),
      add: (added) => tasks.add({ shardId, rangeId }, added),
      corrupt: (n) =>
        sql`UPDATE ${sql(table)} SET data_encoding = 'Thrift' WHERE shard_id = ${shardId} AND task_id = ${BigInt(n)}`
    }
    return subject
  })

/** Two tasks fire in each microsecond, so that both columns order; ids run against time. */
const fireTime = (n: number) => HistoryTask.FireTime.make(1_758_000_000_123_456n + BigInt(Math.floor(n / 2)))

const scheduled = (category: HistoryTask.ScheduledCategory, table: string) =>
  Effect.gen(function* () {
    const tasks = yield* HistoryTasks.HistoryTasks
    const { sql } = yield* DsqlClient.DsqlClient
    const shardId = yield* owned
    const taskId = (n: number) => BigInt(10_000 - Math.floor(n / 2) * 2 + (n % 2))
    const subject: Owned<HistoryTask.ScheduledRange, HistoryTask.ScheduledKey, HistoryTask.ScheduledTask> = {
      queue: tasks.scheduled,
      task: (n) => ({ category, fireTime: fireTime(n), taskId: taskId(n), task: blob() }),
      key: (n) => ({ shardId, rangeId, category, fireTime: fireTime(n), taskId: taskId(n) }),
      range: (min, max) => ({ shardId, rangeId, category, min: fireTime(min), max: fireTime(max) }),
      add: (added) => tasks.add({ shardId, rangeId }, added),
      corrupt: (n) =>
        sql`UPDATE ${sql(table)} SET data_encoding = 'Thrift' WHERE shard_id = ${shardId} AND task_id = ${taskId(n)}`
    }
    return subject
  })

const deadLetters = (cluster: string) =>
  Effect.gen(function* () {
    const { replicationDlq } = yield* HistoryTasks.HistoryTasks
    const { sql } = yield* DsqlClient.DsqlClient
    const of = { sourceCluster: Identifiers.ClusterName.make(cluster), shardId: yield* owned }
    const subject: Subject<
      HistoryTask.DeadLetterRange,
      HistoryTask.DeadLetterKey,
      HistoryTask.DeadLetter,
      unknown,
      never
    > = {
      queue: replicationDlq,
      task: (n) => ({ ...of, taskId: BigInt(n), task: blob() }),
      key: (n) => ({ ...of, taskId: BigInt(n) }),
      range: (min, max) => ({ ...of, min: BigInt(min), max: BigInt(max) }),
      add: (added) => Effect.forEach(added, replicationDlq.put, { discard: true }),
      corrupt: (n) =>
        sql`UPDATE replication_tasks_dlq SET data_encoding = 'Thrift'
          WHERE shard_id = ${of.shardId} AND task_id = ${BigInt(n)}`
    }
    return subject
  })

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 2)

/** The contract, the same for every table. */
const suite = <Range, Key, Task, Owner, E, E2>(
  table: string,
  make: Effect.Effect<
    Subject<Range, Key, Task, Owner, E>,
    E2,
    DsqlClient.DsqlClient | HistoryTasks.HistoryTasks | Shards.Shards
  >
) =>
  describeEmulated(`the queue in ${table}`, (it) => {
    it.effect("gives back what was added, in order, from the minimum up to the maximum", () =>
      Effect.gen(function* () {
        const { add, queue, range, task } = yield* make
        const tasks = numbers(20).map(task)
        yield* add(tasks.toReversed())
        assert.deepStrictEqual(yield* queue.list(range(2, 22)), { items: tasks, next: undefined })
        assert.deepStrictEqual((yield* queue.list(range(4, 8))).items, tasks.slice(2, 6))
        assert.deepStrictEqual((yield* queue.list(range(22, 40))).items, [])
        assert.deepStrictEqual(yield* Stream.runCollect(queue.stream(range(0, 40))), tasks)
      })
    )

    it.effect("reads page by page, whatever the size of a page", () =>
      Effect.gen(function* () {
        const { add, queue, range, task } = yield* make
        const tasks = numbers(20).map(task)
        yield* add(tasks)
        for (const size of [1, 7, 10, 19, 20, 21, 40]) {
          const pages: Array<ReadonlyArray<Task>> = []
          let token: PageToken.PageToken | undefined
          do {
            const page = yield* queue.list(range(0, 40), { size, token })
            pages.push(page.items)
            token = page.next
          } while (token !== undefined)
          assert.deepStrictEqual(pages.flat(), tasks)
          assert.strictEqual(pages.length, Math.ceil(20 / size))
          assert.deepStrictEqual(yield* Stream.runCollect(queue.stream(range(0, 40), { size })), tasks)
        }
      })
    )

    it.effect("takes no token of another shard's queue, of another range, nor one that was cut", () =>
      Effect.gen(function* () {
        const one = yield* make
        const other = yield* make
        yield* one.add(numbers(3).map(one.task))
        const { next } = yield* one.queue.list(one.range(0, 40), { size: 1 })
        assert(next !== undefined)
        const foreign = yield* Effect.flip(other.queue.list(other.range(0, 40), { token: next }))
        assert.strictEqual(foreign._tag, "PageTokenInvalid")
        const wider = yield* Effect.flip(one.queue.list(one.range(0, 90), { token: next }))
        assert.strictEqual(wider._tag, "PageTokenInvalid")
        const cut = PageToken.PageToken.make(next.slice(0, -1))
        assert.strictEqual((yield* Effect.flip(one.queue.list(one.range(0, 40), { token: cut })))._tag, foreign._tag)
      })
    )

    it.effect("completes a task, and one that is not there, and leaves the others", () =>
      Effect.gen(function* () {
        const { add, key, queue, range, task } = yield* make
        const tasks = numbers(3).map(task)
        yield* add(tasks)
        yield* queue.delete(key(99))
        yield* queue.delete(key(3))
        yield* queue.delete(key(3))
        assert.deepStrictEqual((yield* queue.list(range(0, 40))).items, [...tasks.slice(0, 1), ...tasks.slice(2)])
      })
    )

    it.effect("completes a range, and only that", () =>
      Effect.gen(function* () {
        const { add, queue, range, task } = yield* make
        const tasks = numbers(20).map(task)
        assert.strictEqual(yield* queue.deleteRange(range(0, 40)), 0)
        yield* add(tasks)
        assert.strictEqual(yield* queue.deleteRange(range(6, 12)), 6)
        assert.deepStrictEqual((yield* queue.list(range(0, 40))).items, [...tasks.slice(0, 4), ...tasks.slice(10)])
        assert.strictEqual(yield* queue.deleteRange(range(0, 40)), 14)
        assert.deepStrictEqual((yield* queue.list(range(0, 40))).items, [])
      })
    )

    it.effect("gives the tasks before a row that does not decode, names it, and goes on after it", () =>
      Effect.gen(function* () {
        const { add, corrupt, queue, range, task } = yield* make
        const tasks = numbers(6).map(task)
        yield* add(tasks)
        yield* corrupt(4)
        const before = yield* queue.list(range(0, 40))
        assert.deepStrictEqual(before.items, tasks.slice(0, 2))
        const malformed = yield* Effect.flip(queue.list(range(0, 40), { token: before.next }))
        assert.include(malformed, { _tag: "MalformedRow", table } as const)
        assert(malformed._tag === "MalformedRow")
        assert.include(malformed.key, "task_id = ")
        assert.include(malformed.reason, "data_encoding")
        const after = yield* queue.list(range(0, 40), { token: malformed.next })
        assert.deepStrictEqual(after, { items: tasks.slice(3), next: undefined })
      })
    )

    it.effect("streams up to a row that does not decode, and on from it when asked", () =>
      Effect.gen(function* () {
        const { add, corrupt, queue, range, task } = yield* make
        const tasks = numbers(6).map(task)
        yield* add(tasks)
        yield* corrupt(2)
        yield* corrupt(7)
        const passing = (token?: PageToken.PageToken): Stream.Stream<Task | "malformed", PersistenceError.PageError> =>
          queue
            .stream(range(0, 40), { size: 3, token })
            .pipe(
              Stream.catchTag("MalformedRow", ({ next }) =>
                Stream.concat(Stream.succeed("malformed" as const), next === undefined ? Stream.empty : passing(next))
              )
            )
        assert.deepStrictEqual(yield* Stream.runCollect(passing()), ["malformed", ...tasks.slice(1, 5), "malformed"])
      })
    )

    it.effect("reads and completes in the round trips that it documents", () =>
      Effect.gen(function* () {
        const { add, key, queue, range, task } = yield* make
        yield* add(numbers(5).map(task))
        assert.strictEqual(yield* roundTrips(queue.list(range(0, 40))), 1)
        assert.strictEqual(yield* roundTrips(Stream.runDrain(queue.stream(range(0, 40), { size: 2 }))), 3)
        assert.strictEqual(yield* roundTrips(queue.delete(key(2))), 1)
        assert.strictEqual(yield* roundTrips(queue.deleteRange(range(0, 40))), 1)
      })
    )

    for (const when of ["before", "after"] as const) {
      it.effect(`completes although the answer is lost, ${when} it took effect`, () =>
        Effect.gen(function* () {
          const { add, key, queue, range, task } = yield* make
          const tasks = numbers(5).map(task)
          yield* add(tasks)
          yield* loseAnswer(when)
          yield* queue.delete(key(2))
          assert.deepStrictEqual((yield* queue.list(range(0, 40))).items, tasks.slice(1))
          yield* loseAnswer(when)
          yield* queue.deleteRange(range(0, 40))
          assert.deepStrictEqual((yield* queue.list(range(0, 40))).items, [])
        })
      )
    }

    it.effect("sends nothing that the linter objects to", () =>
      Effect.gen(function* () {
        const { add, key, queue, range, task } = yield* make
        yield* Effect.flatMap(Control, (control) => control.reset)
        yield* add(numbers(5).map(task))
        yield* Stream.runDrain(queue.stream(range(0, 40), { size: 2 }))
        yield* queue.delete(key(2))
        yield* queue.deleteRange(range(0, 40))
      })
    )
  })

suite("transfer_tasks", immediate(HistoryTask.transfer, "transfer_tasks"))
suite("replication_tasks", immediate(HistoryTask.replication, "replication_tasks"))
suite("visibility_tasks", immediate(HistoryTask.visibility, "visibility_tasks"))
suite("history_immediate_tasks", immediate(HistoryTask.outbound, "history_immediate_tasks"))
suite("timer_tasks", scheduled(HistoryTask.timer, "timer_tasks"))
suite("history_scheduled_tasks", scheduled(HistoryTask.archival, "history_scheduled_tasks"))
suite("replication_tasks_dlq", deadLetters("cluster-a"))
