/**
 * Group commit: what is asked for while a statement is under way goes together in the next one.
 *
 * Who comes first sends for all who wait behind; nobody works in the background, so nothing is left over when a layer
 * is closed.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"

/** How much one statement takes. */
export interface Room<in A> {
  readonly count: number
  readonly bytes: number
  /** What a request adds to the bytes; the first one always has room. */
  readonly weight: (request: A) => number
}

/** How many of a list, from its beginning, one statement takes; at least one. */
export const fitting = <A>(list: ReadonlyArray<A>, { bytes, count, weight }: Room<A>): number => {
  let sum = 0
  for (const [index, request] of list.entries()) {
    sum += weight(request)
    if (index === count || (index > 0 && sum > bytes)) return index
  }
  return list.length
}

interface Waiting<A, B, E> {
  readonly request: A
  exit: Exit.Exit<B, E> | undefined
}

/** Sends requests in groups. `send` gives what each of them is answered, by its place, or fails for all. */
export const make = <A, B, E>(
  room: Room<A>,
  send: (group: ReadonlyArray<A>) => Effect.Effect<(place: number) => B, E>
): ((request: A) => Effect.Effect<B, E>) => {
  const turn = Semaphore.makeUnsafe(1)
  const waiting: Array<Waiting<A, B, E>> = []
  const sendNext = Effect.suspend(() => {
    const count = fitting(
      waiting.map(({ request }) => request),
      room
    )
    const group = waiting.splice(0, count)
    return Effect.map(Effect.exit(send(group.map(({ request }) => request))), (exit) => {
      for (const [place, each] of group.entries()) each.exit = Exit.map(exit, (answer) => answer(place))
    })
  })
  return (request) =>
    Effect.suspend(() => {
      const own: Waiting<A, B, E> = { request, exit: undefined }
      waiting.push(own)
      // Turns come in the order in which they are asked for: who has one was sent already, or is the first who waits.
      const sent = Effect.uninterruptible(Effect.suspend(() => (own.exit === undefined ? sendNext : Effect.void)))
      return turn
        .withPermits(1)(sent)
        .pipe(
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              const place = waiting.indexOf(own)
              if (place !== -1) waiting.splice(place, 1)
            })
          ),
          Effect.flatMap(() => own.exit ?? Effect.die(new Error("a turn ended without an answer")))
        )
    })
}
