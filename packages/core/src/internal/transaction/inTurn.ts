/**
 * Attempts of a transaction while it has its turn: what it waits for before them, and what it gives back after them.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type DeadlineExceeded, KeyQueueFull, SerializationConflict } from "../../DsqlError.ts"
import type { Key, Named } from "../hotkeys/key.ts"
import * as measure from "../hotkeys/measure.ts"
import type { State } from "../hotkeys/state.ts"
import { Current, Turn, unlessOver } from "../hotkeys/turn.ts"
import * as Monotonic from "../time/monotonic.ts"
import { withinDeadline } from "./deadline.ts"
import { type Exhausted, type Operation, retrying } from "./retrying.ts"

type Waited = KeyQueueFull | DeadlineExceeded

/** Whether a transaction that names these keys has to do with any other. */
export const hasTurn = ({ queue }: State, keys: ReadonlyArray<Key>): boolean =>
  queue === "fences" || (queue === "named" && keys.length > 0)

/** Milliseconds after a conflict in which fences are asked for their keys. */
const hotFor = 60_000

/**
 * Retries as `retrying` does, between one transaction of the client that names a key and the next. Fences are asked for
 * their keys where the client has met a conflict not long ago, or the transaction itself has: where there is none, it
 * would be for nothing. `pnpm bench fences` shows what it costs beside no queue at all.
 */
export const inTurn = <A, E, R>(
  state: State,
  operation: Operation,
  keys: ReadonlyArray<Key>,
  attempt: (number: number) => Effect.Effect<A, E | SerializationConflict, R>
): Effect.Effect<A, Exclude<E, SerializationConflict> | Exhausted | Waited, R> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const now = () => Monotonic.millisOf(clock)
    const turn = new Turn(state.lines, keys)
    const isHot = operation.start < state.heat.until
    let attempts = 0
    const take = taken(state, operation.name, turn, now)
    const asked = (number: number) => {
      attempts = number
      if (number > 1) state.heat.until = now() + hotFor
      return state.queue === "fences" && (isHot || number > 1)
        ? Effect.provideService(attempt(number), Current, turn)
        : attempt(number)
    }
    const begun = (number: number): Effect.Effect<A, E | SerializationConflict | Waited, R> =>
      Effect.matchCauseEffect(asked(number), {
        onSuccess: Effect.succeed,
        onFailure: (cause): Effect.Effect<A, E | SerializationConflict | Waited, R> => {
          if (turn.isOver) {
            turn.isOver = false
            turn.release()
            return Effect.andThen(take, begun(number))
          }
          const error = Cause.findErrorOption(cause)
          return Option.isSome(error) && error.value instanceof SerializationConflict
            ? Effect.andThen(measure.conflicted(state, turn.keys, now()), Effect.failCause(cause))
            : Effect.failCause(cause)
        }
      })
    const ending = <A, E, R>(all: Effect.Effect<A, E, R>) =>
      Effect.onExit(all, () => {
        turn.release()
        return measure.ended(turn.keys, attempts)
      })
    // Nearly every transaction names no key and commits at once, and has nothing that it would have to give back.
    if (keys.length === 0 && !isHot) {
      const first = (number: number) => (number === 1 ? attempt(number) : begun(number))
      return retrying<A, E | Waited, R>(operation, first, ending)
    }
    const all = retrying<A, E | Waited, R>(operation, begun)
    return ending(keys.length === 0 ? all : Effect.andThen(take, all))
  })

/** Waits for the keys that were named, no longer than the transaction has time. */
const taken = (state: State, operation: string, turn: Turn, now: () => number): Effect.Effect<void, Waited> =>
  Effect.suspend(() => {
    const rest = turn.takeNow()
    if (rest.length === 0) return Effect.void
    const start = now()
    const full = ({ key: { table } }: Named, waiting: number) => new KeyQueueFull({ operation, table, waiting })
    return withinDeadline(turn.take(rest, full)).pipe(
      Effect.onExit(() => measure.waited(state, rest, now() - start, now())),
      Effect.tapError((error) => (error instanceof KeyQueueFull ? measure.refused(error.table) : Effect.void))
    )
  })

/** Lets a body commit nothing that went on after its turn was over. */
export const body = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(Current) === undefined ? effect : Effect.flatMap(effect, (value) => unlessOver(Effect.succeed(value)))
  )
