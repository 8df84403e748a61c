/**
 * Runs a program in virtual time: its fibers go on in turn, and when none of them can, it is the time at which the next
 * one wakes. Nothing of it waits for the machine, so an hour takes as long as what happens in it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scheduler from "effect/Scheduler"

interface Sleeper {
  readonly at: number
  /** Who fell asleep first wakes first. */
  readonly place: number
  readonly wake: () => void
  isGone: boolean
}

/** Tasks after which other programs of the machine's thread have their turn, a signal's handler among them. */
const breath = 50_000

/** Runs an effect to its end. One in which nobody can go on, and nobody sleeps, is a defect. */
export const run = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.context<R>().pipe(
    Effect.flatMap((context) => {
      const tasks = new Tasks()
      const sleepers = new Sleepers()
      let now = 0
      const nanos = () => BigInt(Math.round(now * 1e6))
      const clock: Clock.Clock = {
        currentTimeMillisUnsafe: () => now,
        currentTimeMillis: Effect.sync(() => now),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: nanos,
        monotonicTimeNanos: Effect.sync(nanos),
        sleep: (duration) =>
          Effect.callback((resume) => {
            const sleeper = sleepers.add(now + Duration.toMillis(duration), () => resume(Effect.void))
            return Effect.sync(() => {
              sleeper.isGone = true
            })
          })
      }
      const fiber = Effect.runForkWith(context)(Effect.provideService(effect, Clock.Clock, clock), {
        scheduler: tasks.scheduler
      })
      const goOn = (): Effect.Effect<A, E> => {
        for (let count = 0; count < breath; count++) {
          if (tasks.runOne()) continue
          const exit = fiber.pollUnsafe()
          if (exit !== undefined) return exit
          const next = sleepers.next()
          if (next === undefined) return Effect.die(new Error("nobody goes on, and nobody sleeps"))
          now = Math.max(now, next.at)
          next.wake()
        }
        return Effect.andThen(Effect.yieldNow, Effect.suspend(goOn))
      }
      return Effect.suspend(goOn)
    })
  )

/** What fibers have to do, in the order in which they came to it. */
class Tasks {
  #tasks: Array<() => void> = []
  #next = 0

  readonly scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: () => false,
    makeDispatcher: () => ({
      scheduleTask: (task) => {
        this.#tasks.push(task)
      },
      flush: () => {
        while (this.runOne());
      }
    })
  }

  /** Runs the next one, if there is one. */
  runOne(): boolean {
    const task = this.#tasks[this.#next++]
    if (task === undefined) {
      this.#tasks = []
      this.#next = 0
      return false
    }
    task()
    return true
  }
}

/** Those who sleep, as a heap: who wakes next is at its root. */
class Sleepers {
  readonly #heap: Array<Sleeper> = []
  #count = 0

  add(at: number, wake: () => void): Sleeper {
    const sleeper = { at, place: this.#count++, wake, isGone: false }
    let index = this.#heap.push(sleeper) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#isBefore(index, parent)) break
      this.#swap(index, parent)
      index = parent
    }
    return sleeper
  }

  next(): Sleeper | undefined {
    for (;;) {
      const root = this.#take()
      if (root === undefined || !root.isGone) return root
    }
  }

  #take(): Sleeper | undefined {
    const root = this.#heap[0]
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return root
    this.#heap[0] = last
    let index = 0
    for (;;) {
      const [left, right] = [2 * index + 1, 2 * index + 2]
      let least = index
      if (left < this.#heap.length && this.#isBefore(left, least)) least = left
      if (right < this.#heap.length && this.#isBefore(right, least)) least = right
      if (least === index) return root
      this.#swap(index, least)
      index = least
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]]
    if (one === undefined || other === undefined) return false
    return one.at < other.at || (one.at === other.at && one.place < other.place)
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]]
    if (one === undefined || other === undefined) return
    this.#heap[a] = other
    this.#heap[b] = one
  }
}
