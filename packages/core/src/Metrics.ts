/**
 * All metrics of this package, in one table: what each is called, its labels, what one of it is, and when to look at
 * it.
 *
 * They are Effect's metrics, so any exporter takes them. `docs/metrics.md` is this table, and the dashboard and the
 * alerts of `observability/` read nothing else.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Metric from "effect/Metric"

/**
 * A metric, and what an operator wants to know about it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Described<out Label extends string = string, out State = unknown> {
  /** The metric without labels; each of its series has all of `labels`. */
  readonly metric: Metric.Metric<number, State>
  /** The same metric, made again: one remembers the labels that it was moved with last, and finds that series sooner. */
  readonly again: () => Metric.Metric<number, State>
  readonly labels: ReadonlyArray<Label>
  /** Labels that the series of what failed have besides; none where there is none. */
  readonly failureLabels?: ReadonlyArray<string>
  /** What one of it is. */
  readonly unit: string
  /** What it counts, and where it is not plain, when to look and at what. */
  readonly meaning: string
}

/**
 * A counter, which only grows: for another package's table of metrics.
 *
 * @since 0.2.0
 * @category constructors
 */
export const counter = <Label extends string = never>(
  name: string,
  labels: ReadonlyArray<Label>,
  unit: string,
  meaning: string
): Described<Label, Metric.CounterState<number>> => {
  const again = () => Metric.counter(name, { description: `${meaning} (${unit})`, incremental: true })
  return { metric: again(), again, labels, unit, meaning }
}

/**
 * A gauge, which goes up and down: for another package's table of metrics.
 *
 * @since 0.2.0
 * @category constructors
 */
export const gauge = <Label extends string = never>(
  name: string,
  labels: ReadonlyArray<Label>,
  unit: string,
  meaning: string
): Described<Label, Metric.GaugeState<number>> => {
  const again = () => Metric.gauge(name, { description: `${meaning} (${unit})` })
  return { metric: again(), again, labels, unit, meaning }
}

const boundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]

/** Of times, or of what else has a unit. */
const histogram = <Label extends string = never>(
  name: string,
  labels: ReadonlyArray<Label>,
  meaning: string,
  unit = "milliseconds"
): Described<Label, Metric.HistogramState> => {
  const again = () => Metric.histogram(name, { description: `${meaning} (${unit})`, boundaries })
  return { metric: again(), again, labels, unit, meaning }
}

/** Of times, as OpenTelemetry's conventions for databases have them: in seconds, with their boundaries. */
const seconds = <Label extends string = never>(
  name: string,
  labels: ReadonlyArray<Label>,
  meaning: string
): Described<Label, Metric.HistogramState> => {
  const again = () =>
    Metric.histogram(name, {
      description: meaning,
      attributes: { unit: "s" },
      boundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]
    })
  return { metric: again(), again, labels, unit: "seconds", meaning }
}

/**
 * What transactions report: how long they take, how often they conflict, and why they fail. `operation` is the name given
 * to `Transaction.run`, and `autocommit` for statements of the plain clients.
 *
 * @since 0.1.0
 * @category metrics
 */
export const transaction = {
  latency: histogram(
    "dsql_tx_latency",
    ["operation"],
    "From the first BEGIN to the end, retries included; one for each transaction, however it ended."
  ),
  conflicts: counter(
    "dsql_tx_conflict_total",
    ["operation", "code"],
    "attempts",
    "Attempts that lost a conflict: OC000 on data, OC001 because the catalogue changed, unmarked on PostgreSQL. Many: a hot row."
  ),
  retries: counter(
    "dsql_tx_retry_total",
    ["operation", "attempt"],
    "attempts",
    "Attempts after the first: 2 to 9, and 10+ for all later ones."
  ),
  backoff: histogram("dsql_tx_backoff", ["operation"], "Waited between a conflict and the next attempt."),
  exhausted: counter(
    "dsql_tx_exhausted_total",
    ["operation"],
    "transactions",
    "Gave up, because the retry policy ended. The caller was told."
  ),
  unpaid: counter(
    "dsql_tx_retry_quota_exhausted_total",
    ["operation"],
    "transactions",
    "Not tried again, because the retries of the client had cost all that they may. The caller was told."
  ),
  errorClasses: counter(
    "dsql_tx_error_class_total",
    ["operation", "error_class"],
    "transactions",
    "Ended in an error, by its tag; Interrupted, Defect and Other besides."
  )
} as const

