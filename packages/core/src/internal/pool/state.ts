/**
 * What a pool is made of. Everything that changes it is synchronous, so no two changes mix.
 *
 * Times and durations are milliseconds of the monotonic clock.
 */
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ConnectionUnavailable } from "../../DsqlError.ts"
import type { AttemptError } from "../errors/classify.ts"
import * as Monotonic from "../time/monotonic.ts"
import type * as TokenBucket from "../time/tokenBucket.ts"

/** Why a connection ended, as `dsql_pool_closed_total` counts it. */
export type Ending = "life" | "idle" | "lost" | "interrupted" | "in_transaction" | "shutdown"

export interface Settings {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly idleTimeout: number
  readonly life: number
  readonly waitTimeout: number
  readonly drainTimeout: number
}

/** A connection that is open. */
export interface Entry<C> {
  readonly connection: C
  readonly scope: Scope.Closeable
  readonly endsAt: number
  idleSince: number
  lentAt: number
  /** Why it is not to be handed out again. */
  end: Ending | undefined
}

/** Somebody for whom no connection was free. */
export interface Waiter<C> {
  readonly deferred: Deferred.Deferred<Entry<C>, AttemptError>
  entry: Entry<C> | undefined
}

export interface State<C> {
  readonly settings: Settings
  readonly open: (end: (reason: Ending) => void) => Effect.Effect<C, AttemptError, Scope.Scope>
  readonly bucket: TokenBucket.TokenBucket
  readonly clock: Clock.Clock
  /** Opens connections; ended when the pool closes. */
  readonly opener: (effect: Effect.Effect<void>) => void
  /** Closes connections; waited for when the pool closes. */
  readonly closer: (effect: Effect.Effect<void>) => void
  /** Opens as many connections as are missing now. */
  readonly grow: () => void
  readonly entries: Set<Entry<C>>
  readonly idle: Array<Entry<C>>
  readonly waiters: Set<Waiter<C>>
  opening: number
  /** The refusal that is being backed off from. */
  refusal: AttemptError | undefined
  /** There once the pool is closing, and done when its last connection has ended. */
  drained: Deferred.Deferred<void> | undefined
}

/** What a borrower is told while the pool closes. */
export const closing = new ConnectionUnavailable({
  reason: "closing",
  message: "the connection pool is being closed: this program is shutting down"
})

export const stats = <C>({ entries, idle, settings, waiters }: State<C>) => ({
  max: settings.max,
  open: entries.size,
  idle: idle.length,
  inUse: entries.size - idle.length,
  waiting: waiters.size
})

/** Why a connection is not to be handed out now, if it is not. */
export const endOf = <C>(self: State<C>, entry: Entry<C>): Ending | undefined =>
  entry.end ?? (Monotonic.millisOf(self.clock) >= entry.endsAt ? "life" : undefined)

/** Tells all who wait that they wait in vain. */
export const failWaiters = <C>(self: State<C>, error: AttemptError): void => {
  const waiters = [...self.waiters]
  self.waiters.clear()
  for (const { deferred } of waiters) Deferred.doneUnsafe(deferred, Effect.fail(error))
}
