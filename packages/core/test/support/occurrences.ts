/**
 * Waiting for what happens, instead of looking whether it has.
 */
import { Array as Arr, Clock, Deferred, Effect, Layer, Logger, type Metric, References } from "effect"

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

type Registered = Metric.MetricRegistry extends Map<string, infer Series> ? Series : never

/** A registry of metrics that says when a series of a metric is there: for a counter, when it has moved. */
export class Series extends Map<string, Registered> {
  private readonly seen = new Map<string, Occurrences>()

  override set(key: string, series: Registered): this {
    super.set(key, series)
    this.of(series.id).add()
    return this
  }

  /** Waits for the first series of a metric. */
  readonly until = (id: string): Effect.Effect<void> => this.of(id).until(1)

  private of(id: string): Occurrences {
    const known = this.seen.get(id) ?? new Occurrences()
    this.seen.set(id, known)
    return known
  }
}

/**
 * Takes all log lines of a program, and counts those with one message. The program has a clock of its own, because by a
 * clock that others had too a line may be one too many.
 */
export const logged = (message: string, lines: Occurrences) =>
  Layer.mergeAll(
    Layer.sync(Clock.Clock, () => Object.create(Clock.Clock.defaultValue())),
    Logger.layer([
      Logger.make((line) => {
        if (Arr.ensure(line.message)[0] === message) lines.add()
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, "Debug")
  )
