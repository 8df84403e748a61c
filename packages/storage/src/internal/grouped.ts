/**
 * Group commit: what is asked for while statements are under way goes together in the next one.
 *
 * Who comes first sends for all who wait behind; nobody works in the background, so nothing is left over when a layer
 * is closed.
 *
 * `GroupCommit` of the core is for a row of the caller's own, and would cost here what it is for: its groups are
 * transactions, where each of these is one statement and one round trip, which is done again when its answer was lost;
 * they are cut by a count alone, where these have bytes to fit into a statement; and of those for one key there is one
 * at a time, where a queue has two under way.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
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

/** A list in parts, each for one statement. */
export const parts = <A>(list: ReadonlyArray<A>, room: Room<A>): ReadonlyArray<ReadonlyArray<A>> => {
  const found: Array<ReadonlyArray<A>> = []
  for (let rest = list; rest.length > 0; rest = rest.slice(found.at(-1)?.length)) {
    found.push(rest.slice(0, fitting(rest, room)))
  }
  return found
}

/**
 * Sends a list, and where it is refused for what is in it the halves of it, down to what is refused by itself: one that
 * the database does not take, or too many, keep the others from nothing. Gives what became of each, by its place.
 */
export const apart = <A, E, R>(
  list: ReadonlyArray<A>,
  send: (part: ReadonlyArray<A>) => Effect.Effect<void, E, R>,
  isRefusal: (error: E) => boolean
): Effect.Effect<ReadonlyArray<Exit.Exit<void, E>>, never, R> =>
  Effect.flatMap(Effect.exit(send(list)), (exit) => {
    const error = Exit.findErrorOption(exit)
    if (list.length < 2 || Option.isNone(error) || !isRefusal(error.value)) return Effect.succeed(list.map(() => exit))
    const half = list.length >> 1
    return Effect.map(
      Effect.forEach([list.slice(0, half), list.slice(half)], (part) => apart(part, send, isRefusal)),
      (exits) => exits.flat()
    )
  })

interface Waiting<A, B, E> {
  readonly request: A
  readonly answer: Deferred.Deferred<B, E>
}

/**
 * Sends requests in groups, so many `atOnce`, outside of whatever transaction one of them is made in. `send` gives what
 * each of them is answered, by its place, or fails for all.
 */
export const make = <A, B, E, R>(
  context: Context.Context<R>,
  { atOnce, room }: { readonly atOnce: number; readonly room: Room<A> },
  send: (group: ReadonlyArray<A>) => Effect.Effect<(place: number) => B, E, R>
): ((request: A) => Effect.Effect<B, E>) => {
  const turns = Semaphore.makeUnsafe(atOnce)
  const waiting: Array<Waiting<A, B, E>> = []
  const sendNext = Effect.suspend(() => {
    const requests = waiting.map(({ request }) => request)
    const group = waiting.splice(0, fitting(requests, room))
    const sent: Effect.Effect<(place: number) => B, E> = Effect.updateContext(
      send(requests.slice(0, group.length)),
      () => context
    )
    return Effect.map(Effect.exit(sent), (exit) => {
      for (const [place, { answer }] of group.entries()) {
        Deferred.doneUnsafe(
          answer,
          Exit.map(exit, (answerOf) => answerOf(place))
        )
      }
    })
  })
  return (request) =>
    Effect.suspend(() => {
      const own = { request, answer: Deferred.makeUnsafe<B, E>() }
      waiting.push(own)
      // Turns come in the order in which they are asked for, so who has one was sent already or is the first who waits.
      const sent = Effect.uninterruptible(Effect.suspend(() => (waiting.includes(own) ? sendNext : Effect.void)))
      return turns
        .withPermits(1)(sent)
        .pipe(
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              const place = waiting.indexOf(own)
              if (place !== -1) waiting.splice(place, 1)
            })
          ),
          Effect.andThen(Deferred.await(own.answer))
        )
    })
}
