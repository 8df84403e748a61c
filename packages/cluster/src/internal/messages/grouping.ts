/**
 * Group commit: what is asked for while statements are under way goes together in the next one.
 *
 * Nobody waits for others to come: who asks alone is sent at once, with whoever asks in the same tick.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import { ConflictRetriesExhausted } from "@effect-dsql/core/DsqlError"
import type { PersistenceError } from "effect/cluster/ClusterError"
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { isRefused } from "../storing.ts"

/** What goes together. */
export interface Options<in A> {
  /** No two that have a name in common go together, nor while one of them is under way. */
  readonly namesOf: (request: A) => ReadonlyArray<string>
  /** How long what a request writes is, in characters. */
  readonly lengthOf: (request: A) => number
}

type Group<A> = Arr.NonEmptyReadonlyArray<A>

/** Does what a group asks for, and gives what each of them is answered, by its place. */
export type Send<in A, out B> = (group: Group<A>) => Effect.Effect<ReadonlyArray<B>, PersistenceError>

/** Statements under way at most: two, so that who asks just after one was sent does not wait for it. */
const atOnce = 2

/** What one takes: at most three rows for each of these, far below 3,000, and 10 MiB whatever the characters are. */
const room = { count: 100, length: 2 * 2 ** 20 }

interface Waiting<A, B> {
  readonly request: A
  readonly names: ReadonlyArray<string>
  readonly length: number
  readonly answer: Deferred.Deferred<B, PersistenceError>
}

/**
 * Gives what requests are made by, for as long as the scope is open. What is asked for in a transaction of the client is
 * sent there, and at once.
 */
export const make = <A, B>(
  { sql: { transactionService } }: DsqlClient["Service"],
  { lengthOf, namesOf }: Options<A>,
  send: Send<A, B>
): Effect.Effect<(request: A) => Effect.Effect<B, PersistenceError>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const context = yield* Effect.context<never>()
    const waiting: Array<Waiting<A, B>> = []
    const underWay = new Set<string>()
    let working = 0
    let isClosed = false

    /** Takes the next group out of those who wait. */
    const next = (): ReadonlyArray<Waiting<A, B>> => {
      const group: Array<Waiting<A, B>> = []
      let length = 0
      for (const own of waiting) {
        if (own.names.some((name) => underWay.has(name))) continue
        length += own.length
        if (group.length === room.count || (group.length > 0 && length > room.length)) break
        group.push(own)
        for (const name of own.names) underWay.add(name)
      }
      const taken = new Set(group)
      waiting.splice(0, waiting.length, ...waiting.filter((own) => !taken.has(own)))
      return group
    }

    /** Sends the next group, and the ones after it. Whoever was taken into one is answered, whatever becomes of it. */
    const work: Effect.Effect<void> = Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const group = next()
        const [first, ...rest] = group
        if (first === undefined) {
          working--
          return Effect.succeed(false)
        }
        const parts = inParts([first.request, ...rest.map(({ request }) => request)], send)
        const sent: typeof parts = Effect.updateContext(parts, () => context)
        return Effect.as(
          Effect.onExit(restore(sent), (exit) =>
            Effect.sync(() => {
              for (const [place, { answer, names }] of group.entries()) {
                for (const name of names) underWay.delete(name)
                Deferred.doneUnsafe(
                  answer,
                  Exit.isSuccess(exit) ? (exit.value[place] ?? missing) : Exit.failCause(exit.cause)
                )
              }
            })
          ),
          true
        )
      })
    ).pipe(Effect.flatMap((isMore) => (isMore ? work : Effect.void)))

    /** Who is interrupted leaves while he waits; who is in a group hears of it first, as of a statement of his own. */
    const grouped = (request: A): Effect.Effect<B, PersistenceError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          if (isClosed) return Effect.interrupt
          const own: Waiting<A, B> = {
            request,
            names: namesOf(request),
            // Here, where what cannot be measured is nobody else's defect.
            length: lengthOf(request),
            answer: Deferred.makeUnsafe()
          }
          waiting.push(own)
          const answered = Effect.onInterrupt(restore(Deferred.await(own.answer)), () =>
            Effect.suspend(() => {
              const place = waiting.indexOf(own)
              if (place === -1) return Effect.asVoid(Effect.exit(Deferred.await(own.answer)))
              waiting.splice(place, 1)
              return Effect.void
            })
          )
          if (working === atOnce) return answered
          working++
          return Effect.andThen(Effect.forkIn(work, scope), answered)
        })
      )

    yield* Scope.addFinalizer(
      scope,
      Effect.sync(() => {
        isClosed = true
        for (const { answer } of waiting.splice(0)) Deferred.doneUnsafe(answer, Exit.interrupt())
      })
    )

    return (request) =>
      Effect.withFiber((fiber) =>
        Context.getOption(fiber.context, transactionService)._tag === "Some"
          ? Effect.flatMap(send([request]), ([answer]) => (answer === undefined ? missing : Effect.succeed(answer)))
          : grouped(request)
      )
  })

const missing = Exit.die(new Error("a group gave no answer to one of its requests"))

/** Does what a group asks for; what is refused for what is in it in halves, so that it keeps the others from nothing. */
const inParts = <A, B>(
  group: Group<A>,
  send: Send<A, B>
): Effect.Effect<ReadonlyArray<Exit.Exit<B, PersistenceError>>> =>
  Effect.flatMap(Effect.exit(Effect.suspend(() => send(group))), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.succeed(exit.value.map((answer) => Exit.succeed(answer)))
    const middle = group.length >> 1
    const [first, ...rest] = group.slice(0, middle)
    const [second, ...others] = group.slice(middle)
    const error = Exit.findErrorOption(exit)
    if (first === undefined || second === undefined || error._tag === "None" || !isOfOne(error.value)) {
      return Effect.succeed(group.map(() => Exit.failCause(exit.cause)))
    }
    return Effect.zipWith(inParts([first, ...rest], send), inParts([second, ...others], send), (a, b) => [...a, ...b])
  })

/** Whether it is for what one of them asks, so that the others may go without it. */
const isOfOne = (error: PersistenceError): boolean =>
  isRefused(error) || error.cause instanceof ConflictRetriesExhausted
