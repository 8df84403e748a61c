/**
 * All stores at once.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Layer from "effect/Layer"
import * as ClusterMembers from "./ClusterMembers.ts"
import * as Clusters from "./Clusters.ts"
import * as CurrentExecutions from "./CurrentExecutions.ts"
import * as Executions from "./Executions.ts"
import * as HistoryBranches from "./HistoryBranches.ts"
import * as HistoryTasks from "./HistoryTasks.ts"
import * as Namespaces from "./Namespaces.ts"
import * as NexusEndpoints from "./NexusEndpoints.ts"
import * as Queues from "./Queues.ts"
import * as QueuesV2 from "./QueuesV2.ts"
import * as Shards from "./Shards.ts"
import * as TaskQueues from "./TaskQueues.ts"
import * as TaskQueueUserData from "./TaskQueueUserData.ts"

/**
 * Every store of this package.
 *
 * @since 0.1.0
 * @category models
 */
export type Persistence = Layer.Success<typeof layer>

/**
 * Provides every store.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { Persistence } from "@effect-dsql/persistence"
 * import { Layer } from "effect"
 *
 * const live = Layer.provideMerge(Persistence.layer, DsqlClient.layerConfig())
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = Layer.mergeAll(
  ClusterMembers.layer,
  Clusters.layer,
  CurrentExecutions.layer,
  Executions.layer,
  HistoryBranches.layer,
  HistoryTasks.layer,
  Namespaces.layer,
  NexusEndpoints.layer,
  Queues.layer,
  QueuesV2.layer,
  Shards.layer,
  TaskQueueUserData.layer,
  TaskQueues.layer,
  TaskQueues.layerFair
)
