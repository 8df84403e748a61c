/**
 * All stores at once.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Layer from "effect/Layer"
import * as CurrentExecutions from "./CurrentExecutions.ts"
import * as Executions from "./Executions.ts"
import * as Shards from "./Shards.ts"

/**
 * Every store of this package.
 *
 * @since 0.1.0
 * @category models
 */
export type Persistence = CurrentExecutions.CurrentExecutions | Executions.Executions | Shards.Shards

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
  Executions.layer,
  Shards.layer
)
