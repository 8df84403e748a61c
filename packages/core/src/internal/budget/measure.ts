/**
 * What a connection budget reports: its gauges, read when they are asked for, and its counters.
 */
import * as Effect from "effect/Effect"
import { budget } from "../../Metrics.ts"
import * as gauges from "../metrics/gauges.ts"
import { update } from "../metrics/labelled.ts"

/** Shows a budget's gauges until the scope closes. */
export const register = (values: () => { readonly limit: number; readonly leased: number; readonly used: number }) =>
  gauges.register(
    [
      [budget.limit.metric, "limit"],
      [budget.leased.metric, "leased"],
      [budget.used.metric, "used"]
    ],
    values
  )

/** There was no room. */
export const refused: Effect.Effect<void> = update(budget.refusals, {}, 1)

/** A heartbeat did not reach the database. */
export const renewFailed: Effect.Effect<void> = update(budget.renewFailures, {}, 1)

/** Leases ran out before they were renewed. */
export const lost = (count: number): Effect.Effect<void> => (count === 0 ? Effect.void : update(budget.lost, {}, count))