/**
 * What transactions report that name keys, by `key_class`: the table of the key, and `other` for all tables after the
 * hundredth. Attempts that did not conflict are commits, or ended for another reason.
 *
 * @since 0.2.0
 * @category metrics
 */
export const key = {
  attempts: counter("dsql_key_attempt_total", ["key_class"], "attempts", "Attempts of transactions that named a key."),
  conflicts: counter(
    "dsql_key_conflict_total",
    ["key_class"],
    "attempts",
    "Those that lost a conflict: to another process, or to who named no key. Many: group what composes, or split the row."
  ),
  wait: histogram(
    "dsql_key_wait",
    ["key_class"],
    "Waited for other transactions of the process that had the key, by those who did."
  ),
  refusals: counter(
    "dsql_key_refused_total",
    ["key_class"],
    "transactions",
    "Ended with KeyQueueFull: as many waited for keys as may."
  )
} as const

/**
 * What `GroupCommit` reports, by the `operation` that it was made with; one for each group as it was gathered, whether it
 * was done as a whole or in halves. Its transactions report besides.
 *
 * @since 0.3.0
 * @category metrics
 */
export const group = {
  size: histogram(
    "dsql_group_size",
    ["operation"],
    "Asked for together. Always 1: nothing is won by it; often the most that may go together: raise `most`.",
    "requests"
  ),
  wait: histogram("dsql_group_wait", ["operation"], "Waited by a request for the group before its own.")
} as const

/**
 * What a connection pool reports: how full it is, who waits, and what becomes of connections. `pool` is the application
 * name of its client. The gauges are read when they are asked for.
 *
 * @since 0.1.0
 * @category metrics
 */
export const pool = {
  maxOpen: gauge("dsql_pool_max_open", ["pool"], "connections", "What the pool may hold."),
  open: gauge("dsql_pool_open", ["pool"], "connections", "Open now."),
  inUse: gauge("dsql_pool_in_use", ["pool"], "connections", "Lent now."),
  idle: gauge("dsql_pool_idle", ["pool"], "connections", "Open and not lent."),
  waiting: gauge("dsql_pool_waiting", ["pool"], "fibers", "Wait for a connection now."),
  waits: counter(
    "dsql_pool_wait_total",
    ["pool"],
    "requests",
    "Found no connection free. The first ones of a pool always do."
  ),
  waitDuration: histogram(
    "dsql_pool_wait_duration",
    ["pool"],
    "Waited by those, whether they got a connection or not."
  ),
  refusals: counter(
    "dsql_pool_refused_total",
    ["pool", "error_class"],
    "requests",
    "Ended without a connection: ConnectionUnavailable.busy and .closing are the pool's own, the rest came from connecting."
  ),
  connectLatency: histogram(
    "dsql_pool_connect_latency",
    ["pool"],
    "Opening a connection: its turn among new connections not counted, its token, TLS and login counted."
  ),
  connectFailures: counter(
    "dsql_pool_connect_failures_total",
    ["pool", "error_class"],
    "connections",
    "Could not be opened. ConnectionThrottled: too many a second; TooManyConnections: the cluster or the budget is full."
  ),
  closed: counter(
    "dsql_pool_closed_total",
    ["pool", "reason"],
    "connections",
    "Closed: life and idle are as they should be; lost broke; interrupted had a statement cut short; in_transaction held a transaction that nobody would end; shutdown."
  )
} as const

