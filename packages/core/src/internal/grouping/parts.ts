/**
 * A group that fails by what was asked is done in halves, so that what cannot be done is alone in the end.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { isDsqlError } from "../../DsqlError.ts"

/** The toolkit's errors that say something of what was asked; a body's own always do. */
const ofRequests: ReadonlySet<string> = new Set([
  "ConditionFailed",
  "UniqueViolation",
  "ForeignKeyViolation",
  "CheckViolation",
  "NotNullViolation",
  "UnsupportedFeature",
  "LimitExceeded",
  "StatementFailed"
])

const isOfRequests = (cause: Cause.Cause<unknown>): boolean => {
  const error = Cause.findErrorOption(cause)
  if (Option.isNone(error)) return !Cause.hasInterrupts(cause)
  return !isDsqlError(error.value) || ofRequests.has(error.value._tag)
}

/** Does what a group asks for, and gives what became of each request, by its place. */
export const inParts = <A, B, E, R>(
  group: Arr.NonEmptyReadonlyArray<A>,
  commit: (group: Arr.NonEmptyReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E, R>
): Effect.Effect<ReadonlyArray<Exit.Exit<B, E>>, never, R> =>
  Effect.flatMap(Effect.exit(commit(group)), (exit) => {
    if (Exit.isSuccess(exit)) return Effect.succeed(exit.value.map((value) => Exit.succeed(value)))
    const middle = Math.ceil(group.length / 2)
    const [first, ...rest] = group.slice(0, middle)
    const [second, ...others] = group.slice(middle)
    if (first === undefined || second === undefined || !isOfRequests(exit.cause)) {
      return Effect.succeed(group.map(() => Exit.failCause(exit.cause)))
    }
    return Effect.zipWith(inParts([first, ...rest], commit), inParts([second, ...others], commit), (a, b) => [
      ...a,
      ...b
    ])
  })
