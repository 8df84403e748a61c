/**
 * Effect Cluster and Workflow on Aurora DSQL.
 *
 * @since 0.1.0
 */
export * as ClusterFence from "./ClusterFence.ts"
export * as ClusterMetrics from "./ClusterMetrics.ts"
export * as ClusterStatus from "./ClusterStatus.ts"
export * as DsqlCluster from "./DsqlCluster.ts"
export * as DsqlMessageStorage from "./DsqlMessageStorage.ts"
export * as DsqlRunnerStorage from "./DsqlRunnerStorage.ts"
export * as DsqlSingleRunner from "./DsqlSingleRunner.ts"
export * as Holding from "./Holding.ts"
export * as Inspection from "./Inspection.ts"
export * as Retention from "./Retention.ts"
