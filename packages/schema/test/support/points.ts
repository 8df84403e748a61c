/**
 * Every point at which a run can be broken off, several side by side.
 */
import { Effect } from "effect"

/** Runs at once: a run that was broken off waits more than it computes. */
const together = 6

/**
 * Breaks off at the 1st point, the 2nd, and so on, until a run has no such point; gives how many there were. Each of the
 * runs that go on side by side has a breaker of its own.
 */
export const atEveryPoint = <E, R, E2, R2>(
  breaker: Effect.Effect<(n: number) => Effect.Effect<boolean, E, R>, E2, R2>
): Effect.Effect<number, E | E2, R | R2> =>
  Effect.gen(function* () {
    let next = 1
    let end = Infinity
    const work = Effect.gen(function* () {
      const breakAt = yield* breaker
      for (let n = next++; n < end; n = next++) if (!(yield* breakAt(n))) end = Math.min(end, n)
    })
    yield* Effect.replicateEffect(work, together, { concurrency: "unbounded", discard: true })
    return end - 1
  })
