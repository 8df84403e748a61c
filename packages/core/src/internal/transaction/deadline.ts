/**
 * The time by which the transaction that is being run has to be over.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { DeadlineExceeded } from "../../DsqlError.ts"
import * as Monotonic from "../time/monotonic.ts"

/** When the transaction that is being run has to be over; undefined where it has no deadline. */
export const Deadline = Context.Reference<
  { readonly operation: string; readonly millis: number; readonly at: number } | undefined
>("@effect-dsql/core/internal/transaction/Deadline", { defaultValue: () => undefined })

/** Ends an effect with `DeadlineExceeded` when the transaction's deadline has come. */
export const withinDeadline = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
  Effect.withFiber((fiber) => {
    const deadline = fiber.getRef(Deadline)
    if (deadline === undefined) return effect
    return Effect.timeoutOrElse(effect, {
      duration: Math.max(0, deadline.at - Monotonic.millisOf(fiber.getRef(Clock.Clock))),
      orElse: () => Effect.fail(new DeadlineExceeded({ operation: deadline.operation, deadline: deadline.millis }))
    })
  })
