/**
 * What became of a transaction whose answer was lost: it is done again, or looked for, once it cannot take effect any
 * more. Were it done again before, a first one that comes late could undo what others did after the second.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { CommitOutcomeUnknown, ConnectionLost, isDsqlError, type SerializationConflict } from "../../DsqlError.ts"
import type { RetryPolicy } from "../../RetryPolicy.ts"
import * as Monotonic from "../time/monotonic.ts"
import type { Failure } from "../errors/classify.ts"
import type { AttemptFailure } from "./attempt.ts"
import { Deadline } from "./deadline.ts"
import { type Outcome, unknown } from "./outcome.ts"
import { type Exhausted, retrying } from "./retrying.ts"
import type { State } from "./validity.ts"

/** The ways to find out, each as one attempt; one of `again` and `look` is there. */
export interface Ways<A, E, R> {
  /** Waits until nothing that was sent can take effect any more. */
  readonly over: Effect.Effect<State, Failure>
  readonly again: Effect.Effect<A, AttemptFailure<E>, R> | undefined
  readonly look: Effect.Effect<Outcome<A>, unknown, R> | undefined
}

/** What remains of an attempt's errors once conflicts have been retried. */
export type Settled<E> = Exclude<AttemptFailure<E>, SerializationConflict> | Exhausted

/** Finds out, whether the transaction had a deadline or not: its outcome is worth knowing. */
export const settle = <A, E, R>(
  { again, look = Effect.succeed(unknown), over }: Ways<A, E, R>,
  operation: { readonly name: string; readonly policy: RetryPolicy },
  lost: CommitOutcomeUnknown
): Effect.Effect<A, Settled<E>, R> => {
  let state: State = "far"
  const waited = Effect.tap(over, (found) =>
    Effect.sync(() => {
      state = found
    })
  )
  const looked = (look: Effect.Effect<Outcome<A>, unknown, R>, refusal: Settled<E>) =>
    Effect.flatMap(found(look, operation), (outcome) =>
      // What may yet come is unknown: what is not there, and where the clock was set what seems to be done.
      decided(
        state === "far" || (outcome._tag === "NotCommitted" && state !== "over") ? unknown : outcome,
        refusal,
        lost
      )
    )
  const settled: Effect.Effect<A, Settled<E>, R> = again === undefined
    ? looked(Effect.andThen(waited, look), nothing(operation.name, lost))
    : Effect.catch(
        persistently(
          Effect.flatMap(waited, (state) => (state === "far" ? Effect.fail(lost) : again)),
          `${operation.name}.again`,
          operation.policy
        ),
        // Who is refused may have been there first: with the write whose answer was lost.
        (error) => (isFinal(error) ? looked(look, error) : Effect.fail(lost))
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
