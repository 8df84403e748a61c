/**
 * The clock that durations are measured on: it never steps, whatever becomes of the time of day. Its readings mean
 * something beside each other only.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of a clock now. */
export const nowUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000

/** Milliseconds of the fiber's clock now. */
export const now: Effect.Effect<number> = Effect.map(Clock.Clock, nowUnsafe)
