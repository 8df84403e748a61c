/**
 * A runner. `HOST` and `PORT` are the address at which the others reach it, and `DSQL_URL` or `DSQL_ENDPOINT` is the database.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { NodeClusterSocket, NodeRuntime } from "@effect/platform-node"
import { Layer } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import { orders } from "./Order.ts"

const runner = orders("20 seconds").pipe(
  Layer.provide(ClusterWorkflowEngine.layer),
  Layer.provide(NodeClusterSocket.layer({ storage: "byo" })),
  Layer.provide(DsqlCluster.layerWith({ prefix: "orders" })),
  Layer.provide(DsqlClient.layerConfig())
)

NodeRuntime.runMain(Layer.launch(runner))
