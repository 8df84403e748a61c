/**
 * What the connection pool reports: how full it is, who waits, and what becomes of connections.
 *
 * All carry the label `pool`, the application name of the pool. The gauges are
 * read when they are asked for, from the pool itself.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

const milliseconds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]

/**
 * Connections that the pool may hold.
 *
 * @since 0.1.0
 * @category metrics
 */
export const maxOpen = Metric.gauge("dsql_pool_max_open", { description: "Connections that the pool may hold" })

/**
 * Connections that are open.
 *
 * @since 0.1.0
 * @category metrics
 */
export const open = Metric.gauge("dsql_pool_open", { description: "Connections that are open" })

/**
 * Connections that are in use.
 *
 * @since 0.1.0
 * @category metrics
 */
export const inUse = Metric.gauge("dsql_pool_in_use", { description: "Connections that are in use" })

/**
 * Connections that are open and not in use.
 *
 * @since 0.1.0
 * @category metrics
 */
export const idle = Metric.gauge("dsql_pool_idle", { description: "Connections that are open and not in use" })

/**
 * Fibers that wait for a connection.
 *
 * @since 0.1.0
 * @category metrics
 */
export const waiting = Metric.gauge("dsql_pool_waiting", { description: "Fibers that wait for a connection" })

/**
 * Times that no connection was free at once.
 *
 * @since 0.1.0
 * @category metrics
 */
export const waits = Metric.counter("dsql_pool_wait_total", {
  description: "Times that no connection was free at once",
  incremental: true
})

/**
 * How long those waited, in milliseconds, whether they got a connection or not.
 *
 * @since 0.1.0
 * @category metrics
 */
export const waitDuration = Metric.histogram("dsql_pool_wait_duration", {
  description: "Milliseconds waited for a connection when none was free at once",
  boundaries: milliseconds
})

/**
 * Requests for a connection that were refused, by `error_class`: the tag of the error, and for
 * `ConnectionUnavailable` its reason.
 *
 * @since 0.1.0
 * @category metrics
 */
export const refusals = Metric.counter("dsql_pool_refused_total", {
  description: "Requests for a connection that ended without one",
  incremental: true
})

/**
 * Time that opening a connection took, in milliseconds, its token included.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connectLatency = Metric.histogram("dsql_pool_connect_latency", {
  description: "Milliseconds that opening a connection took, its token included",
  boundaries: milliseconds
})

/**
 * Connections that could not be opened, by `error_class`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connectFailures = Metric.counter("dsql_pool_connect_failures_total", {
  description: "Connections that could not be opened",
  incremental: true
})

/**
 * Connections that were closed, by `reason`: `life`, `idle`, `lost`, `interrupted`, `shutdown`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const closed = Metric.counter("dsql_pool_closed_total", {
  description: "Connections that were closed",
  incremental: true
})
