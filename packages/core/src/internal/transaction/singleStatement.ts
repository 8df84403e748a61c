/**
 * One statement that commits by itself.
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { CurrentTransformer, type Transformer } from "effect/sql/Statement"
import type { DeadlineExceeded } from "../../DsqlError.ts"
import { unlessOver } from "../hotkeys/turn.ts"
import { Deadline, withinDeadline } from "./deadline.ts"
import { type Client, leased } from "./leased.ts"
import { Single } from "./single.ts"
import { Validity } from "./validity.ts"

/**
 * Runs an effect of one statement, or `several` where it turns out to take a transaction; and fails as `onLost` says
 * where the statement's answer was lost, whatever the effect made of that.
 */
export const singleStatement = <A, E, E2, R>(
  client: Client,
  effect: Effect.Effect<A, E, R>,
  several: Effect.Effect<A, E2, R>,
  onLost: (error: SqlError) => SqlError
): Effect.Effect<A, E | E2 | SqlError | DeadlineExceeded, R> =>
  Effect.withFiber((fiber) => {
    const single: Single = { needsTransaction: false, isVoid: false, lost: undefined }
    const validity = fiber.getRef(Validity)
    const alone = Effect.suspend(() => {
      // The instant of whatever was sent before is over, or was waited for.
      if (validity !== undefined) validity.until = undefined
      return Effect.provideService(limited(effect), Single, single)
    })
    // Only the wait for a connection may be cut short or count for nothing, and to tell it takes a lease of one's own.
    const sent =
      fiber.getRef(Deadline) === undefined && validity === undefined
        ? alone
        : leased(client, validity === undefined ? alone : inTime(alone, single, 3), withinDeadline)
    return Effect.flatMap(Effect.exit(sent), (exit): Effect.Effect<A, E | E2 | SqlError | DeadlineExceeded, R> => {
      if (single.needsTransaction) return several
      return single.lost === undefined ? exit : Effect.fail(onLost(single.lost))
    })
  })

/** A statement that came too late did nothing, so it is sent again: the clock is known better now. */
const inTime = <A, E, R>(alone: Effect.Effect<A, E, R>, single: Single, tries: number): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.exit(alone), (exit) => {
    if (!single.isVoid || tries === 1) return exit
    single.isVoid = false
    return inTime(alone, single, tries - 1)
  })

/** Lets an effect send one statement. */
export const limited = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => Effect.provideService(effect, CurrentTransformer, once(fiber.getRef(CurrentTransformer))))

/** Lets one statement through, as `inner` would have it. */
const once = (inner: Transformer | undefined): Transformer => {
  let used = false
  return (statement, sql, fiber, span) => {
    if (used) return Effect.die(new Error("Transaction.autocommit runs one statement; use Transaction.run for several"))
    used = true
    return unlessOver(inner === undefined ? Effect.succeed(statement) : inner(statement, sql, fiber, span))
  }
}
