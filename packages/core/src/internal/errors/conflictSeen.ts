/**
 * The conflict that a statement of an attempt met, whatever the body made of it: nothing that the attempt does after it
 * can be committed, and all of it may be tried again.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { SqlError } from "effect/sql/SqlError"
import { isConflict } from "./classify.ts"

interface Seen {
  conflict: SqlError | undefined
}

const Seen = Context.Reference<Seen | undefined>("@effect-dsql/core/internal/errors/Seen", {
  defaultValue: () => undefined
})

/** Keeps the conflict of a statement for who runs the attempt. */
export const see = (error: SqlError, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const seen = fiber.getRef(Seen)
  if (seen !== undefined && isConflict(error)) seen.conflict ??= error
}

/** Fails with the conflict that was seen, where an attempt fails with something else. */
export const remembering = <A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
  Effect.suspend(() => {
    const seen: Seen = { conflict: undefined }
    return Effect.catchCause(Effect.provideService(attempt, Seen, seen), (cause): Effect.Effect<never, E | SqlError> =>
      seen.conflict === undefined || Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.fail(seen.conflict)
    )
  })

/** Runs a statement of another transaction than the attempt's: its conflicts are its own. */
export const unseen = <A, E, R>(statement: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(Seen) === undefined ? statement : Effect.provideService(statement, Seen, undefined)
  )
