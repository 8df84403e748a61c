/**
 * Adding history tasks below a shard, and the tasks of several queues beside each other.
 */
import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import {
  HistoryTask,
  HistoryTasks,
  Identifiers,
  type PersistenceError,
  type Shard,
  Shards
} from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import * as Add from "../src/internal/historyTasks/add.ts"
import { Control, loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob, shardId } from "./support/rows.ts"
import { describeEmulated, describeForms, describeStores } from "./support/persistence.ts"

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

const given = Effect.flatMap(Shards.Shards, (shards) =>
  shards.getOrCreate(shardId(), () => ({ rangeId: 5n, info: blob() }))
)

const immediate = (category: HistoryTask.ImmediateCategory, id: number): HistoryTask.ImmediateTask => ({
  category,
  taskId: BigInt(id),
  task: blob()
})

const at = (micros: bigint, id: number, category = HistoryTask.timer): HistoryTask.ScheduledTask => ({
  category,
  fireTime: HistoryTask.FireTime.make(micros),
  taskId: BigInt(id),
  task: blob()
})

/** One task for each of eight categories, two of them unknown to Temporal today. */
const ofEveryCategory = (id: number): ReadonlyArray<HistoryTask.HistoryTask> => [
  immediate(HistoryTask.transfer, id),
  immediate(HistoryTask.replication, id),
  immediate(HistoryTask.visibility, id),
  immediate(HistoryTask.outbound, id),
  immediate({ kind: "Immediate", id: 99 }, id),
  at(1_758_000_000_123_456n, id),
  at(1_758_000_000_123_456n, id, HistoryTask.archival),
  at(1_758_000_000_123_456n, id, { kind: "Scheduled", id: 99 })
]

const always = { min: HistoryTask.FireTime.make(-(10n ** 16n)), max: HistoryTask.FireTime.make(10n ** 17n) }

/** All tasks of the shard in the queue that a task belongs to. */
const queued = (shardId: Identifiers.ShardId, { category }: HistoryTask.HistoryTask) =>
  Effect.gen(function* () {
    const tasks = yield* HistoryTasks.HistoryTasks
    const stream: Stream.Stream<HistoryTask.HistoryTask, PersistenceError.PageError> =
      category.kind === "Immediate"
        ? tasks.immediate.stream({ shardId, category, min: -(2n ** 63n), max: 2n ** 63n - 1n })
        : tasks.scheduled.stream({ shardId, category, ...always })
    return yield* Stream.runCollect(stream)
  })

