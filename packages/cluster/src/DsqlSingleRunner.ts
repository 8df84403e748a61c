/**
 * A cluster of one process, which needs no address: Effect's `SingleRunner`, whose
 * storages are Aurora DSQL's.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { MessageStorage } from "effect/cluster/MessageStorage"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import type { ConfigError } from "effect/Config"
import * as Layer from "effect/Layer"
import * as DsqlCluster from "./DsqlCluster.ts"
import type { Holding } from "./Holding.ts"

/**
 * Provides a cluster of one process. A second one with the same prefix waits until the first one's leases are over, and
 * neither ever decides a request that the other one has.
 *
 * @example
 * ```ts
 * import { DsqlSingleRunner } from "@effect-dsql/cluster"
 * import { DsqlClient } from "@effect-dsql/core"
 * import { ClusterWorkflowEngine } from "effect/cluster"
 * import { Layer } from "effect"
 *
 * const workflows = ClusterWorkflowEngine.layer.pipe(
 *   Layer.provideMerge(DsqlSingleRunner.layer({ prefix: "orders" })),
 *   Layer.provide(DsqlClient.layerConfig())
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: DsqlCluster.Options = {}
): Layer.Layer<Sharding.Sharding | Runners.Runners | MessageStorage | Holding, ConfigError, DsqlClient> =>
  Sharding.layer.pipe(
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(DsqlCluster.layerWith(options)),
    Layer.provide(RunnerHealth.layerNoop),
    Layer.provide(ShardingConfig.layerFromEnv(options.shardingConfig))
  )
