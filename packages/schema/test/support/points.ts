/**
 * Every point at which a run can be broken off, several side by side.
 */
import { Effect } from "effect"

/** Runs at once: a run that was broken off waits more than it computes. */
const together = 6

/**
 * Breaks off at the 1st point, the 2nd, and so on, until a run has no such point; gives how many there were. As many as an
 * undisturbed run has are tried side by side, by breakers of their own, and one after the other what may come behind them.
 */
export const atEveryPoint = <E, R, E2, R2>(
  breaker: Effect.Effect<(n: number) => Effect.Effect<boolean, E, R>, E2, R2>,
  undisturbed: number
): Effect.Effect<number, E | E2, R | R2> =>
  Effect.gen(function* () {
    const points = Array.from({ length: undisturbed }, (_, index) => index + 1)
    const next = points.values()
    let end = Infinity
    const work = Effect.gen(function* () {
      const breakAt = yield* breaker
      for (const n of next) if (n < end && !(yield* breakAt(n))) end = Math.min(end, n)
    })
    yield* Effect.replicateEffect(work, together, { concurrency: "unbounded", discard: true })
    const breakAt = yield* breaker
    for (let n = undisturbed + 1; end === Infinity; n++) if (!(yield* breakAt(n))) end = n
    return end - 1
  })
