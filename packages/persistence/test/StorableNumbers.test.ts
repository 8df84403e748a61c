/**
 * Numbers that no column takes, and numbers that mean nothing: a typed error at every edge, before anything is sent.
 */
import {
  Archetype,
  ClusterMembers,
  Clusters,
  CurrentExecutions,
  Executions,
  HistoryBranches,
  HistoryTask,
  HistoryTasks,
  Namespaces,
  NexusEndpoints,
  Queue,
  Queues,
  QueuesV2,
  QueueV2,
  Shards,
  TaskQueues,
  TaskQueueUserData,
  Identifiers
} from "@effect-dsql/persistence"
import { Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Control } from "./support/emulated.ts"
import { mutation, snapshot } from "./support/executions.ts"
import { located, node } from "./support/history.ts"
import { describeEmulated } from "./support/persistence.ts"
import {
  blob,
  clusterName,
  current,
  endpoint,
  heartbeat,
  key,
  namespace,
  namespaceId,
  runId,
  shardId
} from "./support/rows.ts"
import { queueId } from "./support/taskQueues.ts"

type Refused = Effect.Effect<unknown, { readonly _tag: string }>

/** Nothing of this is sent. */
const refuses = (tag: string, all: Readonly<Record<string, Refused>>) =>
  Effect.gen(function* () {
    const control = yield* Control
    yield* control.reset
    for (const [name, each] of Object.entries(all)) assert.strictEqual((yield* Effect.flip(each))._tag, tag, name)
    assert.strictEqual((yield* control.counts()).roundTrips, 0)
  })

const fire = (micros: bigint) => micros as HistoryTask.FireTime

describeEmulated("A number of more than 64 bits", (it) => {
  it.effect("is refused wherever a caller can give one, and nothing is sent", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const tasks = yield* HistoryTasks.HistoryTasks
      const executions = yield* Executions.Executions
      const queues = yield* Queues.Queues
      const named = yield* QueuesV2.QueuesV2
      const classic = yield* TaskQueues.TaskQueues
      const fair = yield* TaskQueues.FairTaskQueues
      const shards = yield* Shards.Shards
      const clusters = yield* Clusters.Clusters
      const namespaces = yield* Namespaces.Namespaces
      const nexus = yield* NexusEndpoints.NexusEndpoints
      const userData = yield* TaskQueueUserData.TaskQueueUserData
      const of = located()
      const at = { ...key(Archetype.workflow), rangeId: 1n }
      const shard = shardId()
      const immediate = { shardId: shard, rangeId: 1n, category: HistoryTask.transfer }
      const scheduled = { shardId: shard, rangeId: 1n, category: HistoryTask.timer }
      const letter = { shardId: shard, sourceCluster: clusterName() }
      const queue = Queue.namespaceReplication
      const other = { type: 1, name: QueueV2.QueueName.make("q") }
      const id = queueId()
      const name = Identifiers.TaskQueueName.make("q")
      for (const big of [2n ** 63n, -(2n ** 63n) - 1n, 2n ** 70n]) {
        yield* refuses("NumberInvalid", {
          append: history.append({ ...of, nodes: [{ ...node(1, 1), nodeId: big }] }),
          "append, transaction": history.append({ ...of, nodes: [{ ...node(1, 1), txnId: big }] }),
          "append, transaction before": history.append({ ...of, nodes: [{ ...node(1, 1), prevTxnId: big }] }),
          listNodes: history.listNodes({ ...of, max: big }),
          listNodesBackward: history.listNodesBackward({ ...of, lastTxnId: big }),
          trim: history.trim({ ...of, nodeId: 1n, txnId: big }),
          deleteNodes: history.deleteNodes({ ...of, nodes: [{ nodeId: 1n, txnId: big }] }),
          add: tasks.add({ shardId: shard, rangeId: 1n }, [{ ...immediate, taskId: big, task: blob() }]),
          "add, range": tasks.add({ shardId: shard, rangeId: big }, []),
          "add, fire time": tasks.add({ shardId: shard, rangeId: 1n }, [
            { ...scheduled, fireTime: fire(big), taskId: 1n, task: blob() }
          ]),
          "immediate.list": tasks.immediate.list({ ...immediate, min: 0n, max: big }),
          "immediate.delete": tasks.immediate.delete({ ...immediate, taskId: big }),
          "immediate.delete, range": tasks.immediate.delete({ ...immediate, rangeId: big, taskId: 1n }),
          "immediate.deleteRange": tasks.immediate.deleteRange({ ...immediate, min: 0n, max: big }),
          "scheduled.list": tasks.scheduled.list({ ...scheduled, min: fire(0n), max: fire(big) }),
          "scheduled.delete": tasks.scheduled.delete({ ...scheduled, fireTime: fire(big), taskId: 1n }),
          "replicationDlq.put": tasks.replicationDlq.put({ ...letter, taskId: big, task: blob() }),
          "replicationDlq.isEmpty": tasks.replicationDlq.isEmpty({ ...letter, min: big, max: big }),
          create: executions.create({ ...at, rangeId: big }, { _tag: "BrandNew" }, snapshot()),
          "create, event": executions.create(
            at,
            { _tag: "BrandNew" },
            snapshot({ activities: new Map([[big, blob()]]) })
          ),
          "update, removal": executions.update(at, {
            mode: "IgnoreCurrent",
            mutation: mutation(runId(), 1n, { remove: { activities: new Set([big]) } })
          }),
          listMessages: queues.listMessages(queue, { after: big }),
          "queues.deleteMessages": queues.deleteMessages(queue, { after: big }),
          acknowledge: queues.acknowledge(queue, "c", big),
          updateAckLevels: queues.updateAckLevels(queue, { c: 1n }, big),
          "named.listMessages": named.listMessages(other, { from: big }),
          "named.deleteMessages": named.deleteMessages(other, { upTo: big }),
          "classic.create": classic.create({ id, rangeId: big, info: blob() }),
          "classic.listTasks": classic.listTasks(id, { from: { taskId: big } }),
          "classic.deleteTasks": classic.deleteTasks({ id, rangeId: 1n }, { taskId: big }),
          "classic.deleteTasks, range": classic.deleteTasks({ id, rangeId: big }, { taskId: 1n }),
          "fair.createTasks": fair.createTasks({ id, rangeId: 1n }, [
            { position: { pass: big, taskId: 1n }, task: blob() }
          ]),
          "shards.getOrCreate": shards.getOrCreate(shard, () => ({ rangeId: big, info: blob() })),
          "shards.update": shards.update({ shardId: shard, rangeId: 1n, info: blob() }, big),
          "clusters.save": clusters.save({ name: clusterName(), metadata: blob() }, big),
          "namespaces.update": namespaces.update(namespace(), big),
          "nexus.create": nexus.create(endpoint(), big),
          "nexus.list": nexus.list({ tableVersion: big }),
          "userData.update": userData.update(namespaceId(), new Map([[name, { expectedVersion: big, data: blob() }]]))
        })
      }
    })
  )

  it.effect("is refused inside of a caller's own transaction too", () =>
    Effect.gen(function* () {
      const currents = yield* CurrentExecutions.CurrentExecutions
      const shards = yield* Shards.Shards
      const row = current(key(Archetype.workflow), { lastWriteVersion: 2n ** 63n })
      const inserted = yield* Effect.flip(Transaction.run(currents.insert(row)))
      assert.strictEqual(inserted._tag, "NumberInvalid")
      const held = yield* Effect.flip(Transaction.run(shards.shared({ shardId: shardId(), rangeId: 2n ** 63n })))
      assert.strictEqual(held._tag, "NumberInvalid")
    })
  )
})

