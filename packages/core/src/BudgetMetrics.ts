/**
 * What a connection budget reports.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Connections that all who share the budget may hold together.
 *
 * @since 0.1.0
 * @category metrics
 */
export const limit = Metric.gauge("dsql_budget_limit", {
  description: "Connections that all who share the budget may hold together"
})

/**
 * Connections for which this process has leased room.
 *
 * @since 0.1.0
 * @category metrics
 */
export const leased = Metric.gauge("dsql_budget_leased", {
  description: "Connections for which this process has leased room"
})

/**
 * Connections that use the room leased by this process.
 *
 * @since 0.1.0
 * @category metrics
 */
export const used = Metric.gauge("dsql_budget_used", {
  description: "Connections that use the room leased by this process"
})

/**
 * Connections that were not opened because the budget had no room.
 *
 * @since 0.1.0
 * @category metrics
 */
export const refusals = Metric.counter("dsql_budget_refused_total", {
  description: "Connections that were not opened because the budget had no room",
  incremental: true
})

/**
 * Heartbeats that did not reach the database.
 *
 * @since 0.1.0
 * @category metrics
 */
export const renewFailures = Metric.counter("dsql_budget_renew_failures_total", {
  description: "Heartbeats of the budget that did not reach the database",
  incremental: true
})

/**
 * Leases that had run out when they were renewed, and were somebody else's by then.
 *
 * @since 0.1.0
 * @category metrics
 */
export const lost = Metric.counter("dsql_budget_lost_total", {
  description: "Leases of the budget that ran out before they were renewed",
  incremental: true
})
