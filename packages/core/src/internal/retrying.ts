/**
 * The loop around a transaction: attempts until one does not conflict.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { ConflictRetriesExhausted, SerializationConflict } from "../DsqlError.ts"
import type { RetryPolicy } from "../RetryPolicy.ts"
import { afterFailure } from "./time/afterFailure.ts"
import * as measure from "./measure.ts"

/** Retries while attempts conflict, and gives up when the policy does or the deadline comes first. */
export const retrying = <A, E, R>(
  operation: string,
  policy: RetryPolicy,
  start: number,
  deadline: number | undefined,
  attempt: (number: number) => Effect.Effect<A, E | SerializationConflict, R>
): Effect.Effect<A, Exclude<E, SerializationConflict> | ConflictRetriesExhausted, R> =>
  // Nearly every transaction commits at once, and should not pay for a schedule that it never steps.
  Effect.catch(attempt(1), (error) =>
    error instanceof SerializationConflict
      ? afterConflict(operation, policy, start, deadline, attempt, error)
      : Effect.fail(other(error))
  )

/** The guard takes the conflict out of the union; the compiler cannot see that through the type parameter. */
const other = <E>(error: E | SerializationConflict) => error as Exclude<E, SerializationConflict>

const afterConflict = <A, E, R>(
  operation: string,
  policy: RetryPolicy,
  start: number,
  deadline: number | undefined,
  attempt: (number: number) => Effect.Effect<A, E | SerializationConflict, R>,
  first: SerializationConflict
) => {
  let attempts = 1
  const next = afterFailure(
    first,
    Effect.suspend(() => attempt(++attempts))
  ).pipe(
    Effect.matchEffect({
      onSuccess: (value) => Effect.succeed(Result.succeed(value)),
      onFailure: (error) =>
        error instanceof SerializationConflict
          ? Effect.andThen(measure.conflict(operation, error.code), Effect.fail(error))
          : Effect.succeed(Result.fail(other(error)))
    })
  )
  const observed = policy.pipe(
    // A delay that ends after the deadline would be waited for in vain.
    Schedule.while(({ duration, now }) => deadline === undefined || now + Duration.toMillis(duration) < deadline),
    Schedule.tap(({ duration, input }) => measure.retry(operation, attempts + 1, duration, input))
  )
  const exhausted = (last: SerializationConflict) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.fail(new ConflictRetriesExhausted({ operation, attempts, elapsed: now - start, last }))
    )
  return Effect.flatMap(Effect.retryOrElse(next, observed, exhausted), Effect.fromResult)
}
