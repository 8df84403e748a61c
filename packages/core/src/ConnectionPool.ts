/**
 * A pool of connections that fits Aurora DSQL.
 *
 * The service closes a connection at 60 minutes, accepts so many new ones a
 * second, and refuses the rest. So connections end at different times and
 * before the service ends them, never in the middle of their use; opening is
 * the pool's business and not the borrowers', it is paced, and while it is
 * refused one attempt at a time is made; and whatever happens to one
 * connection happens to that one alone.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as DsqlError from "./DsqlError.ts"
import * as check from "./internal/options/check.ts"
import * as pool from "./internal/pool/make.ts"
import * as TokenBucket from "./internal/time/tokenBucket.ts"

/**
 * How many connections there are, how long they live and how fast they are opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The label of the pool in metrics and logs. Default: `effect-dsql`. */
  readonly name?: string | undefined
  /** Default: 10, or `minConnections` where that is more. */
  readonly maxConnections?: number | undefined
  /** Connections that are opened at once, kept open while idle, and replaced when they end. Default: 0. */
  readonly minConnections?: number | undefined
  /** An idle connection is closed after this, a little later at most; never if infinite. Default: 1 minute. */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * How long a connection may live, below the service's 60 minutes; each lives for at least four fifths of it, a time
   * drawn for itself. One that is in use then is closed when it comes back. Default: 55 minutes.
   */
  readonly connectionLife?: Duration.Input | undefined
  /** How long to wait for a connection. Default: 30 seconds. */
  readonly waitTimeout?: Duration.Input | undefined
  /** New connections per second in the long run; a cluster takes 100 from all its clients. Default: 10. */
  readonly connectRate?: number | undefined
  /** New connections at once; a cluster takes 1,000 from all its clients. Default: 100. */
  readonly connectBurst?: number | undefined
  /** How long connections that are in use may stay when the pool is closed. Default: 1 minute. */
  readonly drainTimeout?: Duration.Input | undefined
}

/**
 * Why a connection cannot be used again: it broke, a statement on it was interrupted, or it may
 * hold a transaction that nobody will end.
 *
 * @since 0.1.0
 * @category models
 */
export type EndReason = "lost" | "interrupted" | "in_transaction"

/**
 * Why there is no connection: the one that would have been opened failed, or the pool has no time or no room for it.
 *
 * @since 0.1.0
 * @category models
 */
export type Failure = Exclude<
  DsqlError.DsqlError,
  | DsqlError.ConditionFailed
  | DsqlError.ConflictRetriesExhausted
  | DsqlError.RetryQuotaExhausted
  | DsqlError.KeyQueueFull
>

/**
 * Opens one connection, which lives until the scope closes. `end` says that it is not to be used again; it may be called
 * at any time.
 *
 * @since 0.1.0
 * @category models
 */
export type Open<C> = (end: (reason: EndReason) => void) => Effect.Effect<C, Failure, Scope.Scope>

/**
 * What a pool holds at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly max: number
  readonly open: number
  readonly idle: number
  readonly inUse: number
  readonly waiting: number
}

/**
 * A pool of connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionPool<C> {
  /** A connection of one's own until the scope closes. */
  readonly get: Effect.Effect<C, Failure, Scope.Scope>
  /** What is made of a connection of one's own, until the scope closes: then it is closed, and the connection given back. */
  readonly keep: <A>(
    make: (connection: C) => A,
    close: (made: A) => Effect.Effect<void>
  ) => Effect.Effect<A, Failure, Scope.Scope>
  /** A connection of one's own for the time of an effect. */
  readonly use: <A, E, R>(effect: (connection: C) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | Failure, R>
  readonly stats: Effect.Effect<Stats>
}

/**
 * Makes a pool. Closing the scope refuses new borrowers, waits for those that have a connection, and closes all. An
 * option that makes no sense, such as a rate of 0, is a defect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <C>(open: Open<C>, options: Options = {}): Effect.Effect<ConnectionPool<C>, never, Scope.Scope> =>
  Effect.suspend(() => {
    const min = check.whole("minConnections", options.minConnections ?? 0, 0)
    const max = check.whole("maxConnections", options.maxConnections ?? Math.max(min, 10), 1)
    if (min > max) throw new Error(`minConnections must not exceed maxConnections, and is ${min} of ${max}`)
    const life = check.period("connectionLife", options.connectionLife ?? "55 minutes")
    if (life >= Limits.connectionMinutes * 60_000) {
      throw new Error(`connectionLife must be below the service's ${Limits.connectionMinutes} minutes`)
    }
    const settings = {
      name: options.name ?? "effect-dsql",
      min,
      max,
      life,
      idleTimeout: check.period("idleTimeout", options.idleTimeout ?? "1 minute"),
      waitTimeout: check.wait("waitTimeout", options.waitTimeout ?? "30 seconds"),
      drainTimeout: check.wait("drainTimeout", options.drainTimeout ?? "1 minute")
    }
    const bucket = TokenBucket.make({
      perSecond: check.positive("connectRate", options.connectRate ?? 10),
      burst: check.whole("connectBurst", options.connectBurst ?? 100, 1)
    })
    return pool.make(open, settings, bucket)
  })
