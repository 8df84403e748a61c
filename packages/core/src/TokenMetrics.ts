/**
 * What the source of IAM tokens reports.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Connections that were given a token that was there already.
 *
 * @since 0.1.0
 * @category metrics
 */
export const hits = Metric.counter("dsql_token_cache_hits_total", {
  description: "Connections that were given a token that was there already",
  incremental: true
})

/**
 * Tokens that were signed.
 *
 * @since 0.1.0
 * @category metrics
 */
export const refreshes = Metric.counter("dsql_token_refreshes_total", {
  description: "Tokens that were signed",
  incremental: true
})

/**
 * Tokens that could not be signed, by `step`: the link of the credential chain that failed.
 *
 * @since 0.1.0
 * @category metrics
 */
export const failures = Metric.counter("dsql_token_refresh_failures_total", {
  description: "Tokens that could not be signed",
  incremental: true
})

/**
 * Tokens that the server refused.
 *
 * @since 0.1.0
 * @category metrics
 */
export const refused = Metric.counter("dsql_token_refused_total", {
  description: "Tokens that the server refused",
  incremental: true
})

/**
 * Time that signing took, the search for credentials included, in milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const latency = Metric.histogram("dsql_token_refresh_latency", {
  description: "Milliseconds that signing a token took, the search for credentials included",
  boundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]
})
