/**
 * What transactions report: how long they take, how often they conflict, and why they fail.
 *
 * All carry the label `operation`, the name given to `Transaction.run`.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

const milliseconds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]

/**
 * Time of a transaction from its first BEGIN to its end, retries included, in milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const latency = Metric.histogram("dsql_tx_latency", {
  description: "Milliseconds from the first BEGIN of a transaction to its end, retries included",
  boundaries: milliseconds
})

/**
 * Attempts that lost a conflict, by `code` (OC000, OC001, unmarked).
 *
 * @since 0.1.0
 * @category metrics
 */
export const conflicts = Metric.counter("dsql_tx_conflict_total", {
  description: "Transaction attempts that ended in a serialization conflict",
  incremental: true
})

/**
 * Retries, by `attempt` (2 is the first retry; `10+` from the tenth on).
 *
 * @since 0.1.0
 * @category metrics
 */
export const retries = Metric.counter("dsql_tx_retry_total", {
  description: "Transaction attempts after the first",
  incremental: true
})

/**
 * Transactions that gave up after conflicts.
 *
 * @since 0.1.0
 * @category metrics
 */
export const exhausted = Metric.counter("dsql_tx_exhausted_total", {
  description: "Transactions whose retry policy ended",
  incremental: true
})

/**
 * Transactions that failed, by `error_class`: the tag of the error.
 *
 * @since 0.1.0
 * @category metrics
 */
export const errorClasses = Metric.counter("dsql_tx_error_class_total", {
  description: "Transactions that ended in an error",
  incremental: true
})

/**
 * Time between a conflict and the next attempt, in milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const backoff = Metric.histogram("dsql_tx_backoff", {
  description: "Milliseconds waited before a retry",
  boundaries: milliseconds
})
