/**
 * A runner: the workflow engine on the cluster's storages, and what it runs.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { NodeClusterSocket } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import * as Effects from "./Effects.ts"
import * as Order from "./Order.ts"
import { say } from "./Saying.ts"
import * as Settings from "./Settings.ts"

const ready = Layer.effectDiscard(Effect.flatMap(Settings.name, (name) => say({ _tag: "Ready", name })))

const cluster = Layer.unwrap(
  Effect.map(Settings.port, (port) => {
    const shardingConfig = Settings.sharding(Option.some(port))
    return NodeClusterSocket.layer({ storage: "byo", shardingConfig }).pipe(
      Layer.provideMerge(DsqlCluster.layerWith({ prefix: Settings.prefix, shardingConfig }))
    )
  })
)

export const layer = Layer.merge(Order.layer, ready).pipe(
  Layer.provide(Effects.layer),
  Layer.provideMerge(ClusterWorkflowEngine.layer),
  Layer.provideMerge(cluster),
  Layer.provide(DsqlClient.layerConfig())
)
