/**
 * What is read, decided and written back, begun anew where the write finds that others were there first.
 */
import { ConflictRetriesExhausted, SerializationConflict } from "@effect-dsql/core/DsqlError"
import * as RetryPolicy from "@effect-dsql/core/RetryPolicy"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/** What was read is not what is there any more. Nothing was written. */
export class Overtaken extends Data.TaggedError("Overtaken") {}

/** Runs an effect until it is not overtaken, as often and as slowly as the standard policy retries conflicts. */
export const untilFirst = <A, E>(
  operation: string,
  attempt: Effect.Effect<A, E | Overtaken>
): Effect.Effect<A, E | ConflictRetriesExhausted> =>
  Effect.flatMap(Clock.currentTimeMillis, (start) => {
    let attempts = 0
    const next = Effect.matchEffect(attempt, {
      onSuccess: (value) => Effect.succeed(Result.succeed(value)),
      onFailure: (error): Effect.Effect<Result.Result<never, E>, SerializationConflict> => {
        if (!(error instanceof Overtaken)) return Effect.succeed(Result.fail(error))
        attempts += 1
        const message = `${operation}: another write came first`
        return Effect.fail(new SerializationConflict({ code: "unmarked", message, cause: error }))
      }
    })
    const exhausted = (last: SerializationConflict) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.fail(new ConflictRetriesExhausted({ operation, attempts, elapsed: now - start, last }))
      )
    return Effect.flatMap(Effect.retryOrElse(next, RetryPolicy.standard, exhausted), Effect.fromResult)
  })
