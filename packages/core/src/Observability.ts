/**
 * The layers that export what the toolkit shows of itself.
 *
 * The metrics are Effect's, so any exporter takes them; the two here are
 * Effect's own, with nothing to configure but where they go.
 *
 * @since 0.1.0
 * @stability stable
 */
import type * as Duration from "effect/Duration"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpRouter from "effect/http/HttpRouter"
import type * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import type * as OtlpExporter from "effect/observability/OtlpExporter"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

/**
 * The metrics as Prometheus reads them.
 *
 * @since 0.1.0
 * @category exporters
 */
export const scrape = PrometheusMetrics.format()

/**
 * Serves the metrics for Prometheus, at `/metrics` unless told otherwise, on the router that the program has.
 *
 * @example
 * ```ts
 * import { Observability } from "@effect-dsql/core"
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { HttpRouter } from "effect/http"
 * import { createServer } from "node:http"
 *
 * const metrics = HttpRouter.serve(Observability.layerPrometheus()).pipe(
 *   Layer.provide(NodeHttpServer.layer(createServer, { port: 9464 }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPrometheus = (options?: {
  readonly path?: HttpRouter.PathInput | undefined
}): Layer.Layer<never, never, HttpRouter.HttpRouter> => PrometheusMetrics.layerHttp(options)

/**
 * Sends metrics, spans and logs to a collector that speaks OTLP over HTTP.
 *
 * @example
 * ```ts
 * import { Observability } from "@effect-dsql/core"
 * import { Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const telemetry = Observability.layerOtlp({ baseUrl: "http://localhost:4318", serviceName: "orders" }).pipe(
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOtlp = (options: {
  readonly baseUrl: string
  readonly serviceName: string
  readonly serviceVersion?: string | undefined
  /** How often metrics are sent. Default: 10 seconds. */
  readonly metricsInterval?: Duration.Input | undefined
}): Layer.Layer<OtlpExporter.Flusher, never, HttpClient.HttpClient> =>
  Otlp.layerJson({
    baseUrl: options.baseUrl,
    resource: { serviceName: options.serviceName, serviceVersion: options.serviceVersion },
    metricsExportInterval: options.metricsInterval ?? "10 seconds"
  })
