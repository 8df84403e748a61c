/**
 * A client, which runs nothing: it places an order, and asks for its end. The same id is the same order.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { NodeClusterSocket, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import { Order, place } from "./Order.ts"

const shardingConfig = { runnerAddress: Option.none() }

const client = ClusterWorkflowEngine.layer.pipe(
  Layer.provide(NodeClusterSocket.layer({ storage: "byo", clientOnly: true, shardingConfig })),
  Layer.provide(DsqlCluster.layerWith({ prefix: "orders", shardingConfig })),
  Layer.provide(DsqlClient.layerConfig())
)

const order = Effect.gen(function* () {
  yield* place("4711", "Ada")
  yield* Effect.log(yield* Order.execute({ id: "4711" }))
})

NodeRuntime.runMain(Effect.provide(order, client))
