/**
 * All of somebody else's effect in one transaction, for an interface that has no errors of its own: what the database
 * refuses is a defect, what the effect fails with stays what it is.
 */
import * as Effect from "effect/Effect"
import type { Statements } from "../statement/statement.ts"

/** Runs an effect in a transaction, again where it conflicts. */
export const atomically =
  ({ transaction }: Statements, operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    transaction(
      operation,
      Effect.mapError(effect, (error) => new Own(error))
    ).pipe(Effect.catch((error) => (error instanceof Own ? Effect.fail(error.error) : Effect.die(error))))

/** What the effect fails with, apart from what the transaction does. */
class Own<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}
