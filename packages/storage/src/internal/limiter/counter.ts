/**
 * Counts what this process asks of one key: requests that are made at once go in one statement.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import * as Grouped from "../grouped.ts"
import * as Slice from "./slice.ts"
import * as Tokens from "./tokens.ts"

/** What is asked of a key, again and again. */
export type Options = Omit<Tokens.Asked, "requests">

/** A count of tokens and some milliseconds, as Effect's interface has them. */
export type Answer = readonly [tokens: number, millis: number]

/** Requests that one statement counts at most. */
const room: Grouped.Room<void> = { count: 10_000, bytes: 1, weight: () => 0 }

/** Counts in a window: tokens that are taken with these, and the milliseconds that it has then. */
export const window = (
  context: Context.Context<DsqlClient>,
  options: Options & { readonly limit: number | undefined }
): Effect.Effect<Answer, TransactionError> => {
  const { limit, refillRate, tokens } = options
  const clock = Clock.Clock.defaultValue()
  const millis = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  let slice: Slice.Slice | undefined
  // Requests of this process since it last asked, in the window of then.
  let served = 0
  const asked = Grouped.make(context, { atOnce: 1, room }, (group: ReadonlyArray<void>) => {
    const requests = group.length
    const askedAt = millis()
    const ahead = slice === undefined || askedAt >= slice.endsAt ? 0 : Slice.ahead(served, limit, tokens)
    return Effect.map(
      persistently("RateLimiter.fixedWindow", Tokens.window({ ...options, requests, ahead })),
      ({ granted, left, taken }) => {
        const after = (requests: number): Answer => [taken + requests * tokens, left + requests * tokens * refillRate]
        const [inUse, endsIn] = after(Math.min(requests, granted))
        slice = {
          left: Math.max(0, granted - requests),
          taken: inUse,
          millis: endsIn,
          askedAt,
          endsAt: askedAt + after(granted)[1]
        }
        served = Math.min(requests, granted)
        return (place): Answer => (place < granted ? after(place + 1) : [after(granted + 1)[0], after(granted)[1]])
      }
    )
  })
  return Effect.suspend(() => {
    const own = slice && Slice.next(slice, options, millis())
    if (own === undefined) return asked(undefined)
    served++
    return Effect.succeed(own)
  })
}

/** Counts in a bucket: tokens that are left without these, and milliseconds since it was given one. */
export const bucket = (
  context: Context.Context<DsqlClient>,
  options: Options & { readonly limit: number; readonly overflow: boolean }
): Effect.Effect<Answer, TransactionError> => {
  const asked = Grouped.make(context, { atOnce: 1, room }, (group: ReadonlyArray<void>) =>
    Effect.map(
      persistently("RateLimiter.tokenBucket", Tokens.bucket({ ...options, requests: group.length })),
      ({ elapsed, granted, tokens }) =>
        (place): Answer => [tokens - (Math.min(place, granted) + 1) * options.tokens, elapsed]
    )
  )
  return Effect.suspend(() => asked(undefined))
}

/** A lost answer is not waited for: counted again, tokens are counted twice, and fewer are given out, never more. */
const persistently = <A>(operation: string, count: Effect.Effect<A, SqlError, Transaction.Transaction>) =>
  Effect.retry(Transaction.autocommit(count, { operation }), {
    while: ({ _tag }) => _tag === "CommitOutcomeUnknown" || _tag === "ConnectionLost",
    schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))
  })
