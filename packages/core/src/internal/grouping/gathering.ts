/**
 * Requests of one key gather while a group of it is under way, and go together when it is over: nobody waits for others
 * to come, so a request that is alone goes at once.
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Monotonic from "../time/monotonic.ts"

interface Waiting<A, B, E> {
  readonly request: A
  readonly answer: Deferred.Deferred<B, E>
  /** When it was asked for, in monotonic milliseconds. */
  readonly since: number
}

/** How requests are told apart, how many go together, and how many may wait. */
export interface Options<A, E> {
  readonly nameOf: (request: A) => string
  readonly most: number
  readonly waiting: number
  readonly onFull: (request: A, waiting: number) => E
  /** Told of a group that begins how many milliseconds each of it has waited. */
  readonly onBegin: (waits: ReadonlyArray<number>) => Effect.Effect<void>
}

/** Sends groups, each key's one after the other. `send` gives what each of a group is answered, by its place. */
export const make = <A, B, E, R>(
  scope: Scope.Scope,
  context: Context.Context<R>,
  { most, nameOf, onBegin, onFull, waiting }: Options<A, E>,
  send: (group: Arr.NonEmptyReadonlyArray<A>) => Effect.Effect<ReadonlyArray<Exit.Exit<B, E>>, never, R>
): Effect.Effect<(request: A) => Effect.Effect<B, E>> => {
  /** A key is here while somebody works for it, with those who wait. */
  const gathered = new Map<string, Array<Waiting<A, B, E>>>()
  let count = 0
  let isClosed = false
  const answer = (group: ReadonlyArray<Waiting<A, B, E>>, exits: ReadonlyArray<Exit.Exit<B, E>>): void => {
    for (const [place, { answer }] of group.entries()) {
      Deferred.doneUnsafe(answer, exits[place] ?? Exit.die(new Error(`a group gave no answer to its request ${place}`)))
    }
  }
  const work = (name: string): Effect.Effect<void> =>
    Effect.withFiber((fiber) => {
      const group = gathered.get(name)?.splice(0, most) ?? []
      const [first, ...rest] = group
      if (first === undefined) {
        gathered.delete(name)
        return Effect.void
      }
      count -= group.length
      const now = nowOf(fiber)
      const begun = onBegin(group.map(({ since }) => now - since))
      const sent: Effect.Effect<ReadonlyArray<Exit.Exit<B, E>>> = Effect.updateContext(
        send([first.request, ...rest.map(({ request }) => request)]),
        () => context
      )
      return Effect.andThen(
        Effect.onExit(Effect.andThen(begun, sent), (exit) =>
          Effect.sync(() =>
            answer(group, Exit.isSuccess(exit) ? exit.value : group.map(() => Exit.failCause(exit.cause)))
          )
        ),
        work(name)
      )
    })
  const request = (request: A): Effect.Effect<B, E> =>
    Effect.withFiber((fiber) => {
      if (isClosed) return Effect.interrupt
      if (count >= waiting) return Effect.fail(onFull(request, count))
      const name = nameOf(request)
      const own = { request, answer: Deferred.makeUnsafe<B, E>(), since: nowOf(fiber) }
      const others = gathered.get(name)
      const line = others ?? [own]
      if (others === undefined) gathered.set(name, line)
      else others.push(own)
      count += 1
      const answered = Effect.onInterrupt(Deferred.await(own.answer), () =>
        Effect.sync(() => {
          const place = line.indexOf(own)
          if (place === -1) return
          line.splice(place, 1)
          count -= 1
        })
      )
      // It begins when this tick is over: who asks in the same one is in the first group.
      return others === undefined ? Effect.andThen(Effect.forkIn(work(name), scope), answered) : answered
    })
  const close = Effect.sync(() => {
    isClosed = true
    for (const line of gathered.values())
      answer(
        line,
        line.map(() => Exit.interrupt())
      )
    gathered.clear()
  })
  return Effect.as(Scope.addFinalizer(scope, close), request)
}

const nowOf = (fiber: Fiber.Fiber<unknown, unknown>): number => Monotonic.millisOf(fiber.getRef(Clock.Clock))
