/**
 * What every role is wrapped in: an HTTP server with its health and its metrics, which says where it listens, and
 * finishes what it has begun before it ends.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { NodeHttpServer } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { FetchHttpClient, HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import * as Keyspace from "./Keyspace.ts"
import * as Settings from "./Settings.ts"

/** 200 while the database answers, 503 otherwise. */
const health = HttpRouter.add(
  "GET",
  "/health",
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* Effect.timeout(sql`SELECT 1`, "2 seconds")
    return HttpServerResponse.text("ok\n")
  }).pipe(
    Effect.catch(() => Effect.succeed(HttpServerResponse.text("the database does not answer\n", { status: 503 })))
  )
)

/** Where this process listens, as a URL. */
export const url = Effect.map(HttpServer.HttpServer, ({ address }) => HttpServer.formatAddress(address))

/** One line for whoever started the process. */
const announcement = (role: Settings.Role) =>
  Layer.effectDiscard(Effect.flatMap(url, (url) => Console.log(JSON.stringify({ role, url }))))

const server = Layer.unwrap(
  Effect.map(Settings.port, (port) =>
    NodeHttpServer.layer(createServer, { port, host: "127.0.0.1", gracefulShutdownTimeout: "5 seconds" })
  )
)

/** The stores, and where executions live in them. */
const stores = Keyspace.layer.pipe(
  Layer.provideMerge(Persistence.layer),
  Layer.provideMerge(DsqlClient.layerConfig()),
  Layer.provideMerge(FetchHttpClient.layer)
)

/** A process of its own for a role's routes. */
export const layer = <E, R>(role: Settings.Role, routes: Layer.Layer<never, E, R>) =>
  HttpRouter.serve(Layer.mergeAll(routes, health, PrometheusMetrics.layerHttp()), { disableListenLog: true }).pipe(
    Layer.provideMerge(announcement(role)),
    Layer.provide(server),
    Layer.provide(stores)
  )
