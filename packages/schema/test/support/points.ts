/**
 * Every point at which a run can be broken off, several side by side.
 */
import { Effect } from "effect"

/** Runs at once: a run that was broken off waits more than it computes. */
const together = 6

/** Breaks off at the 1st point, the 2nd, and so on, until a run has no such point; gives how many there were. */
export const atEveryPoint = <E, R>(breakAt: (n: number) => Effect.Effect<boolean, E, R>): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    let points = 0
    for (let isOver = false; !isOver;) {
      const batch = Array.from({ length: together }, (_, i) => points + 1 + i)
      const reached = yield* Effect.forEach(batch, breakAt, { concurrency: together })
      isOver = reached.includes(false)
      points += isOver ? reached.indexOf(false) : together
    }
    return points
  })
