/**
 * Waiting for what happens, instead of looking whether it has.
 */
import { Array as Arr, Deferred, Effect, Layer, Logger, References } from "effect"

/** Counts what happens; `until` waits for so many. */
export class Occurrences {
  count = 0
  private readonly goals = new Set<{ readonly at: number; readonly reached: Deferred.Deferred<void> }>()

  readonly add = (): void => {
    this.count += 1
    for (const goal of this.goals) {
      if (this.count < goal.at) continue
      this.goals.delete(goal)
      Deferred.doneUnsafe(goal.reached, Effect.void)
    }
  }

  readonly until = (at: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.count >= at) return Effect.void
      const reached = Deferred.makeUnsafe<void>()
      this.goals.add({ at, reached })
      return Deferred.await(reached)
    })
}

/** Takes all log lines of a program, and counts those with one message. */
export const logged = (message: string, lines: Occurrences) =>
  Layer.merge(
    Logger.layer([
      Logger.make((line) => {
        if (Arr.ensure(line.message)[0] === message) lines.add()
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, "Debug")
  )