describeStores("HistoryTasks.add", (it) => {
  it.effect("adds tasks of any categories at once, each to its own queue", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId, rangeId } = yield* given
      const added = [...ofEveryCategory(1), ...ofEveryCategory(2)]
      yield* tasks.add({ shardId, rangeId }, added)
      for (const task of ofEveryCategory(1)) {
        const { category } = task
        const expected = added.filter(
          (each) => each.category.kind === category.kind && each.category.id === category.id
        )
        assert.deepStrictEqual(yield* queued(shardId, task), expected)
      }
    })
  )

  it.effect("keeps fire times to the microsecond, before 1970 and beyond 2255 too, and orders by them", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId, rangeId } = yield* given
      const times = [
        -62_135_596_800_000_001n,
        -1_000_001n,
        -1n,
        0n,
        1n,
        999_999n,
        1_758_000_000_123_456n,
        1_758_000_000_123_457n,
        // As a floating number this is even.
        2n ** 53n + 1n,
        // The latest time of Temporal's clock, in the year 2262.
        (2n ** 63n - 1n) / 1_000n,
        9_999_999_999_999_999n
      ]
      const added = times.map((micros) => at(micros, 7))
      yield* tasks.add({ shardId, rangeId }, added.toReversed())
      const range = {
        shardId,
        category: HistoryTask.timer,
        min: HistoryTask.FireTime.make(-(10n ** 17n)),
        max: always.max
      }
      assert.deepStrictEqual(yield* Stream.runCollect(tasks.scheduled.stream(range, { size: 3 })), added)
      for (const { fireTime, taskId } of added) {
        const only = { ...range, min: fireTime, max: HistoryTask.FireTime.make(fireTime + 1n) }
        assert.deepStrictEqual((yield* tasks.scheduled.list(only)).items.length, 1)
        yield* tasks.scheduled.delete({ shardId, rangeId, category: HistoryTask.timer, fireTime, taskId })
      }
      assert.deepStrictEqual((yield* tasks.scheduled.list(range)).items, [])
    })
  )

  it.effect("adds all or nothing: a task that is there already refuses the others", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId, rangeId } = yield* given
      for (const there of ofEveryCategory(1)) {
        yield* tasks.add({ shardId, rangeId }, [there])
        const again = yield* Effect.flip(
          tasks.add({ shardId, rangeId }, [immediate({ kind: "Immediate", id: 50 }, 9), there])
        )
        assert.strictEqual(again._tag, "UniqueViolation")
        assert.deepStrictEqual(yield* queued(shardId, there), [there])
      }
      const twice = immediate({ kind: "Immediate", id: 50 }, 1)
      assert.strictEqual((yield* Effect.flip(tasks.add({ shardId, rangeId }, [twice, twice])))._tag, "UniqueViolation")
      assert.deepStrictEqual(yield* queued(shardId, twice), [])
    })
  )

  it.effect("refuses an owner whose range is stale, or whose shard is not there, and adds nothing", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId: owned } = yield* given
      const lost = yield* Effect.flip(tasks.add({ shardId: owned, rangeId: 4n }, ofEveryCategory(1)))
      assert.include(lost, { _tag: "ShardOwnershipLost", shardId: owned, expected: 4n, actual: 5n } as const)
      for (const task of ofEveryCategory(1)) assert.deepStrictEqual(yield* queued(owned, task), [])
      const missing = yield* Effect.flip(tasks.add({ shardId: shardId(), rangeId: 4n }, ofEveryCategory(1)))
      assert.include(missing, { _tag: "ShardOwnershipLost", actual: undefined } as const)
    })
  )

  it.effect("does not take another's task for its own when the answer is lost", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId, rangeId } = yield* given
      yield* tasks.add({ shardId, rangeId }, [immediate(HistoryTask.transfer, 1)])
      const outcome = yield* Transaction.run(Add.verify({ shardId, rangeId }, [immediate(HistoryTask.transfer, 1)]))
      assert.strictEqual(outcome._tag, "Unknown")
    })
  )

  it.effect("does not say that tasks never were, which the next owner may have found and completed", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given
      const { shardId, rangeId } = shard
      const added = ofEveryCategory(1)
      assert.strictEqual((yield* Transaction.run(Add.verify({ shardId, rangeId }, added)))._tag, "NotCommitted")
      yield* shards.update({ ...shard, rangeId: rangeId + 1n }, rangeId)
      assert.strictEqual((yield* Transaction.run(Add.verify({ shardId, rangeId }, added)))._tag, "Unknown")
    })
  )
})

describeForms("A stale owner", (it) => {
  it.effect("deletes no task that the next owner has added, who finds it when the answer was lost", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const tasks = yield* HistoryTasks.HistoryTasks
      const shard = yield* given
      const mine = { shardId: shard.shardId, rangeId: shard.rangeId }
      const theirs = { ...mine, rangeId: 6n }
      yield* shards.update({ ...shard, ...theirs }, mine.rangeId)
      const added = ofEveryCategory(1)
      yield* tasks.add(theirs, added)
      /** Deletes a task by its key, and then as a range. */
      const deletions = (owned: Shard.OwnedShard, task: HistoryTask.HistoryTask) =>
        "fireTime" in task
          ? [
              tasks.scheduled.delete({ ...task, ...owned }),
              tasks.scheduled.deleteRange({ category: task.category, ...always, ...owned })
            ]
          : [
              tasks.immediate.delete({ ...task, ...owned }),
              tasks.immediate.deleteRange({ category: task.category, min: 0n, max: 9n, ...owned })
            ]
      for (const task of added) {
        for (const deletion of deletions(mine, task)) {
          const lost = yield* Effect.flip(deletion)
          assert.include(lost, { _tag: "ShardOwnershipLost", expected: 5n, actual: 6n } as const)
        }
      }
      assert.strictEqual((yield* Transaction.run(Add.verify(theirs, added)))._tag, "Committed")
      for (const task of added) {
        yield* Effect.all(deletions(theirs, task))
        assert.deepStrictEqual(yield* queued(mine.shardId, task), [])
      }
    })
  )
})

