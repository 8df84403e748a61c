/**
 * Temporal's persistence model on Aurora DSQL.
 *
 * @since 0.1.0
 */
export * as Archetype from "./Archetype.ts"
export * as CurrentExecution from "./CurrentExecution.ts"
export * as CurrentExecutions from "./CurrentExecutions.ts"
export * as DataBlob from "./DataBlob.ts"
export * as HistoryTask from "./HistoryTask.ts"
export * as HistoryTasks from "./HistoryTasks.ts"
export * as Identifiers from "./Identifiers.ts"
export * as Namespace from "./Namespace.ts"
export * as Namespaces from "./Namespaces.ts"
export * as NexusEndpoint from "./NexusEndpoint.ts"
export * as NexusEndpoints from "./NexusEndpoints.ts"
export * as PageToken from "./PageToken.ts"
export * as Persistence from "./Persistence.ts"
export * as PersistenceError from "./PersistenceError.ts"
export * as Shards from "./Shards.ts"
export * as TaskQueue from "./TaskQueue.ts"
export * as TaskQueueId from "./TaskQueueId.ts"
export * as TaskQueues from "./TaskQueues.ts"
export * as TaskQueueUserData from "./TaskQueueUserData.ts"
