/**
 * What the toolkit shows of itself: every metric in one list, and the layers
 * that export them.
 *
 * The metrics are Effect's, so any exporter takes them; the two here are
 * Effect's own, with nothing to configure but where they go. `docs/metrics.md`
 * is made from the list, `observability/` has a dashboard and alerts on it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpRouter from "effect/http/HttpRouter"
import type * as Layer from "effect/Layer"
import type * as Metric from "effect/Metric"
import * as Otlp from "effect/observability/Otlp"
import type * as OtlpExporter from "effect/observability/OtlpExporter"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as BudgetMetrics from "./BudgetMetrics.ts"
import * as PoolMetrics from "./PoolMetrics.ts"
import * as TokenMetrics from "./TokenMetrics.ts"
import * as TransactionMetrics from "./TransactionMetrics.ts"

/**
 * A metric, and what an operator wants to know about it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Documented {
  readonly metric: Metric.Metric<never, unknown>
  /** The labels of its series. */
  readonly labels: ReadonlyArray<string>
  /** What one of it is. */
  readonly unit: string
  /** When to look, and at what. */
  readonly meaning: string
  /** The alerts of `observability/alerts.yaml` that read it. */
  readonly alerts: ReadonlyArray<string>
}

const documented = (
  metric: Metric.Metric<never, unknown>,
  labels: ReadonlyArray<string>,
  unit: string,
  meaning: string,
  alerts: ReadonlyArray<string> = []
): Documented => ({ metric, labels, unit, meaning, alerts })

/**
 * All metrics of this package.
 *
 * @since 0.1.0
 * @category catalogue
 */
export const catalogue: ReadonlyArray<Documented> = [
  documented(
    TransactionMetrics.latency,
    ["operation"],
    "milliseconds",
    "From the first BEGIN to the end, retries included; one for each transaction, however it ended.",
    ["DsqlLatencyHigh"]
  ),
  documented(
    TransactionMetrics.conflicts,
    ["operation", "code"],
    "attempts",
    "Attempts that lost a conflict: OC000 on data, OC001 because the catalogue changed, unmarked on PostgreSQL. Many: a hot row.",
    ["DsqlConflictRateHigh"]
  ),
  documented(
    TransactionMetrics.retries,
    ["operation", "attempt"],
    "attempts",
    "Attempts after the first: 2 to 9, and 10+ for all later ones."
  ),
  documented(
    TransactionMetrics.backoff,
    ["operation"],
    "milliseconds",
    "Waited between a conflict and the next attempt."
  ),
  documented(
    TransactionMetrics.exhausted,
    ["operation"],
    "transactions",
    "Gave up, because the retry policy ended. The caller was told.",
    ["DsqlRetriesExhausted"]
  ),
  documented(
    TransactionMetrics.errorClasses,
    ["operation", "error_class"],
    "transactions",
    "Ended in an error, by its tag; Interrupted, Defect and Other besides.",
    ["DsqlOutcomeUnknown"]
  ),
  documented(PoolMetrics.maxOpen, ["pool"], "connections", "What the pool may hold.", ["DsqlPoolSaturated"]),
  documented(PoolMetrics.open, ["pool"], "connections", "Open now."),
  documented(PoolMetrics.inUse, ["pool"], "connections", "Lent now.", ["DsqlPoolSaturated"]),
  documented(PoolMetrics.idle, ["pool"], "connections", "Open and not lent."),
  documented(PoolMetrics.waiting, ["pool"], "fibers", "Wait for a connection now."),
  documented(PoolMetrics.waits, ["pool"], "requests", "Found no connection free. The first ones of a pool always do."),
  documented(
    PoolMetrics.waitDuration,
    ["pool"],
    "milliseconds",
    "Waited by those, whether they got a connection or not.",
    ["DsqlPoolWaitLong"]
  ),
  documented(
    PoolMetrics.refusals,
    ["pool", "error_class"],
    "requests",
    "Ended without a connection: ConnectionUnavailable.busy and .closing are the pool's own, the rest came from connecting.",
    ["DsqlConnectionsRefused"]
  ),
  documented(
    PoolMetrics.connectLatency,
    ["pool"],
    "milliseconds",
    "Opening a connection: its turn among new connections not counted, its token, TLS and login counted."
  ),
  documented(
    PoolMetrics.connectFailures,
    ["pool", "error_class"],
    "connections",
    "Could not be opened. ConnectionThrottled: too many a second; TooManyConnections: the cluster or the budget is full.",
    ["DsqlConnectionsThrottled"]
  ),
  documented(
    PoolMetrics.closed,
    ["pool", "reason"],
    "connections",
    "Closed: life and idle are as they should be; lost broke; interrupted had a statement cut short; shutdown.",
    ["DsqlConnectionsLost"]
  ),
  documented(TokenMetrics.hits, [], "connections", "Were given a token that was there."),
  documented(TokenMetrics.refreshes, [], "tokens", "Signed: about one in 14 minutes for each process."),
  documented(
    TokenMetrics.failures,
    ["step"],
    "tokens",
    "Could not be signed; the step is the link of the AWS credential chain that failed.",
    ["DsqlTokenRefreshFailing"]
  ),
  documented(
    TokenMetrics.refused,
    [],
    "tokens",
    "Refused by the server, each then replaced once. Look at the clock and at the role's grants.",
    ["DsqlTokenRefused"]
  ),
  documented(
    TokenMetrics.latency,
    [],
    "milliseconds",
    "Signing, the search for credentials included. Long: the credential chain asks something slow."
  ),
  documented(BudgetMetrics.limit, [], "connections", "What all processes may hold together.", ["DsqlBudgetNearlyUsed"]),
  documented(BudgetMetrics.leased, [], "connections", "Room that this process has leased.", ["DsqlBudgetNearlyUsed"]),
  documented(BudgetMetrics.used, [], "connections", "Connections in the room that this process has leased."),
  documented(
    BudgetMetrics.refusals,
    [],
    "connections",
    "Not opened because there was no room. The pool backs off and asks again.",
    ["DsqlBudgetUsedUp"]
  ),
  documented(
    BudgetMetrics.renewFailures,
    [],
    "heartbeats",
    "Did not reach the database. After one time to live no more room is given.",
    ["DsqlBudgetNotRenewed"]
  ),
  documented(
    BudgetMetrics.lost,
    [],
    "leases",
    "Ran out before they were renewed: the process stood still for longer than the time to live.",
    ["DsqlBudgetLost"]
  )
]

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
