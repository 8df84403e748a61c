/**
 * Room that connections use up, and what is said where there is none.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TooManyConnections } from "../../DsqlError.ts"
import * as measure from "./measure.ts"

/** Uses room for one connection until the scope closes, if there is any. */
export const use = (state: { used: number }, room: () => number): Effect.Effect<boolean, never, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.suspend(() => {
      if (state.used >= room()) return Effect.succeed(false)
      state.used += 1
      return Effect.as(
        Effect.addFinalizer(() =>
          Effect.sync(() => {
            state.used -= 1
          })
        ),
        true
      )
    })
  )

/** All of it is used. */
export const full = (limit: number) =>
  Effect.andThen(
    measure.refused,
    Effect.fail(new TooManyConnections({ message: `the connection budget of ${limit} is used up` }))
  )
