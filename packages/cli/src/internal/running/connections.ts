/**
 * What the metrics of a process say of its connections: the pools, what became of those who connect, tokens, the budget.
 */
import { budget as budgets, pool as pools, token } from "@effect-dsql/core/Metrics"
import { above, type Answer, count, failed, list, ok, percent, skipped, time } from "./answer.ts"
import type { Series } from "./series.ts"
import { longWait } from "./transactions.ts"

/** The share of a budget from which on it is nearly used. */
const nearly = 0.9

export const pool = (series: Series): Answer => {
  const most = series.by(pools.maxOpen.metric.id, "pool")
  if (most.size === 0) return skipped("there is no pool")
  const inUse = series.by(pools.inUse.metric.id, "pool")
  const waiting = series.by(pools.waiting.metric.id, "pool")
  const waits = series.means(pools.waitDuration.metric.id, "pool")
  const said = (name: string) => {
    const { count: times = 0, mean = 0 } = waits.get(name) ?? {}
    const waited = times === 0 ? "" : `, ${count(times)} waited ${time(mean)}`
    return `${name} ${inUse.get(name) ?? 0} of ${most.get(name)} in use, ${waiting.get(name) ?? 0} wait now${waited}`
  }
  const isTight = ([name, max]: readonly [string, number]) =>
    ((waiting.get(name) ?? 0) > 0 && (inUse.get(name) ?? 0) >= max) || (waits.get(name)?.mean ?? 0) > longWait
  const found = list(most, said)
  return [...most].some(isTight)
    ? failed(
        found,
        "raise maxConnections, or look for transactions that hold a connection while they wait for something else"
      )
    : ok(found)
}

const throttled = new Set(["ConnectionThrottled", "TooManyConnections"])

export const connecting = (series: Series): Answer => {
  const failures = above(series.by(pools.connectFailures.metric.id, "error_class"))
  const refused = above(series.by(pools.refusals.metric.id, "error_class"))
  const opened = series.sum(`${pools.connectLatency.metric.id}_count`)
  const lost = series.by(pools.closed.metric.id, "reason").get("lost") ?? 0
  const all = new Map([...failures, ...refused].filter(([name]) => name !== "ConnectionUnavailable.closing"))
  const opening = `${count(opened)} opened, ${count(lost)} lost`
  if (all.size === 0) return ok(opening)
  return failed(
    `${opening}; refused: ${list(all)}`,
    [...all.keys()].some((name) => throttled.has(name))
      ? "a cluster takes 100 new connections a second and 10,000 in all: lower connectRate, or share a budget"
      : "docs/errors.md says what to do about each"
  )
}

export const tokens = (series: Series): Answer => {
  const signed = series.sum(token.refreshes.metric.id)
  const failures = above(series.by(token.failures.metric.id, "step"))
  const refused = series.sum(token.refused.metric.id)
  if (failures.size > 0) {
    return failed(`could not be signed: ${list(failures)}`, "the step names the AWS credentials to look at")
  }
  if (refused > 0) {
    return failed(
      `${count(refused)} refused by the cluster`,
      "look at this host's clock, the role's IAM policy and the database role: effect-dsql doctor --endpoint asks"
    )
  }
  return signed === 0 ? skipped("none was needed") : ok(`${count(signed)} signed`)
}

export const budget = (series: Series): Answer => {
  const limit = series.sum(budgets.limit.metric.id)
  if (limit === 0) return skipped("there is none")
  const leased = series.sum(budgets.leased.metric.id)
  const found = `${count(leased)} of ${count(limit)} leased by this process`
  const refused = series.sum(budgets.refusals.metric.id)
  const unrenewed = series.sum(budgets.renewFailures.metric.id)
  const lost = series.sum(budgets.lost.metric.id)
  if (refused > 0 || leased / limit > nearly) {
    return failed(
      `${found}, ${percent(leased / limit)}; ${count(refused)} connections found no room`,
      "lower maxConnections of the processes, or raise the limit up to the service's 10,000"
    )
  }
  if (unrenewed > 0 || lost > 0) {
    return failed(
      `${found}; ${count(unrenewed)} heartbeats did not reach the database, ${count(lost)} leases ran out`,
      "look at the budget's own pool, and at what keeps the process from running"
    )
  }
  return ok(found)
}
