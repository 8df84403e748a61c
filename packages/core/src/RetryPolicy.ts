/**
 * When a transaction that lost a conflict is tried again.
 *
 * A policy is a `Schedule` whose input is `SerializationConflict`, so the
 * compiler refuses to retry a program that can fail with anything else:
 * retrying a failed fence would only fail again, and retrying an unknown
 * COMMIT could write twice.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { SerializationConflict } from "./DsqlError.ts"
import * as check from "./internal/options/check.ts"

/**
 * A schedule that takes conflicts and gives the delay before the next attempt.
 *
 * @since 0.1.0
 * @category models
 */
export type RetryPolicy = Schedule.Schedule<Duration.Duration, SerializationConflict>

/**
 * How delays grow and when to give up.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The delay that the first retry is drawn from. Default: 20 milliseconds. */
  readonly base?: Duration.Input | undefined
  /** How much longer each delay is than the one before. Default: 2. */
  readonly factor?: number | undefined
  /** No delay is longer than this, jitter included. Default: 2 seconds. */
  readonly cap?: Duration.Input | undefined
  /**
   * `full` draws uniformly from nothing to the whole delay, `bounded` from 80 to 120 percent of it.
   * Default: `full`, which needs fewer attempts when many contend (`effect-dsql simulate`).
   */
  readonly jitter?: "full" | "bounded" | "none" | undefined
  /** How often the transaction is tried in all, the first time included. Default: 20. */
  readonly attempts?: number | undefined
  /** No retry begins later than this after the first conflict. Default: 30 seconds. */
  readonly elapsed?: Duration.Input | undefined
}

/**
 * Makes a policy: exponential, jittered, capped, limited in attempts and time.
 *
 * The first OC001 is retried at once: the session has just refreshed its
 * catalogue, and waiting would not make it fresher.
 *
 * @example
 * ```ts
 * import { RetryPolicy } from "@effect-dsql/core"
 *
 * const patient = RetryPolicy.make({ base: "50 millis", cap: "5 seconds", attempts: 20 })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): RetryPolicy => {
  const base = check.wait("base", options.base ?? "20 millis")
  const factor = check.positive("factor", options.factor ?? 2)
  const cap = Duration.millis(check.wait("cap", options.cap ?? "2 seconds"))
  const attempts = check.whole("attempts", options.attempts ?? 20, 1)
  const elapsed = check.wait("elapsed", options.elapsed ?? "30 seconds")
  return Schedule.exponential(base, factor).pipe(
    // Capped before and after jitter: before, so that a long ladder stays in range; after, so that no delay exceeds it.
    Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, cap))),
    jitter(options.jitter ?? "full"),
    Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, cap))),
    Schedule.setInputType<SerializationConflict>(),
    catalogueFirst,
    Schedule.upTo({ times: attempts - 1, duration: elapsed })
  )
}

const jitter =
  (kind: NonNullable<Options["jitter"]>) =>
  <Output, Input>(self: Schedule.Schedule<Output, Input>): Schedule.Schedule<Output, Input> => {
    switch (kind) {
      case "none":
        return self
      case "bounded":
        return Schedule.jittered(self)
      case "full":
        return Schedule.modifyDelay(self, ({ duration }) =>
          Effect.map(Random.next, (random) => Duration.millis(Duration.toMillis(duration) * random))
        )
    }
  }

/** Takes the delay away from the first OC001, and gives each delay out as the schedule's output. */
const catalogueFirst = <Output>(self: Schedule.Schedule<Output, SerializationConflict>): RetryPolicy =>
  Schedule.fromStep(
    Effect.map(Schedule.toStep(self), (step) => {
      let seen = false
      return (now: number, conflict: SerializationConflict) =>
        Effect.map(step(now, conflict), ([, delay]): [Duration.Duration, Duration.Duration] => {
          const immediate = conflict.code === "OC001" && !seen
          seen ||= conflict.code === "OC001"
          const chosen = immediate ? Duration.zero : delay
          return [chosen, chosen]
        })
    })
  )

/**
 * What `Transaction.run` uses when it is given no policy: `make()`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const standard: RetryPolicy = make()

/**
 * Never retries: the first conflict ends the transaction.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: RetryPolicy = make({ attempts: 1 })
