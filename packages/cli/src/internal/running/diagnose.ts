/**
 * What the metrics of a running process say, one check after the other. Counters are since it began.
 */
import type { Sample } from "./exposition.ts"
import type { Check } from "./answer.ts"
import * as Connections from "./connections.ts"
import { runner } from "./runner.ts"
import { Series } from "./series.ts"
import * as Transactions from "./transactions.ts"

/** `now` is milliseconds since 1970, by this machine. */
export const diagnose = (samples: ReadonlyArray<Sample>, now: number): ReadonlyArray<Check> => {
  const series = new Series(samples)
  return [
    { check: "attempts", ...Transactions.attempts(series) },
    { check: "conflicts", ...Transactions.conflicts(series) },
    { check: "keys", ...Transactions.keys(series) },
    { check: "retries", ...Transactions.retries(series) },
    { check: "quota", ...Transactions.quota(series) },
    { check: "outcomes", ...Transactions.outcomes(series) },
    { check: "pool", ...Connections.pool(series) },
    { check: "connecting", ...Connections.connecting(series) },
    { check: "tokens", ...Connections.tokens(series) },
    { check: "budget", ...Connections.budget(series) },
    { check: "cluster", ...runner(series, now) }
  ]
}
