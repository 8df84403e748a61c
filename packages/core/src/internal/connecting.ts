/**
 * Getting a connection: what is tried again while connecting, and for how long.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Connection } from "effect/sql/SqlConnection"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { AuthenticationFailed, DeadlineExceeded } from "../DsqlError.ts"
import type { TokenSource } from "../TokenSource.ts"
import { type AttemptError, carry, classify } from "./classify.ts"

/** Reserves a connection of one's own, until the scope closes. */
export type Acquire = Effect.Effect<Connection, SqlError, Scope.Scope>

/** When the transaction that is being run has to be over; undefined where it has no deadline. */
export const Deadline = Context.Reference<
  { readonly operation: string; readonly millis: number; readonly at: number } | undefined
>("@effect-dsql/core/internal/Deadline", { defaultValue: () => undefined })

/** The service admits 100 connections a second, so a refused one is worth asking for again, not at once. */
const throttled = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "30 seconds" }),
  Schedule.tap(({ duration, input }) =>
    Effect.logDebug("connection refused, backing off", {
      delayMillis: Duration.toMillis(duration),
      error: connectError(input)?._tag
    })
  )
)

/** What went wrong while connecting; undefined for anything else, which happened on an open connection. */
const connectError = (error: unknown): AttemptError | undefined =>
  isSqlError(error) && error.reason.operation === "connect" ? classify(error, "statement") : undefined

const isRefused = (error: unknown): boolean => {
  const tag = connectError(error)?._tag
  return tag === "ConnectionThrottled" || tag === "TooManyConnections"
}

const isTokenRefused = (error: unknown): boolean => {
  const found = connectError(error)
  return found?._tag === "AuthenticationFailed" && found.reason !== "credentials"
}

/** Runs an effect again when it could not connect, and so has done nothing. */
export type Reconnecting = <A, E, R>(effect: Effect.Effect<A, E | SqlError, R>) => Effect.Effect<A, E | SqlError, R>

/**
 * Backs off while the cluster refuses new connections, and once replaces a token that it refused.
 * Open connections are not touched.
 */
export const reconnecting =
  (tokens: TokenSource | undefined): Reconnecting =>
  <A, E, R>(effect: Effect.Effect<A, E | SqlError, R>) => {
    const once = Effect.catchDefect(effect, (defect) =>
      defect instanceof AuthenticationFailed ? Effect.fail(carry(defect, "connect")) : Effect.die(defect)
    )
    // Nearly every connection is had at once, and should not pay for a schedule that it never steps.
    const attempt = Effect.catchIf(once, isRefused, (error) => {
      let first = true
      const next = Effect.suspend(() => {
        if (!first) return once
        first = false
        return Effect.fail(error)
      })
      return Effect.retry(next, { schedule: throttled, while: isRefused })
    })
    return tokens === undefined
      ? attempt
      : Effect.catchIf(attempt, isTokenRefused, () => Effect.andThen(tokens.invalidate, attempt))
  }

/** Ends an effect with `DeadlineExceeded` when the transaction's deadline has come. */
export const withinDeadline = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
  Effect.flatMap(Deadline, (deadline) => {
    if (deadline === undefined) return effect
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.timeoutOrElse(effect, {
        duration: Math.max(0, deadline.at - now),
        orElse: () => Effect.fail(new DeadlineExceeded({ operation: deadline.operation, deadline: deadline.millis }))
      })
    )
  })
