/**
 * What has come from a client and is not yet read: whoever waits for it hears of it within the event that brings it.
 */
import * as Effect from "effect/Effect"

/** Messages in their order, for one reader. */
export interface Inbox<A> {
  readonly offer: (message: A) => void
  /** The next message, once it is there. */
  readonly take: Effect.Effect<A>
  readonly size: () => number
}

/** Makes an inbox; `onTake` is called before each message that is taken. */
export const make = <A>(onTake: () => void = () => {}): Inbox<A> => {
  const messages: Array<A> = []
  let reader: ((message: Effect.Effect<A>) => void) | undefined
  return {
    offer: (message) => {
      const waiting = reader
      reader = undefined
      if (waiting === undefined) messages.push(message)
      else waiting(Effect.succeed(message))
    },
    // Nobody else takes where the reader has been interrupted: its connection is over.
    take: Effect.callback((resume) => {
      onTake()
      const message = messages.shift()
      if (message === undefined) reader = resume
      else resume(Effect.succeed(message))
    }),
    size: () => messages.length
  }
}
