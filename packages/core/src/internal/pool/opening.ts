/**
 * How connections are opened: as many as are missing, at a pace, and one at a time while they are refused.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { AttemptError } from "../errors/classify.ts"
import * as rareLog from "../metrics/rareLog.ts"
import { afterFailure } from "../time/afterFailure.ts"
import * as Monotonic from "../time/monotonic.ts"
import { retire } from "./closing.ts"
import { admit } from "./lending.ts"
import * as measure from "./measure.ts"
import { type Ending, type Entry, failWaiters, type State } from "./state.ts"

/** Opens as many connections as are missing now. */
export const grow = <C>(self: State<C>): void => {
  if (self.drained !== undefined || self.refusal !== undefined) return
  for (let more = missing(self); more > 0; more--) {
    self.opening += 1
    self.opener(
      Effect.matchEffect(openOne(self), {
        onSuccess: (entry) => Effect.sync(() => admit(self, entry)),
        onFailure: (error) => failed(self, error)
      })
    )
  }
}

/** How many connections are short, for those who wait and for the least that are kept. */
const missing = <C>({ entries, opening, settings, waiters }: State<C>): number =>
  Math.min(settings.max - entries.size, Math.max(waiters.size, settings.min - entries.size)) - opening

const openOne = <C>(self: State<C>): Effect.Effect<Entry<C>, AttemptError> =>
  Effect.uninterruptibleMask((restore) => {
    const { life, name } = self.settings
    const scope = Scope.makeUnsafe()
    let entry: Entry<C> | undefined
    let ended: Ending | undefined
    const end = (reason: Ending) => {
      ended ??= reason
      if (entry === undefined) return
      entry.end ??= reason
      if (self.idle.includes(entry)) retire(self, entry, reason)
    }
    const connection = Effect.andThen(self.bucket.take, measure.connecting(name, Scope.provide(self.open(end), scope)))
    return restore(Effect.all([connection, Random.nextBetween(0.8, 1)])).pipe(
      Effect.map(([opened, share]) => {
        const now = Monotonic.millisOf(self.clock)
        entry = { connection: opened, scope, endsAt: now + life * share, idleSince: now, lentAt: now, end: ended }
        return entry
      }),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
  })

const failed = <C>(self: State<C>, first: AttemptError): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!mayWait(self, first)) failWaiters(self, first)
    const needed = self.waiters.size > 0 || self.entries.size + self.opening - 1 < self.settings.min
    if (!needed || self.refusal !== undefined) {
      self.opening -= 1
      return Effect.void
    }
    return probe(self, first)
  })

const isRefusal = (error: AttemptError): boolean =>
  error._tag === "ConnectionThrottled" || error._tag === "TooManyConnections"

/** Who waits may hope for a connection that is in use, or for a cluster that is only busy. */
const mayWait = <C>(self: State<C>, error: AttemptError): boolean =>
  isRefusal(error) || (error._tag === "ConnectionLost" && self.entries.size > 0)

/** What time may heal: the service admits 100 connections a second, and a cluster that was lost may come back. */
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

/** While connections are refused one attempt is made at a time, for as long as somebody needs one. */
const probe = <C>(self: State<C>, first: AttemptError): Effect.Effect<void> => {
  self.refusal = first
  const attempt = Effect.tapError(openOne(self), (error) =>
    Effect.sync(() => {
      self.refusal = error
      if (!mayWait(self, error)) failWaiters(self, error)
    })
  )
  const said = Schedule.tap(backoff, ({ duration }) =>
    rareLog.log("Warn", "connection refused, backing off", {
      pool: self.settings.name,
      delayMillis: Duration.toMillis(duration),
      error: self.refusal?._tag,
      waiting: self.waiters.size
    })
  )
  const isNeeded = () => self.waiters.size > 0 || self.entries.size < self.settings.min
  return Effect.retry(afterFailure(first, attempt), { schedule: said, while: isNeeded }).pipe(
    Effect.matchEffect({
      onSuccess: (entry) =>
        Effect.sync(() => {
          self.refusal = undefined
          admit(self, entry)
          grow(self)
        }),
      onFailure: () =>
        Effect.sync(() => {
          self.refusal = undefined
          self.opening -= 1
          grow(self)
        })
    })
  )
}
