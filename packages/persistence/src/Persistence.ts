/**
 * All stores at once.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Layer from "effect/Layer"
import * as ClusterMembership from "./ClusterMembership.ts"
import * as ClusterMetadata from "./ClusterMetadata.ts"
import * as CurrentExecutions from "./CurrentExecutions.ts"
import * as Namespaces from "./Namespaces.ts"
import * as NexusEndpoints from "./NexusEndpoints.ts"
import * as Shards from "./Shards.ts"

/**
 * Every store of this package.
 *
 * @since 0.1.0
 * @category models
 */
export type Persistence =
  | ClusterMembership.ClusterMembership
  | ClusterMetadata.ClusterMetadata
  | CurrentExecutions.CurrentExecutions
  | Namespaces.Namespaces
  | NexusEndpoints.NexusEndpoints
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
  ClusterMembership.layer,
  ClusterMetadata.layer,
  CurrentExecutions.layer,
  Namespaces.layer,
  NexusEndpoints.layer,
  Shards.layer
)
