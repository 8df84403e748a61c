/**
 * What became of a transaction whose answer was lost.
 *
 * It is done again, where it compares what it changes: of the first one, whenever it comes, and the second one only one
 * takes effect. Or it is looked for, once it cannot take effect any more.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import {
  CommitOutcomeUnknown,
  type ConflictRetriesExhausted,
  ConnectionLost,
  isDsqlError,
  type SerializationConflict
} from "../../DsqlError.ts"
import type { RetryPolicy } from "../../RetryPolicy.ts"
import * as Monotonic from "../time/monotonic.ts"
import type { AttemptFailure } from "./attempt.ts"
import { Deadline } from "./deadline.ts"
import { type Outcome, unknown } from "./outcome.ts"
import { retrying } from "./retrying.ts"

/** The ways to find out, each as one attempt; one of the two is there. */
export interface Ways<A, E, R> {
  readonly again: Effect.Effect<A, AttemptFailure<E>, R> | undefined
  readonly look: Effect.Effect<Outcome<A>, unknown, R> | undefined
}

/** What remains of an attempt's errors once conflicts have been retried. */
export type Settled<E> = Exclude<AttemptFailure<E>, SerializationConflict> | ConflictRetriesExhausted

/** Finds out, whether the transaction had a deadline or not: its outcome is worth knowing. */
export const settle = <A, E, R>(
  { again, look }: Ways<A, E, R>,
  operation: { readonly name: string; readonly policy: RetryPolicy },
  lost: CommitOutcomeUnknown
): Effect.Effect<A, Settled<E>, R> => {
  const looked = look === undefined ? Effect.succeed(unknown) : found(look, operation)
  const settled: Effect.Effect<A, Settled<E>, R> = again === undefined
    ? Effect.flatMap(looked, (outcome) => decided(outcome, nothing(operation.name, lost), lost))
    : Effect.catch(persistently(again, `${operation.name}.again`, operation.policy), (error) =>
        // Who is refused may have been there first: with the write whose answer was lost.
        isFinal(error) ? Effect.flatMap(looked, (outcome) => decided(outcome, error, lost)) : Effect.fail(lost)
      )
  return Effect.provideService(settled, Deadline, undefined)
}

const nothing = (operation: string, lost: CommitOutcomeUnknown) =>
  new ConnectionLost({
    phase: "statement",
    message: `${operation}: the connection was lost at COMMIT, and nothing was committed`,
    cause: lost
  })

const decided = <A, E>(
  outcome: Outcome<A>,
  refusal: E,
  lost: CommitOutcomeUnknown
): Effect.Effect<A, E | CommitOutcomeUnknown> => {
  switch (outcome._tag) {
    case "Committed":
      return Effect.succeed(outcome.value)
    case "NotCommitted":
      return Effect.fail(refusal)
    case "Unknown":
      return Effect.fail(lost)
  }
}

/** A connection was just lost, so the first ones after it may be too. */
const untilConnected = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

const isLost = (error: unknown): boolean => error instanceof ConnectionLost || error instanceof CommitOutcomeUnknown

/** Whatever it is that says so, it says it of the data. */
const isFinal = (error: unknown): boolean => !isDsqlError(error) || finalTags.has(error._tag)

const finalTags: ReadonlySet<string> = new Set([
  "ConditionFailed",
  "UniqueViolation",
  "ForeignKeyViolation",
  "CheckViolation",
  "NotNullViolation"
])

const persistently = <A, E, R>(attempt: Effect.Effect<A, E, R>, name: string, policy: RetryPolicy) =>
  Effect.flatMap(Monotonic.millis, (start) =>
    Effect.retry(
      retrying({ name, policy, start }, () => attempt),
      { schedule: untilConnected, while: isLost }
    )
  )

const found = <A, R>(
  look: Effect.Effect<Outcome<A>, unknown, R>,
  { name, policy }: { readonly name: string; readonly policy: RetryPolicy }
): Effect.Effect<Outcome<A>, never, R> =>
  Effect.catchCause(persistently(look, `${name}.verify`, policy), (cause) =>
    Effect.as(Effect.logWarning(`${name}.verify failed: the outcome stays unknown`, cause), unknown)
  )
