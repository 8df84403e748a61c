/**
 * A metric's series: all of its labels have to be given, and no others.
 */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Described } from "../../Metrics.ts"

type Labels<Label extends string> = Readonly<Record<Label, string>>

/** The series of a metric with these labels, to be kept where it is moved often. */
export const labelled = <Label extends string, State>(
  { again }: Described<Label, State>,
  labels: Labels<Label>
): Metric.Metric<number, State> => Metric.withAttributes(again(), labels)

/** Moves a series. */
export const update = <Label extends string>(
  { metric }: Described<Label>,
  labels: Labels<Label>,
  value: number
): Effect.Effect<void> => Metric.update(Metric.withAttributes(metric, labels), value)
