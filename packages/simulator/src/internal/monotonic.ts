/**
 * Milliseconds of the clock that a run goes by.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export const millis: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
