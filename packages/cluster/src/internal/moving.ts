/**
 * Moves the metrics of one cluster.
 */
import type { Described } from "@effect-dsql/core/Metrics"
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

export const move = ({ metric }: Described<"cluster">, cluster: string, value: number): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(metric, { cluster }), value)
