/**
 * How connections end: each by itself, those that were idle for long, and all of them when the pool closes.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import * as rareLog from "../metrics/rareLog.ts"
import * as Monotonic from "../time/monotonic.ts"
import * as measure from "./measure.ts"
import { closing, endOf, type Ending, type Entry, failWaiters, type Settings, type State } from "./state.ts"

/** Closes one connection, and has it replaced where it is missed. */
export const retire = <C>(self: State<C>, entry: Entry<C>, reason: Ending): void => {
  if (!self.entries.delete(entry)) return
  const index = self.idle.indexOf(entry)
  if (index !== -1) self.idle.splice(index, 1)
  const { name } = self.settings
  const said =
    reason === "lost"
      ? rareLog.log("Debug", "connection lost, replacing it alone", { pool: name, open: self.entries.size })
      : Effect.void
  self.closer(Effect.all([Scope.close(entry.scope, Exit.void), measure.closed(name, reason), said], { discard: true }))
  if (self.drained === undefined) self.grow()
  else if (self.entries.size === 0) Deferred.doneUnsafe(self.drained, Effect.void)
}

/** Closes the connections whose time is over, again and again. */
export const sweeping = <C>(self: State<C>): Effect.Effect<never> =>
  Effect.forever(Effect.andThen(Effect.sleep(untilNextLook(self.settings)), sweep(self)))

/** A quarter of the time that a connection may be idle; often enough that none outlives the service's hour. */
const untilNextLook = ({ idleTimeout }: Settings): number => Math.min(Math.max(idleTimeout / 4, 100), 60_000)

const sweep = <C>(self: State<C>): Effect.Effect<void> =>
  Effect.sync(() => {
    const now = Monotonic.millisOf(self.clock)
    for (const entry of self.idle.slice()) {
      const idle = now - entry.idleSince >= self.settings.idleTimeout && self.entries.size > self.settings.min
      const reason = endOf(self, entry) ?? (idle ? "idle" : undefined)
      if (reason !== undefined) retire(self, entry, reason)
    }
    self.grow()
  })

/** Closes the pool: refuses new borrowers, waits for those that have a connection, and closes all. */
export const drain = <C>(
  self: State<C>,
  openers: FiberSet.FiberSet<unknown, unknown>,
  closers: FiberSet.FiberSet<unknown, unknown>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const drained = Deferred.makeUnsafe<void>()
    self.drained = drained
    failWaiters(self, closing)
    yield* FiberSet.clear(openers)
    for (const entry of self.idle.slice()) retire(self, entry, "shutdown")
    if (self.entries.size > 0) {
      yield* rareLog.log("Debug", "closing the connection pool, waiting for connections in use", {
        pool: self.settings.name,
        inUse: self.entries.size
      })
      yield* Effect.interruptible(Effect.timeoutOption(Deferred.await(drained), self.settings.drainTimeout))
    }
    for (const entry of Array.from(self.entries)) retire(self, entry, "shutdown")
    yield* FiberSet.awaitEmpty(closers)
  })