describeEmulated("HistoryTasks.add, when its server is watched or broken,", (it) => {
  it.effect("takes one round trip, whatever the categories", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId, rangeId } = yield* given
      let id = 0
      const add = Effect.suspend(() => tasks.add({ shardId, rangeId }, ofEveryCategory(++id)))
      assert.strictEqual(yield* roundTrips(add), 1)
    })
  )

  it.effect("asks who owns the shard where there is nothing to add, too", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId, rangeId } = yield* given
      assert.strictEqual(yield* roundTrips(tasks.add({ shardId, rangeId }, [])), 1)
      const stale = yield* Effect.flip(tasks.add({ shardId, rangeId: rangeId - 1n }, []))
      assert.include(stale, { _tag: "ShardOwnershipLost", actual: rangeId } as const)
    })
  )

  it.effect("refuses what DSQL could not hold, before it sends anything", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { shardId, rangeId } = yield* given
      const control = yield* Control
      yield* control.reset
      const task = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const value = yield* Effect.flip(
        tasks.add({ shardId, rangeId }, [{ ...immediate(HistoryTask.transfer, 1), task }])
      )
      assert.include(value, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
      assert.include(value.message, "transfer_tasks.data")
      const many = Array.from({ length: 3_001 }, (_, id) => immediate(HistoryTask.transfer, id))
      const rows = yield* Effect.flip(tasks.add({ shardId, rangeId }, many))
      assert.include(rows, { _tag: "LimitExceeded", limit: "transaction_rows" } as const)
      assert.strictEqual((yield* control.counts()).roundTrips, 0)
    })
  )

  for (const when of ["before", "after"] as const) {
    it.effect(`says truly whether it added, when the answer is lost ${when} it took effect`, () =>
      Effect.gen(function* () {
        const tasks = yield* HistoryTasks.HistoryTasks
        const { shardId, rangeId } = yield* given
        const added = ofEveryCategory(1)
        yield* loseAnswer(when)
        const outcome = yield* Effect.result(tasks.add({ shardId, rangeId }, added))
        if (when === "after") assert.strictEqual(outcome._tag, "Success")
        else assert(outcome._tag === "Failure" && outcome.failure._tag === "ConnectionLost")
        for (const task of added) {
          assert.deepStrictEqual(yield* queued(shardId, task), when === "after" ? [task] : [])
        }
      })
    )
  }
})

/** A stale owner's transaction begins, another host takes the shard over, and the stale owner adds a task. */
const race = (add: (shard: Shard.Shard) => Effect.Effect<unknown, unknown, Transaction.Transaction>) =>
  Effect.gen(function* () {
    const shards = yield* Shards.Shards
    const shard = yield* given
    const begun = yield* Deferred.make<void>()
    const taken = yield* Deferred.make<void>()
    const stale = yield* Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        // The first read takes the snapshot that the whole transaction sees.
        yield* sql`SELECT range_id FROM shards WHERE shard_id = ${shard.shardId}`
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(taken)
        yield* add(shard)
      }),
      { policy }
    ).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(begun)
    yield* shards.update({ ...shard, rangeId: 6n }, 5n)
    yield* Deferred.succeed(taken, undefined)
    const outcome = yield* Fiber.join(stale)
    return { outcome, tasks: yield* queued(shard.shardId, immediate(HistoryTask.transfer, 1)) }
  })

