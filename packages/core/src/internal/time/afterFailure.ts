/**
 * Nearly everything succeeds at once, and should not pay for a schedule that it never steps. So the schedule starts
 * with a failure that has happened already.
 */
import * as Effect from "effect/Effect"

/** Fails with `first` when it is run for the first time, and from then on runs `effect`: what `Effect.retry` is given. */
export const afterFailure = <A, E, R>(first: E, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  let over = false
  return Effect.suspend(() => {
    if (over) return effect
    over = true
    return Effect.fail(first)
  })
}