const server = ["db.system.name", "db.namespace", "server.address", "server.port"] as const
const poolName = "db.client.connection.pool.name"

/**
 * What OpenTelemetry's conventions for database clients have, by their names, for whoever has dashboards for those
 * already: each statement, BEGIN and COMMIT, and the pool once more. Prometheus shows a dot as an underscore.
 *
 * Source: https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
 *
 * @since 0.2.0
 * @category metrics
 */
export const client = {
  operations: {
    ...seconds(
      "db.client.operation.duration",
      [...server, "db.operation.name"],
      "From sending a statement to its answer; a stream's to its end. The operation is the statement's first word."
    ),
    failureLabels: ["db.response.status_code", "error.type"]
  },
  count: gauge(
    "db.client.connection.count",
    [poolName, "db.client.connection.state"],
    "connections",
    "Open now, idle or used."
  ),
  max: gauge("db.client.connection.max", [poolName], "connections", "What the pool may hold."),
  pending: gauge("db.client.connection.pending_requests", [poolName], "requests", "Wait for a connection now."),
  timeouts: counter(
    "db.client.connection.timeouts",
    [poolName],
    "requests",
    "Waited for a connection as long as the pool lets anyone wait, in vain."
  ),
  createTime: seconds(
    "db.client.connection.create_time",
    [poolName],
    "Opening a connection, its token and TLS included."
  ),
  waitTime: seconds(
    "db.client.connection.wait_time",
    [poolName],
    "Until a connection was lent, none to wait for included."
  ),
  useTime: seconds("db.client.connection.use_time", [poolName], "From lending a connection to its return.")
} as const

/**
 * What the source of IAM tokens reports.
 *
 * @since 0.1.0
 * @category metrics
 */
export const token = {
  hits: counter("dsql_token_cache_hits_total", [], "connections", "Were given a token that was there."),
  refreshes: counter("dsql_token_refreshes_total", [], "tokens", "Signed: about one in 14 minutes for each process."),
  failures: counter(
    "dsql_token_refresh_failures_total",
    ["step"],
    "tokens",
    "Could not be signed; the step is the link of the AWS credential chain that failed."
  ),
  refused: counter(
    "dsql_token_refused_total",
    [],
    "tokens",
    "Refused by the server, each then replaced once. Look at the clock and at the role's grants."
  ),
  latency: histogram(
    "dsql_token_refresh_latency",
    [],
    "Signing, the search for credentials included. Long: the credential chain asks something slow."
  )
} as const

/**
 * What a connection budget reports. The gauges are read when they are asked for.
 *
 * @since 0.1.0
 * @category metrics
 */
export const budget = {
  limit: gauge("dsql_budget_limit", [], "connections", "What all processes may hold together."),
  leased: gauge("dsql_budget_leased", [], "connections", "Room that this process has leased."),
  used: gauge("dsql_budget_used", [], "connections", "Connections in the room that this process has leased."),
  refusals: counter(
    "dsql_budget_refused_total",
    [],
    "connections",
    "Not opened because there was no room. The pool backs off and asks again."
  ),
  renewFailures: counter(
    "dsql_budget_renew_failures_total",
    [],
    "heartbeats",
    "Did not reach the database. After one time to live no more room is given."
  ),
  lost: counter(
    "dsql_budget_lost_total",
    [],
    "leases",
    "Ran out before they were renewed: the process stood still for longer than the time to live."
  )
} as const

/**
 * All of them.
 *
 * @example
 * ```ts
 * import { Metrics } from "@effect-dsql/core"
 *
 * const names = Metrics.catalogue.map(({ labels, metric, unit }) => `${metric.id} (${labels.join(", ")}): ${unit}`)
 * ```
 *
 * @since 0.1.0
 * @category metrics
 */
export const catalogue: ReadonlyArray<Described> = [transaction, key, group, pool, client, token, budget].flatMap(
  (group) => Object.values<Described>(group)
)
