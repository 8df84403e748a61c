/**
 * `DSQL_URL=… PORT=3000 node src/main.ts`: the order service, with its metrics at /metrics.
 */
import { DsqlClient } from "@effect-dsql/core"
import { NodeHttpServer, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Config, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import * as Desk from "./Desk.ts"
import * as Http from "./Http.ts"
import * as Orders from "./Orders.ts"
import { Migrated } from "./Schema.ts"

const Api = HttpApiBuilder.layer(Http.Api).pipe(Layer.provide(Http.handlers))

const Server = NodeHttpServer.layerConfig(createServer, {
  host: Config.succeed("127.0.0.1"),
  port: Config.Int("PORT").pipe(Config.withDefault(3000)),
  gracefulShutdownTimeout: Config.succeed("5 seconds")
})

const App = HttpRouter.serve(Layer.mergeAll(Api, PrometheusMetrics.layerHttp())).pipe(
  // The desk is taken once the port is ours: a process that cannot serve takes it from nobody.
  Layer.provide([Orders.layer, Desk.layer]),
  // The port opens after what stands below is there: the database and its schema.
  Layer.provide(Server),
  Layer.provide(Migrated),
  Layer.provide(DsqlClient.layerConfig()),
  Layer.provide(NodeServices.layer)
)

NodeRuntime.runMain(Layer.launch(App))
