/**
 * A transaction around what an entity does: its statements, those of the storage, and the reply commit together.
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as RetryPolicy from "@effect-dsql/core/RetryPolicy"
import * as Transaction from "@effect-dsql/core/Transaction"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** What ended the effect, on its way past the transaction's own errors. */
class Failed<out E> {
  readonly cause: Cause.Cause<E>
  constructor(cause: Cause.Cause<E>) {
    this.cause = cause
  }
}

/**
 * Runs an effect in one transaction, once: Effect collects the replies that it is to deliver outside of this, so a
 * second attempt would deliver the first one's too. Whatever the transaction itself ends with is a defect, upon which
 * the entity begins anew.
 */
export const inTransaction =
  (client: DsqlClient["Service"]) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber<A, E, R>((fiber) => {
      if (Context.getOption(fiber.context, Transaction.Transaction)._tag === "Some") return effect
      // An entity's effect has its services already, and none of them is a client of a transaction's.
      const body = Effect.catchCause(effect, (cause) => Effect.fail(new Failed(cause))) as Effect.Effect<A, Failed<E>>
      const run = Transaction.run<A, Failed<E>, never>(body, {
        operation: "EntityTransaction",
        policy: RetryPolicy.none
      })
      return Effect.catch(Effect.provideService(run, DsqlClient, client), (error) =>
        error instanceof Failed ? Effect.failCause(error.cause) : Effect.die(error)
      )
    })
