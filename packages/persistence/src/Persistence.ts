/**
 * All stores at once.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Layer from "effect/Layer"
import * as CurrentExecutions from "./CurrentExecutions.ts"
import * as Namespaces from "./Namespaces.ts"
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
export type Persistence =
  | CurrentExecutions.CurrentExecutions
  | Namespaces.Namespaces
  | Queues.Queues
  | QueuesV2.QueuesV2
  | Shards.Shards
  | TaskQueues.FairTaskQueues
  | TaskQueues.TaskQueues
  | TaskQueueUserData.TaskQueueUserData

/**
 * Provides every store.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { Persistence } from "@effect-dsql/persistence"
 * import { Layer } from "effect"
 *
 * const live = Layer.provideMerge(Persistence.layer, DsqlClient.layerConfig)
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Persistence, never, DsqlClient> = Layer.mergeAll(
  CurrentExecutions.layer,
  Namespaces.layer,
  Queues.layer,
  QueuesV2.layer,
  Shards.layer,
  TaskQueues.layer,
  TaskQueues.layerFair,
  TaskQueueUserData.layer
)
