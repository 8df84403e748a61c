/**
 * What a transaction reports while it runs: its metrics, and a log line for each retry.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { SerializationConflict } from "../../DsqlError.ts"
import * as Metrics from "../../Metrics.ts"
import * as Monotonic from "../time/monotonic.ts"
import { labelled, update } from "../metrics/labelled.ts"
import * as rareLog from "../metrics/rareLog.ts"

/** An attempt lost a conflict. */
export const conflict = (operation: string, code: SerializationConflict["code"]): Effect.Effect<void> =>
  update(Metrics.transaction.conflicts, { operation, code }, 1)

/** Another attempt is about to begin, after a delay. */
export const retry = (
  operation: string,
  attempt: number,
  delay: Duration.Duration,
  last: SerializationConflict
): Effect.Effect<void> => {
  const delayMillis = Duration.toMillis(delay)
  // Few enough series to chart: what matters of a late attempt is that it is late.
  const label = attempt < 10 ? String(attempt) : "10+"
  return Effect.all(
    [
      update(Metrics.transaction.retries, { operation, attempt: label }, 1),
      update(Metrics.transaction.backoff, { operation }, delayMillis),
      rareLog.log(
        "Debug",
        "transaction conflicted, retrying",
        { operation, attempt, delayMillis, code: last.code },
        `retry ${operation}`
      )
    ],
    { discard: true }
  )
}

/** The policy ended. */
export const exhausted = (operation: string): Effect.Effect<void> =>
  update(Metrics.transaction.exhausted, { operation }, 1)

/** The retry quota was used up. */
export const unpaid = (operation: string): Effect.Effect<void> => update(Metrics.transaction.unpaid, { operation }, 1)

/** Every transaction reports its latency, so the labelled metric is made once for each operation. */
const latencies = new Map<string, Metric.Metric<number, unknown>>()

const latencyOf = (operation: string): Metric.Metric<number, unknown> => {
  const known = latencies.get(operation)
  if (known !== undefined) return known
  const series = labelled(Metrics.transaction.latency, { operation })
  latencies.set(operation, series)
  return series
}

/** The transaction that began at `start`, in monotonic milliseconds, is over, for good or ill. */
export const end = <A, E>(
  operation: string,
  start: number,
  exit: Exit.Exit<A, E>,
  fiber: Fiber.Fiber<unknown, unknown>
): Effect.Effect<void> => {
  latencyOf(operation).updateUnsafe(Monotonic.millisOf(fiber.getRef(Clock.Clock)) - start, fiber.context)
  return Exit.isSuccess(exit) ? Effect.void : failed(operation, errorClass(exit.cause))
}

const failed = (operation: string, error_class: string): Effect.Effect<void> =>
  Effect.andThen(
    update(Metrics.transaction.errorClasses, { operation, error_class }, 1),
    ended.get(error_class)?.(operation) ?? Effect.void
  )

/** The ends that have a metric of their own. */
const ended: ReadonlyMap<string, (operation: string) => Effect.Effect<void>> = new Map([
  ["ConflictRetriesExhausted", exhausted],
  ["RetryQuotaExhausted", unpaid]
])

const errorClass = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.findErrorOption(cause)
  if (Option.isNone(error)) return Cause.hasInterruptsOnly(cause) ? "Interrupted" : "Defect"
  return Predicate.hasProperty(error.value, "_tag") && typeof error.value._tag === "string" ? error.value._tag : "Other"
}
