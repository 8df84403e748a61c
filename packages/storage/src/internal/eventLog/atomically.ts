/**
 * All of somebody else's effect in one transaction: what it fails with is kept apart from what the database says.
 */
import type * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Failure, Statements } from "../statement/statement.ts"

/** Runs an effect in a transaction, again where it conflicts; `onFailure` is what becomes of the database's errors. */
export const atomically = <A, E, R, E2>(
  { transaction }: Statements,
  operation: string,
  effect: Effect.Effect<A, E, R | Transaction.Transaction>,
  onFailure: (failure: Failure) => Effect.Effect<never, E2>,
  verify?: (value: Option.Option<A>) => Effect.Effect<Transaction.Outcome<A>, unknown, Transaction.Transaction>
): Effect.Effect<A, E | E2, R> =>
  transaction(
    operation,
    Effect.mapError(effect, (error) => new Own(error)),
    verify
  ).pipe(
    Effect.catch((error): Effect.Effect<never, E | E2> =>
      error instanceof Own ? Effect.fail(error.error) : onFailure(error)
    )
  )

/** What the effect fails with. */
class Own<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}
