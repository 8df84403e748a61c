/**
 * A run lasts longer than a connection. What may be sent again when one is lost is sent again.
 */
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { InvalidBookkeeping } from "../../MigrationError.ts"

const patience = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.upTo({ times: 8 })
)

/** Whether the connection was lost before it said what happened. */
export const isLost = (error: { readonly _tag: string }): boolean =>
  error._tag === "ConnectionLost" || error._tag === "CommitOutcomeUnknown"

/** Runs again, with patience, what says the same however often it runs: a read, or a write that is made to be repeated. */
export const reconnecting = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E | TransactionError, R>
): Effect.Effect<A, E | TransactionError, R> => Effect.retry(effect, { schedule: patience, while: isLost })

/** Sends again, with patience, what certainly did nothing. */
export const resending = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E | TransactionError, R>
): Effect.Effect<A, E | TransactionError, R> =>
  Effect.retry(effect, { schedule: patience, while: (error) => error._tag === "ConnectionLost" })

/** Reads again at once where a connection that had been idle turned out to be gone; a server that is not there is none. */
export const rereading = <A, R>(
  effect: Effect.Effect<A, InvalidBookkeeping | TransactionError, R>
): Effect.Effect<A, InvalidBookkeeping | TransactionError, R> =>
  Effect.retry(effect, { times: 3, while: (error) => error._tag === "ConnectionLost" && error.phase === "statement" })
