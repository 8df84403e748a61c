/**
 * So many per second in the long run, and a burst at once: no windows, so nothing is admitted twice at their border.
 */
import * as Effect from "effect/Effect"
import * as Monotonic from "./monotonic.ts"

export interface TokenBucket {
  /** Waits for its turn. Who is interrupted while waiting gives the turn back. */
  readonly take: Effect.Effect<void>
  /** Takes what is there now, in monotonic milliseconds, or says that there is nothing. */
  readonly takeNow: (now: number) => boolean
}

export const make = (options: { readonly perSecond: number; readonly burst: number }): TokenBucket => {
  const interval = 1000 / options.perSecond
  const tolerance = (options.burst - 1) * interval
  /** When the bucket has refilled, if nobody takes any more. */
  let fullAt = Number.NEGATIVE_INFINITY
  const delayAt = (now: number) => Math.max(fullAt, now) - tolerance - now
  const reserve = (now: number) => {
    const delay = delayAt(now)
    fullAt = Math.max(fullAt, now) + interval
    return delay
  }
  const giveBack = Effect.sync(() => {
    fullAt -= interval
  })
  return {
    take: Effect.flatMap(Monotonic.millis, (now) => {
      const delay = reserve(now)
      return delay <= 0 ? Effect.void : Effect.onInterrupt(Effect.sleep(delay), () => giveBack)
    }),
    takeNow: (now) => {
      if (delayAt(now) > 0) return false
      reserve(now)
      return true
    }
  }
}
