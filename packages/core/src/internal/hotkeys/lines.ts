/**
 * A line for each key that somebody has: who comes is served in turn, one at a time. A line is there while somebody has
 * its key, and its place goes from hand to hand, so that nobody overtakes those who wait.
 *
 * Who has a key is told so in the moment in which he is given it, before his fiber runs again: an interruption in between
 * finds him holding it, and gives it back.
 */
import * as Effect from "effect/Effect"

/** Somebody who wants keys, and is told when he has one. */
export interface Holder {
  readonly given: (name: string) => void
}

/** The lines of a client. */
export interface Lines {
  /** Takes a key that nobody has. */
  readonly takeNow: (name: string, holder: Holder) => boolean
  /** Waits for a key, unless as many wait as may. Who is interrupted leaves the line. */
  readonly take: <E>(name: string, holder: Holder, onFull: (waiting: number) => E) => Effect.Effect<void, E>
  /** Gives a key to who waits first. */
  readonly release: (name: string) => void
  /** How many wait, of all lines. */
  readonly waiting: () => number
}

interface Waiter {
  readonly holder: Holder
  readonly resume: () => void
}

/** Makes lines in which at most so many wait, all of them together. */
export const make = (most: number): Lines => {
  // Sets keep the order in which they were filled, and let go of anyone in it.
  const lines = new Map<string, Set<Waiter>>()
  let waiting = 0
  const takeNow: Lines["takeNow"] = (name, holder) => {
    if (lines.has(name)) return false
    lines.set(name, new Set())
    holder.given(name)
    return true
  }
  return {
    takeNow,
    take: (name, holder, onFull) =>
      Effect.callback((resume) => {
        if (takeNow(name, holder)) return resume(Effect.void)
        if (waiting >= most) return resume(Effect.fail(onFull(waiting)))
        const line = lines.get(name)
        const waiter = { holder, resume: () => resume(Effect.void) }
        line?.add(waiter)
        waiting += 1
        return Effect.sync(() => {
          if (line?.delete(waiter) === true) waiting -= 1
        })
      }),
    release: (name) => {
      const line = lines.get(name)
      const next = line?.values().next().value
      if (line === undefined || next === undefined) {
        lines.delete(name)
        return
      }
      line.delete(next)
      waiting -= 1
      next.holder.given(name)
      next.resume()
    },
    waiting: () => waiting
  }
}
