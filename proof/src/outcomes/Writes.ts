/**
 * Every write of the toolkit. The compiler asks for each write of each store.
 */
import type { Case } from "./Case.ts"
import * as Cluster from "./ClusterWrites.ts"
import * as Core from "./CoreWrites.ts"
import * as History from "./HistoryWrites.ts"
import * as Queue from "./QueueWrites.ts"
import * as Shard from "./ShardWrites.ts"
import type { StoreName, WriteName } from "./Stores.ts"

type Writes = {
  readonly [S in StoreName]: { readonly [W in WriteName<S>]: ReadonlyArray<Case> }
}

/** The cases of each write of each store. */
export const writes: Writes = {
  ClusterMembers: Cluster.MemberWrites,
  Clusters: Cluster.MetadataWrites,
  CurrentExecutions: Shard.CurrentExecutionWrites,
  Executions: Shard.ExecutionWrites,
  FairTaskQueues: Queue.FairTaskQueueWrites,
  HistoryBranches: History.HistoryBranchWrites,
  HistoryTasks: Shard.HistoryTaskWrites,
  "HistoryTasks.immediate": Shard.ImmediateTaskWrites,
  "HistoryTasks.replicationDlq": Shard.DeadLetterWrites,
  "HistoryTasks.scheduled": Shard.ScheduledTaskWrites,
  Namespaces: Cluster.NamespaceWrites,
  NexusEndpoints: Cluster.EndpointWrites,
  Queues: Queue.MessageQueueWrites,
  QueuesV2: Queue.NamedQueueWrites,
  Shards: Shard.ShardWrites,
  TaskQueueUserData: Queue.UserDataWrites,
  TaskQueues: Queue.TaskQueueWrites
}

/** What core itself writes. */
const core = { Batch: Core.BatchWrites, Guarded: Core.GuardedWrites, Transaction: Core.TransactionWrites }

/** A case, and what it is called. */
export interface Named {
  readonly name: string
  readonly of: Case
}

/** All cases, in the order of their names. */
export const cases: ReadonlyArray<Named> = Object.entries<Readonly<Record<string, ReadonlyArray<Case>>>>({
  ...core,
  ...writes
})
  .flatMap(([store, some]) =>
    Object.entries(some).flatMap(([write, each]) =>
      each.map((of) => ({ name: `${store}.${write}${of.when === "" ? "" : `: ${of.when}`}`, of }))
    )
  )
  .toSorted((a, b) => (a.name < b.name ? -1 : 1))
