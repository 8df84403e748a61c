/**
 * All stores at once.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Layer from "effect/Layer"
import * as CurrentExecutions from "./CurrentExecutions.ts"
import * as HistoryBranches from "./HistoryBranches.ts"
import * as HistoryTasks from "./HistoryTasks.ts"
import * as Namespaces from "./Namespaces.ts"
import * as Shards from "./Shards.ts"

/**
 * Every store of this package.
 *
 * @since 0.1.0
 * @category models
 */
export type Persistence =
  | CurrentExecutions.CurrentExecutions
  | HistoryBranches.HistoryBranches
  | HistoryTasks.HistoryTasks
  | Namespaces.Namespaces
  | Shards.Shards

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
  HistoryBranches.layer,
  HistoryTasks.layer,
  Namespaces.layer,
  Shards.layer
)
