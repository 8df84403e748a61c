/**
 * Texts that no column takes as they are: they are refused where they come from, or before they are sent.
 */
import {
  Archetype,
  type ClusterMember,
  ClusterMembers,
  Clusters,
  Executions,
  HistoryBranches,
  HistoryTasks,
  Identifiers,
  Namespaces,
  Queue,
  Queues,
  QueuesV2,
  QueueV2
} from "@effect-dsql/persistence"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Control } from "./support/emulated.ts"
import { mutation, snapshot, standing } from "./support/executions.ts"
import { branchId, located, node } from "./support/history.ts"
import { describeEmulated } from "./support/persistence.ts"
import { blob, key, runId, shardId } from "./support/rows.ts"

const texts = ["a\0b", "a\ud800", "\udc00b"]

describe("A name", () => {
  it("has no NUL and no half of a surrogate pair, whatever it names", () => {
    const { BuildId, BusinessId, ChasmPath, ClusterName, NamespaceName, SignalId, TaskQueueName, TimerId } = Identifiers
    const all = [BuildId, BusinessId, ChasmPath, ClusterName, NamespaceName, SignalId, TaskQueueName, TimerId]
    for (const schema of [...all, QueueV2.QueueName]) {
      assert.isTrue(Schema.is(schema)("a\ud83d\ude00b"))
      for (const text of texts) assert.isFalse(Schema.is(schema)(text), JSON.stringify(text))
    }
  })

  it("is an id of Temporal's whatever version its UUID says that it has", () => {
    const { BranchId, EndpointId, HostId, NamespaceId, RunId, TreeId } = Identifiers
    for (const schema of [BranchId, EndpointId, HostId, NamespaceId, RunId, TreeId]) {
      assert.isTrue(Schema.is(schema)("00000000-0000-0000-0000-00000000000f"))
      assert.isTrue(Schema.is(schema)("01234567-89ab-0def-0123-456789abcdef"))
      assert.isFalse(Schema.is(schema)("01234567-89ab-0def-0123-456789abcde"))
    }
  })
})

describeEmulated("A text that no column takes", (it) => {
  it.effect("is refused wherever it is given, also by a cast, and nothing is sent", () =>
    Effect.gen(function* () {
      const { append, fork } = yield* HistoryBranches.HistoryBranches
      const { replicationDlq } = yield* HistoryTasks.HistoryTasks
      const executions = yield* Executions.Executions
      const queues = yield* Queues.Queues
      const namedQueues = yield* QueuesV2.QueuesV2
      const clusters = yield* Clusters.Clusters
      const namespaces = yield* Namespaces.Namespaces
      const members = yield* ClusterMembers.ClusterMembers
      const control = yield* Control
      const at = { ...key(Archetype.workflow), rangeId: 1n }
      const of = located()
      yield* control.reset
      for (const text of texts) {
        const run = snapshot({ standing: { ...standing(), createRequestId: text } })
        // What was cast to be a name is looked at as well.
        const sourceCluster = text as Identifiers.ClusterName
        const writes: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          executions.create(at, { _tag: "BrandNew" }, run),
          append({ ...of, nodes: [node(1, 1)], newBranch: { info: text } }),
          fork({ ...of, nodeId: 2n, branchId: branchId(), info: text }),
          replicationDlq.put({ sourceCluster, shardId: shardId(), taskId: 1n, task: blob() }),
          queues.updateAckLevels(Queue.namespaceReplication, { [text]: 1n }, 0n)
        ]
        const named = {
          cluster: text as Identifiers.ClusterName,
          namespace: text as Identifiers.NamespaceName,
          timer: text as Identifiers.TimerId,
          queue: { type: 1, name: text as QueueV2.QueueName }
        }
        const others: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          clusters.get(named.cluster),
          clusters.delete(named.cluster),
          namespaces.getByName(named.namespace),
          namespaces.deleteByName(named.namespace),
          executions.getCurrent({ ...at, businessId: text as Identifiers.BusinessId }),
          executions.update(at, {
            mode: "IgnoreCurrent",
            mutation: mutation(runId(), 1n, { remove: { timers: new Set([named.timer]) } })
          }),
          replicationDlq.deleteRange({ sourceCluster, shardId: shardId(), min: 0n, max: 9n }),
          queues.acknowledge(Queue.namespaceReplication, text, 1n),
          namedQueues.enqueue(named.queue, blob()),
          namedQueues.deleteMessages(named.queue, {}),
          members.list({ rpcAddress: text as ClusterMember.RpcAddress })
        ]
        for (const write of [...writes, ...others]) assert.strictEqual((yield* Effect.flip(write))._tag, "TextInvalid")
      }
      assert.strictEqual((yield* control.counts()).roundTrips, 0)
    })
  )
})
