/**
 * What all lists ask of a page before they read anything.
 */
import {
  ClusterMembers,
  Clusters,
  HistoryBranches,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  Namespaces,
  NexusEndpoints,
  type PageToken,
  Queue,
  Queues,
  QueuesV2,
  QueueV2,
  TaskQueues,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Control } from "./support/emulated.ts"
import { located } from "./support/history.ts"
import { describeEmulated } from "./support/persistence.ts"
import { namespaceId, shardId } from "./support/rows.ts"
import { queueId } from "./support/taskQueues.ts"

const lists = Effect.gen(function* () {
  const branches = yield* HistoryBranches.HistoryBranches
  const tasks = yield* HistoryTasks.HistoryTasks
  const queues = yield* Queues.Queues
  const named = yield* QueuesV2.QueuesV2
  const classic = yield* TaskQueues.TaskQueues
  const fair = yield* TaskQueues.FairTaskQueues
  const userData = yield* TaskQueueUserData.TaskQueueUserData
  const branch = located()
  const tree = { shardId: branch.shardId, treeId: branch.branch.treeId }
  const [shard, id, namespace] = [shardId(), queueId(), namespaceId()]
  const range = { shardId: shard, min: 0n, max: 9n }
  const times = { min: HistoryTask.FireTime.make(0n), max: HistoryTask.FireTime.make(9n) }
  const key = { type: 1, name: QueueV2.QueueName.make("q") }
  const buildId = Identifiers.BuildId.make("b")
  const sourceCluster = Identifiers.ClusterName.make("c")
  const all: ReadonlyArray<(request: PageToken.PageRequest) => Effect.Effect<unknown, { readonly _tag: string }>> = [
    (yield* ClusterMembers.ClusterMembers).list,
    (yield* Clusters.Clusters).list,
    (yield* Namespaces.Namespaces).list,
    (yield* NexusEndpoints.NexusEndpoints).list,
    (request) => branches.listNodes(branch, request),
    (request) => branches.listNodesBackward({ ...branch, lastTxnId: 1n }, request),
    (request) => branches.list(tree, request),
    branches.listAll,
    (request) => tasks.immediate.list({ ...range, category: HistoryTask.transfer }, request),
    (request) => tasks.scheduled.list({ shardId: shard, ...times, category: HistoryTask.timer }, request),
    (request) => tasks.replicationDlq.list({ ...range, sourceCluster }, request),
    (request) => queues.listMessages(Queue.namespaceReplication, request),
    (request) => named.listMessages(key, request),
    (request) => named.list(1, request),
    classic.list,
    (request) => classic.listTasks(id, request),
    fair.list,
    (request) => fair.listTasks(id, request),
    (request) => userData.list(namespace, request),
    (request) => userData.listByBuildId(namespace, buildId, request),
    (request) => Stream.runDrain(classic.stream(request))
  ]
  return all
})

describeEmulated("A page", (it) => {
  it.effect("that cannot have the size that it is asked for is refused by every list, and nothing is sent", () =>
    Effect.gen(function* () {
      const all = yield* lists
      const control = yield* Control
      yield* control.reset
      for (const [index, list] of all.entries()) {
        for (const size of [0, -1, 2.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          // A page of no endpoints tells the version of their table.
          if (index === 3 && size === 0) continue
          const error = yield* Effect.flip(list({ size }))
          assert.strictEqual(error._tag, "PageSizeInvalid", `list ${index}, size ${size}`)
        }
      }
      assert.strictEqual((yield* control.counts()).roundTrips, 0)
    })
  )
})
