/**
 * Milliseconds that only go forward, for what is measured or waited for: the wall clock may be set.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The reading of a clock. It has no meaning of its own, only its distance to another one of the same clock. */
export const millisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** The reading of the clock that the program runs by. */
export const millis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => millisOf(clock)))
