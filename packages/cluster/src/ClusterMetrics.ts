/**
 * All metrics of this package, in one table: what each is called, what one of it is, and when to look at it. Each is
 * labelled by the prefix of its cluster, and is of one process.
 *
 * They are Effect's metrics, so any exporter takes them. `docs/metrics.md` has this table, and the dashboard and the
 * alerts of clusters in `observability/` read nothing else.
 *
 * @since 0.2.0
 * @stability unstable
 */
import { counter, type Described, gauge } from "@effect-dsql/core/Metrics"

const labels = ["cluster"] as const

/**
 * What is reported of shards: those that a process holds, and how it keeps them.
 *
 * @since 0.2.0
 * @category metrics
 */
export const shards = {
  held: gauge("dsql_cluster_shards_held", labels, "shards", "Held by this process, as far as it knows."),
  takeovers: counter(
    "dsql_cluster_takeovers_total",
    labels,
    "shards",
    "Taken after the lease of another runner had run out, which had not given them back: it died, or stood still."
  ),
  lost: counter(
    "dsql_cluster_shards_lost_total",
    labels,
    "shards",
    "Not this process's any more when it renewed their leases: it stood still for longer than a lease."
  ),
  lease: gauge("dsql_cluster_lease", labels, "milliseconds", "How long a lease lasts."),
  leaseLeft: gauge(
    "dsql_cluster_lease_left",
    labels,
    "milliseconds",
    "Left of the leases when they were last renewed, of the shard that had the least. Near 0: renewals come late."
  )
} as const

/**
 * What is reported of messages: what a process was handed, and what it was refused.
 *
 * @since 0.2.0
 * @category metrics
 */
export const messages = {
  polled: gauge("dsql_cluster_last_poll", labels, "seconds", "When the inbox was last read, since 1970."),
  handedOut: counter("dsql_cluster_messages_total", labels, "messages", "Handed out to entities by polls."),
  oldest: gauge(
    "dsql_cluster_oldest_message",
    labels,
    "milliseconds",
    "How long the oldest message of the last poll had been due; 0 where it found none. Growing: runners do not keep up."
  ),
  refused: counter(
    "dsql_cluster_stale_replies_total",
    labels,
    "replies",
    "Refused, because the shard of the request had moved on: what the fence is for. Many: handlers stand still for longer than a lease."
  )
} as const

/**
 * All of them.
 *
 * @since 0.2.0
 * @category metrics
 */
export const catalogue: ReadonlyArray<Described<"cluster">> = [shards, messages].flatMap((group) =>
  Object.values<Described<"cluster">>(group)
)
