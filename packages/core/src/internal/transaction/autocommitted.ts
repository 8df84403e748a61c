/**
 * What a client of Effect SQL sends outside of a transaction: each statement commits by itself. Nothing was written by
 * one that lost a conflict, so it is sent again; one whose answer was lost may have been, and says so.
 *
 * `Transaction.autocommit` does both itself, for the program around its statement.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { ConflictRetriesExhausted, RetryQuotaExhausted, type SerializationConflict } from "../../DsqlError.ts"
import { carry, classify, orUnknown } from "../errors/classify.ts"
import { unseen } from "../errors/conflictSeen.ts"
import * as Monotonic from "../time/monotonic.ts"
import * as measure from "./measure.ts"
import { type Exhausted, type Retries, retrying } from "./retrying.ts"
import { Single } from "./single.ts"

/** What such a statement is called in metrics and logs. */
const name = "autocommit"

/** Sends a statement, and again after each conflict for as long as the policy has it and the quota pays for it. */
export const statement = <A, E, R>(sent: Effect.Effect<A, E, R>, retries: Retries): Effect.Effect<A, E | SqlError, R> =>
  Effect.withFiber<A, E | SqlError, R>((fiber) => {
    if (fiber.getRef(Single) !== undefined) return sent
    const start = Monotonic.millisOf(fiber.getRef(Clock.Clock))
    const attempt = Effect.mapError(unseen(sent), told)
    return Effect.catch(
      retrying({ ...retries, name, start }, () => attempt),
      (error) => {
        if (error instanceof ConflictRetriesExhausted) return given(measure.exhausted, error)
        return error instanceof RetryQuotaExhausted ? given(measure.unpaid, error) : Effect.fail(error)
      }
    )
  })

const given = (count: (operation: string) => Effect.Effect<void>, error: Exhausted) =>
  Effect.andThen(count(name), Effect.fail(carry(error, "execute")))

/**
 * Sends a statement whose rows are a stream, and again where it conflicts before its first row: who has seen a row
 * would see it twice.
 */
export const stream = <A>(sent: Stream.Stream<A, SqlError>, retries: Retries): Stream.Stream<A, SqlError> =>
  Stream.unwrap(
    Effect.withFiber((fiber) =>
      fiber.getRef(Single) === undefined ? begun(Stream.mapError(sent, orUnknown), retries) : Effect.succeed(sent)
    )
  )

/** A stream that has come to its first rows, or to its end. */
const begun = <A>(
  sent: Stream.Stream<A, SqlError>,
  retries: Retries
): Effect.Effect<Stream.Stream<A, SqlError>, SqlError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    statement(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Scope.fork(scope), (own) =>
          Effect.onExit(restore(Scope.provide(first(sent), own)), (exit) =>
            Exit.isSuccess(exit) ? Effect.void : Scope.close(own, exit)
          )
        )
      ),
      retries
    )
  )

const first = <A>(sent: Stream.Stream<A, SqlError>): Effect.Effect<Stream.Stream<A, SqlError>, SqlError, Scope.Scope> =>
  Effect.flatMap(Stream.toPull(sent), (pull) =>
    Pull.matchEffect(pull, {
      onSuccess: (rows) => Effect.succeed(Stream.concat(Stream.fromArray(rows), Stream.fromPull(Effect.succeed(pull)))),
      onFailure: (cause) => Effect.failCause(cause),
      onDone: () => Effect.succeed(Stream.empty)
    })
  )

const told = <E>(error: E): E | SqlError | SerializationConflict => {
  if (!isSqlError(error)) return error
  const found = classify(error)
  return found._tag === "SerializationConflict" ? found : orUnknown(error)
}
