/**
 * Both storages of Effect Cluster, on one holding.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { MessageStorage } from "effect/cluster/MessageStorage"
import type { RunnerStorage } from "effect/cluster/RunnerStorage"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import type { ConfigError } from "effect/Config"
import * as Layer from "effect/Layer"
import * as DsqlMessageStorage from "./DsqlMessageStorage.ts"
import * as DsqlRunnerStorage from "./DsqlRunnerStorage.ts"
import * as Holding from "./Holding.ts"

/**
 * Which cluster it is, and how long its leases last.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The name of the cluster: several share a database, and see nothing of each other. Default: `cluster`. */
  readonly prefix?: string | undefined
  /** What the cluster's layer is given too: leases last for its `shardLockExpiration`. */
  readonly shardingConfig?: Partial<ShardingConfig.ShardingConfig["Service"]> | undefined
}

/**
 * Provides both storages, for `NodeClusterSocket.layer` or `NodeClusterHttp.layer` with `storage: "byo"`. What the
 * options do not say is read from the environment, as those layers read it.
 *
 * The tables are the built-in schema `dsql/cluster`, one for all clusters of a database: no layer makes them.
 *
 * @example
 * ```ts
 * import { DsqlCluster } from "@effect-dsql/cluster"
 * import { DsqlClient } from "@effect-dsql/core"
 * import { NodeClusterSocket } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const shardingConfig = { shardsPerGroup: 100, shardLockExpiration: "20 seconds" } as const
 * const runner = NodeClusterSocket.layer({ storage: "byo", shardingConfig }).pipe(
 *   Layer.provideMerge(DsqlCluster.layerWith({ prefix: "orders", shardingConfig })),
 *   Layer.provide(DsqlClient.layerConfig())
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = ({
  prefix = "cluster",
  shardingConfig
}: Options): Layer.Layer<MessageStorage | RunnerStorage | Holding.Holding, ConfigError, DsqlClient> =>
  Layer.mergeAll(DsqlMessageStorage.layer, DsqlRunnerStorage.layer).pipe(
    Layer.provideMerge(Holding.layer(prefix)),
    Layer.provide(ShardingConfig.layerFromEnv(shardingConfig))
  )

/**
 * Provides both storages of the cluster called `cluster`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<MessageStorage | RunnerStorage | Holding.Holding, ConfigError, DsqlClient> = layerWith(
  {}
)
