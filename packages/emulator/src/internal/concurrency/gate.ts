/**
 * Who uses a session's backend: its client's messages, one after the other, or whoever parks it in between.
 */
import * as Effect from "effect/Effect"

/** Lets one in at a time. */
export interface Gate {
  /** Waits until nobody else is in. */
  readonly enter: Effect.Effect<void>
  /** Enters unless somebody else is in; says whether it did. */
  readonly tryEnter: () => boolean
  readonly leave: () => void
}

/** Makes a gate. Whoever enters and is interrupted does not leave: what it was about may still be under way. */
export const make = (): Gate => {
  let isTaken = false
  const waiting: Array<() => void> = []
  const tryEnter = () => {
    if (isTaken) return false
    isTaken = true
    return true
  }
  return {
    enter: Effect.suspend(() =>
      tryEnter() ? Effect.void : Effect.callback((resume) => void waiting.push(() => resume(Effect.void)))
    ),
    tryEnter,
    leave: () => {
      const next = waiting.shift()
      if (next === undefined) isTaken = false
      else next()
    }
  }
}
