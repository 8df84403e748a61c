/**
 * What groups report, by the name of what is asked for.
 */
import * as Effect from "effect/Effect"
import type * as Metric from "effect/Metric"
import * as Metrics from "../../Metrics.ts"
import { labelled } from "../metrics/labelled.ts"

type Series = Metric.Metric<number, unknown>

/** Every group is measured twice, so its series are made once for each operation. */
const known = new Map<string, Readonly<Record<"size" | "wait", Series>>>()

const seriesOf = (operation: string) => {
  const found = known.get(operation)
  if (found !== undefined) return found
  const series = {
    size: labelled(Metrics.group.size, { operation }),
    wait: labelled(Metrics.group.wait, { operation })
  }
  known.set(operation, series)
  return series
}

/** A group has begun, each of whose requests had waited for so many milliseconds. */
export const began = (operation: string, waits: ReadonlyArray<number>): Effect.Effect<void> =>
  Effect.withFiber(({ context }) => {
    const { size, wait } = seriesOf(operation)
    size.updateUnsafe(waits.length, context)
    for (const millis of waits) wait.updateUnsafe(millis, context)
    return Effect.void
  })
