/**
 * How long the answer to a statement is waited for that nobody wants any more.
 */
import * as Effect from "effect/Effect"
import * as Failure from "../wire/failure.ts"
import type { Wire } from "../wire/wire.ts"

/** What answers within this many milliseconds is not asked to cancel. */
const grace = 500

/** How many milliseconds the driver waits for such an answer. */
const limit = 5_000

/**
 * Waits until nothing is under way. A statement that takes long is to be cancelled, which Aurora DSQL does not do, and
 * the connection ends if there is no answer for long. `onCancel` is told first: the request to cancel may come late, and
 * meet what the session does next.
 */
export const drained = (wire: Wire, onCancel?: () => void): Effect.Effect<void> =>
  Effect.flatMap(idle(wire, grace), (isIdle) => {
    if (isIdle) return Effect.void
    onCancel?.()
    return Effect.andThen(
      wire.driver.interrupt,
      Effect.flatMap(idle(wire, limit), (isIdle) =>
        isIdle ? Effect.void : Effect.sync(() => wire.end(Failure.lost(unanswered, unanswered.message)))
      )
    )
  })

const unanswered = new Error(`an interrupted statement was not answered in ${limit} ms`)

/** Whether nothing is under way after so many milliseconds, or before. */
const idle = (wire: Wire, millis: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    if (wire.isIdle) return resume(Effect.succeed(true))
    const timer = setTimeout(() => resume(Effect.succeed(false)), millis)
    wire.onIdle(() => {
      clearTimeout(timer)
      resume(Effect.succeed(true))
    })
  })
