/**
 * What the metrics of a process say of the runner of an Effect Cluster in it.
 */
import { messages, shards } from "@effect-dsql/cluster/ClusterMetrics"
import { above, type Answer, count, failed, list, ok, percent, skipped, time } from "./answer.ts"
import type { Series } from "./series.ts"

/** Milliseconds that a message may have been due, and that the inbox may not have been read for. */
const late = 60_000
/** The share of a lease that is left when it is renewed in time. */
const enough = 0.3

const status = "effect-dsql cluster status shows who holds which shard"

/** `now` is milliseconds since 1970, by this machine. */
export const runner = (series: Series, now: number): Answer => {
  const held = series.by(shards.held.metric.id, "cluster")
  if (held.size === 0) return skipped("it runs none")
  const of = (name: string) => (cluster: string) => series.by(name, "cluster").get(cluster) ?? 0
  const [oldest, polled, lease, leaseLeft, lost] = [
    of(messages.oldest.metric.id),
    of(messages.polled.metric.id),
    of(shards.lease.metric.id),
    of(shards.leaseLeft.metric.id),
    of(shards.lost.metric.id)
  ]
  const sinceLook = (cluster: string) => (polled(cluster) === 0 ? 0 : now - polled(cluster) * 1_000)
  const left = (cluster: string) => (lease(cluster) === 0 ? 1 : leaseLeft(cluster) / lease(cluster))
  const found = list(
    held,
    (cluster, shards) =>
      `${cluster} holds ${count(shards)} shards, the oldest message was due for ${time(oldest(cluster))}, ${percent(left(cluster))} of a lease left`
  )
  // Without a shard there is nothing to read and to renew: what was measured before is of then.
  const some = (is: (cluster: string) => boolean) => [...above(held).keys()].some(is)
  if (some((cluster) => sinceLook(cluster) > late)) {
    return failed(`${found}; the inbox was not read for more than ${time(late)}`, `messages wait: ${status}`)
  }
  if (some((cluster) => oldest(cluster) > late)) {
    return failed(found, `start more runners, or look for an entity that many messages wait for: ${status}`)
  }
  if (some((cluster) => left(cluster) < enough) || above(series.by(shards.lost.metric.id, "cluster")).size > 0) {
    return failed(
      `${found}; ${list(new Map([...held.keys()].map((cluster) => [cluster, lost(cluster)])))} shards lost`,
      "renewals come late: look at the process's CPU and memory, or lengthen shardLockExpiration"
    )
  }
  return ok(found)
}