describeEmulated("A number that means nothing", (it) => {
  it.effect("is refused as the limit of a deletion, unless it is whole, from 0, or for ever", () =>
    Effect.gen(function* () {
      const tasks = yield* HistoryTasks.HistoryTasks
      const classic = yield* TaskQueues.TaskQueues
      const members = yield* ClusterMembers.ClusterMembers
      const range = { shardId: shardId(), rangeId: 1n, category: HistoryTask.transfer, min: 0n, max: 9n }
      const letters = { shardId: shardId(), sourceCluster: clusterName(), min: 0n, max: 9n }
      for (const limit of [1.5, -1, Number.NaN, Number.NEGATIVE_INFINITY]) {
        yield* refuses("NumberInvalid", {
          deleteRange: tasks.immediate.deleteRange(range, { limit }),
          deleteTasks: classic.deleteTasks({ id: queueId(), rangeId: 1n }, { taskId: 9n }, { limit }),
          deleteExpired: members.deleteExpired({ limit })
        })
      }
      for (const limit of [0, 7, Number.POSITIVE_INFINITY]) {
        assert.strictEqual(yield* tasks.replicationDlq.deleteRange(letters, { limit }), 0)
      }
    })
  )

  it.effect("is refused as the age of a heartbeat, and as the time in which a member expires", () =>
    Effect.gen(function* () {
      const members = yield* ClusterMembers.ClusterMembers
      for (const heartbeatWithin of [1e300, -1]) {
        yield* refuses("NumberInvalid", { list: members.list({ heartbeatWithin }) })
      }
      yield* refuses("MemberExpiryInvalid", { upsert: members.upsert(heartbeat({ expiresIn: 1e300 })) })
    })
  )

  it.effect("is refused as a level that is no message's, or leaves no numbers for the next ones", () =>
    Effect.gen(function* () {
      const queues = yield* Queues.Queues
      const queue = Queue.QueueType.make(9)
      for (const level of [-2n, -5n, 2n ** 62n + 1n, 2n ** 63n - 1n]) {
        yield* refuses("NumberInvalid", { updateAckLevels: queues.updateAckLevels(queue, { c: level }, 0n) })
      }
      yield* queues.acknowledge(queue, "c", -1n)
      assert.strictEqual(yield* queues.enqueue(queue, blob()), 0n)
    })
  )

  it.effect("is refused as the transaction of a node, which is stored negated", () =>
    Effect.gen(function* () {
      const { append, deleteNodes } = yield* HistoryBranches.HistoryBranches
      const lowest = { ...node(1, 1), txnId: -(2n ** 63n) }
      const of = located()
      yield* refuses("HistoryInvalid", {
        append: append({ ...of, nodes: [lowest] }),
        deleteNodes: deleteNodes({ ...of, nodes: [lowest] })
      })
    })
  )
})

describe("A fire time", () => {
  it("is a time that a TIMESTAMP can be", () => {
    assert.isTrue(Schema.is(HistoryTask.FireTime)(-210_866_803_200_000_000n))
    assert.isTrue(Schema.is(HistoryTask.FireTime)(2n ** 63n - 1n))
    assert.isFalse(Schema.is(HistoryTask.FireTime)(-210_866_803_200_000_001n))
    assert.isFalse(Schema.is(HistoryTask.FireTime)(2n ** 63n))
  })
})
