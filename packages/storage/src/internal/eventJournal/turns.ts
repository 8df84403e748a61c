/**
 * Turns: in a process one writes at a time, because two would conflict.
 *
 * Nobody waits for a turn who has a connection already, or whoever has the turn might wait for that connection.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** Runs an effect when it is its turn: at once within another one. */
export type InTurn = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Makes turns; `isConnected` says of whoever comes whether he has a connection. */
export const make = (isConnected: Effect.Effect<boolean>): InTurn => {
  const turn = Semaphore.makeUnsafe(1)
  return (effect) =>
    Effect.flatMap(Effect.all([Current, isConnected]), ([current, connected]) =>
      current === turn || connected ? effect : turn.withPermit(Effect.provideService(effect, Current, turn))
    )
}

const Current = Context.Reference<Semaphore.Semaphore | undefined>("@effect-dsql/storage/SqlEventJournal/Turn", {
  defaultValue: () => undefined
})