describeStores("a stale owner's task, added in a snapshot before the takeover", (it) => {
  it.effect("does not commit after it", () =>
    Effect.gen(function* () {
      const { outcome, tasks } = yield* race(({ rangeId, shardId }) =>
        Add.insert({ shardId, rangeId }, [immediate(HistoryTask.transfer, 1)])
      )
      assert(outcome._tag === "Failure")
      assert.include(outcome.failure, { _tag: "ShardOwnershipLost", expected: 5n, actual: 6n } as const)
      assert.deepStrictEqual(tasks, [])
    })
  )

  it.effect("would commit if the shard were only read", () =>
    Effect.gen(function* () {
      const { outcome, tasks } = yield* race(({ rangeId, shardId }) =>
        Effect.flatMap(
          Transaction.sql,
          (sql) => sql`
            INSERT INTO transfer_tasks (shard_id, task_id, data, data_encoding)
            SELECT ${shardId}::integer, 1, 'task', 'Proto3' FROM shards
            WHERE shard_id = ${shardId} AND range_id = ${rangeId}`
        )
      )
      assert.strictEqual(outcome._tag, "Success")
      assert.strictEqual(tasks.length, 1)
    })
  )

  it.effect("leaves the tasks of one owner, added at once, alone", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const { sql } = yield* DsqlClient.DsqlClient
      const { shardId, rangeId } = yield* given
      const ids = Array.from({ length: 16 }, (_, id) => id)
      yield* Effect.forEach(ids, (id) => tasks.add({ shardId, rangeId }, [immediate(HistoryTask.transfer, id)]), {
        concurrency: "unbounded"
      })
      assert.strictEqual((yield* sql`SELECT 1 FROM transfer_tasks WHERE shard_id = ${shardId}`).length, 16)
    })
  )
})

describeEmulated("HistoryTasks.replicationDlq", (it) => {
  const letter = (shardId: Identifiers.ShardId, cluster: string, id: number): HistoryTask.DeadLetter => ({
    shardId,
    sourceCluster: Identifiers.ClusterName.make(cluster),
    taskId: BigInt(id),
    task: blob()
  })

  it.effect("keeps a letter that is put twice as it was the first time", () =>
    Effect.gen(function* () {
      const { replicationDlq } = yield* HistoryTasks.HistoryTasks
      const first = letter(shardId(), "east", 1)
      yield* replicationDlq.put(first)
      yield* replicationDlq.put({ ...first, task: blob() })
      assert.deepStrictEqual((yield* replicationDlq.list({ ...first, min: 0n, max: 9n })).items, [first])
    })
  )

  it.effect("keeps the letters of clusters apart", () =>
    Effect.gen(function* () {
      const { replicationDlq } = yield* HistoryTasks.HistoryTasks
      const id = shardId()
      const [east, west] = [letter(id, "east", 1), letter(id, "west", 1)]
      yield* Effect.forEach([east, west], replicationDlq.put)
      yield* replicationDlq.delete(east)
      assert.isTrue(yield* replicationDlq.isEmpty({ ...east, min: 0n, max: 9n }))
      assert.isFalse(yield* replicationDlq.isEmpty({ ...west, min: 0n, max: 9n }))
      assert.isTrue(yield* replicationDlq.isEmpty({ ...west, min: 2n, max: 9n }))
      assert.deepStrictEqual((yield* replicationDlq.list({ ...west, min: 0n, max: 9n })).items, [west])
    })
  )

  for (const when of ["before", "after"] as const) {
    it.effect(`puts a letter although the answer is lost, ${when} it took effect`, () =>
      Effect.gen(function* () {
        const { replicationDlq } = yield* HistoryTasks.HistoryTasks
        const put = letter(shardId(), "east", 1)
        yield* loseAnswer(when)
        yield* replicationDlq.put(put)
        assert.deepStrictEqual((yield* replicationDlq.list({ ...put, min: 0n, max: 9n })).items, [put])
      })
    )
  }

  it.effect("puts and looks in one round trip each, and refuses a letter too large", () =>
    Effect.gen(function* () {
      const { replicationDlq } = yield* HistoryTasks.HistoryTasks
      const put = letter(shardId(), "east", 1)
      assert.strictEqual(yield* roundTrips(replicationDlq.put(put)), 1)
      assert.strictEqual(yield* roundTrips(replicationDlq.isEmpty({ ...put, min: 0n, max: 9n })), 1)
      const data = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const refused = yield* Effect.flip(replicationDlq.put({ ...put, task: data }))
      assert.include(refused, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
    })
  )
})
