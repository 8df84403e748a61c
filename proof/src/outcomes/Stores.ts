/**
 * Every store, and which of its operations only read. All others are writes, and each has to be tried.
 */
import {
  ClusterMembers,
  Clusters,
  CurrentExecutions,
  Executions,
  HistoryBranches,
  HistoryTasks,
  Namespaces,
  NexusEndpoints,
  type Persistence,
  Queues,
  QueuesV2,
  Shards,
  TaskQueues,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { Effect } from "effect"

/** The stores, by name. Queues that a store consists of are stores of their own. */
export const stores = {
  ClusterMembers: ClusterMembers.ClusterMembers,
  Clusters: Clusters.Clusters,
  CurrentExecutions: CurrentExecutions.CurrentExecutions,
  Executions: Executions.Executions,
  FairTaskQueues: TaskQueues.FairTaskQueues,
  HistoryBranches: HistoryBranches.HistoryBranches,
  HistoryTasks: HistoryTasks.HistoryTasks,
  "HistoryTasks.immediate": Effect.map(HistoryTasks.HistoryTasks, ({ immediate }) => immediate),
  "HistoryTasks.replicationDlq": Effect.map(HistoryTasks.HistoryTasks, ({ replicationDlq }) => replicationDlq),
  "HistoryTasks.scheduled": Effect.map(HistoryTasks.HistoryTasks, ({ scheduled }) => scheduled),
  Namespaces: Namespaces.Namespaces,
  NexusEndpoints: NexusEndpoints.NexusEndpoints,
  Queues: Queues.Queues,
  QueuesV2: QueuesV2.QueuesV2,
  Shards: Shards.Shards,
  TaskQueueUserData: TaskQueueUserData.TaskQueueUserData,
  TaskQueues: TaskQueues.TaskQueues
} as const

export type StoreName = keyof typeof stores

type Member<S extends StoreName> = keyof Effect.Success<(typeof stores)[S]>

/** What does not write: reads, locks, and queues that are stores of their own. */
export const reads = {
  ClusterMembers: ["list", "stream"],
  Clusters: ["get", "list", "stream"],
  CurrentExecutions: ["find", "lock", "lockWithExecution"],
  Executions: ["get", "salvage", "getCurrent"],
  FairTaskQueues: ["find", "list", "stream", "listTasks", "streamTasks"],
  HistoryBranches: [
    "listNodes",
    "streamNodes",
    "listNodesBackward",
    "streamNodesBackward",
    "list",
    "stream",
    "listAll",
    "streamAll"
  ],
  HistoryTasks: ["immediate", "scheduled", "replicationDlq"],
  "HistoryTasks.immediate": ["list", "stream"],
  "HistoryTasks.replicationDlq": ["list", "stream", "isEmpty"],
  "HistoryTasks.scheduled": ["list", "stream"],
  Namespaces: ["getById", "getByName", "list", "stream", "version"],
  NexusEndpoints: ["get", "list", "stream"],
  Queues: ["listMessages", "streamMessages", "ackLevels"],
  QueuesV2: ["listMessages", "streamMessages", "list", "stream"],
  Shards: ["find", "shared", "exclusive"],
  TaskQueueUserData: ["find", "list", "stream", "countByBuildId", "listByBuildId", "streamByBuildId"],
  TaskQueues: ["find", "list", "stream", "listTasks", "streamTasks"]
} as const satisfies { readonly [S in StoreName]: ReadonlyArray<Member<S>> }

/** The writes of a store. */
export type WriteName<S extends StoreName> = Exclude<Member<S>, (typeof reads)[S][number]>

/** The operations of a store that is there, those that only read left out. */
export const writesOf = (name: StoreName): Effect.Effect<ReadonlyArray<string>, never, Persistence.Persistence> => {
  const store: Effect.Effect<object, never, Persistence.Persistence> = stores[name]
  const readOnly: ReadonlyArray<string> = reads[name]
  return Effect.map(store, (members) => Object.keys(members).filter((member) => !readOnly.includes(member)))
}
