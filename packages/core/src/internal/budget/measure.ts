/**
 * What a connection budget reports: its gauges, read when they are asked for, and its counters.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as BudgetMetrics from "../../BudgetMetrics.ts"
import * as gauges from "../metrics/gauges.ts"

/** Shows a budget's gauges until the scope closes. */
export const register = (values: () => { readonly limit: number; readonly leased: number; readonly used: number }) =>
  gauges.register(
    [
      [BudgetMetrics.limit, "limit"],
      [BudgetMetrics.leased, "leased"],
      [BudgetMetrics.used, "used"]
    ],
    values
  )

/** There was no room. */
export const refused: Effect.Effect<void> = Metric.update(BudgetMetrics.refusals, 1)

/** A heartbeat did not reach the database. */
export const renewFailed: Effect.Effect<void> = Metric.update(BudgetMetrics.renewFailures, 1)

/** Leases ran out before they were renewed. */
export const lost = (count: number): Effect.Effect<void> =>
  count === 0 ? Effect.void : Metric.update(BudgetMetrics.lost, count)
