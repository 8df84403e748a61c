/**
 * The loop around a transaction: attempts until one does not conflict.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { ConflictRetriesExhausted, RetryQuotaExhausted, SerializationConflict } from "../../DsqlError.ts"
import type { RetryPolicy } from "../../RetryPolicy.ts"
import type { Quota } from "../hotkeys/quota.ts"
import { afterFailure } from "../time/afterFailure.ts"
import * as Monotonic from "../time/monotonic.ts"
import { Deadline } from "./deadline.ts"
import * as measure from "./measure.ts"

/** How conflicts are retried. */
export interface Retries {
  readonly policy: RetryPolicy
  /** What retries are paid from; undefined where they cost nothing. */
  readonly quota?: Quota | undefined
}

/** What is tried again, and how it is called. */
export interface Operation extends Retries {
  readonly name: string
  /** When the first attempt began, in monotonic milliseconds. */
  readonly start: number
}

/** What ends in a conflict after all. */
export type Exhausted = ConflictRetriesExhausted | RetryQuotaExhausted

/**
 * Retries while attempts conflict, and gives up when the policy does, the quota is used up or the deadline comes first.
 * `around` is done around all attempts but the first.
 */
export const retrying = <A, E, R>(
  operation: Operation,
  attempt: (number: number) => Effect.Effect<A, E | SerializationConflict, R>,
  around: <A, E, R>(attempts: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = identity
): Effect.Effect<A, Exclude<E, SerializationConflict> | Exhausted, R> => {
  const { quota } = operation
  const first = quota === undefined ? attempt(1) : Effect.map(attempt(1), rewarding(quota))
  // Nearly every transaction commits at once, and should not pay for a schedule that it never steps.
  return Effect.catch(first, (error) =>
    error instanceof SerializationConflict
      ? around(afterConflict(operation, attempt, error))
      : Effect.fail(other(error))
  )
}

const rewarding =
  ({ reward }: Quota) =>
  <A>(value: A): A => {
    reward()
    return value
  }

/** The guard takes the conflict out of the union; the compiler cannot see that through the type parameter. */
const other = <E>(error: E | SerializationConflict) => error as Exclude<E, SerializationConflict>

const afterConflict = <A, E, R>(
  { name, policy, quota, start }: Operation,
  attempt: (number: number) => Effect.Effect<A, E | SerializationConflict, R>,
  first: SerializationConflict
) =>
  Effect.withFiber<A, Exclude<E, SerializationConflict> | Exhausted, R>((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const deadline = fiber.getRef(Deadline)
    let attempts = 1
    let isPaid = true
    const next = afterFailure(
      first,
      Effect.suspend(() => attempt(++attempts))
    ).pipe(
      Effect.matchEffect({
        onSuccess: (value) => {
          quota?.giveBack()
          return Effect.succeed(Result.succeed(value))
        },
        onFailure: (error) =>
          error instanceof SerializationConflict
            ? Effect.andThen(measure.conflict(name, error.code), Effect.fail(error))
            : Effect.succeed(Result.fail(other(error)))
      })
    )
    // A delay that ends after the deadline would be waited for in vain.
    const isInTime = (delay: Duration.Duration) =>
      deadline === undefined || Monotonic.millisOf(clock) + Duration.toMillis(delay) < deadline.at
    const pays = () => {
      isPaid = quota?.pay() ?? true
      return isPaid
    }
    const observed = policy.pipe(
      Schedule.while(({ duration }) => isInTime(duration) && pays()),
      Schedule.tap(({ duration, input }) => measure.retry(name, attempts + 1, duration, input))
    )
    const exhausted = (last: SerializationConflict) =>
      Effect.suspend(() => {
        const elapsed = Monotonic.millisOf(clock) - start
        const Exhausted = isPaid ? ConflictRetriesExhausted : RetryQuotaExhausted
        return Effect.fail(new Exhausted({ operation: name, attempts, elapsed, last }))
      })
    return Effect.flatMap(Effect.retryOrElse(next, observed, exhausted), Effect.fromResult)
  })
