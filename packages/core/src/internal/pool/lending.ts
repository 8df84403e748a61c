/**
 * Who gets a connection: the one that was used last, or the first that comes back, in the order of those who wait.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { ConnectionUnavailable } from "../../DsqlError.ts"
import type { AttemptError } from "../errors/classify.ts"
import * as Monotonic from "../time/monotonic.ts"
import { retire } from "./closing.ts"
import * as measure from "./measure.ts"
import { closing, endOf, type Entry, type State, type Waiter } from "./state.ts"

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Takes a connection that is idle, or waits for one, which `restore` lets be interrupted. */
export const acquire = <C>(self: State<C>, restore: Restore): Effect.Effect<Entry<C>, AttemptError> =>
  Effect.withFiber((fiber) => {
    if (self.drained !== undefined) return refuse(self, closing)
    const start = Monotonic.millisOf(self.clock)
    const entry = self.waiters.size === 0 ? takeIdle(self) : undefined
    return entry === undefined
      ? Effect.map(wait(self, restore, start), (given) => lend(self, given, start, fiber))
      : Effect.succeed(lend(self, entry, start, fiber))
  })

const lend = <C>(self: State<C>, entry: Entry<C>, start: number, fiber: Fiber.Fiber<unknown, unknown>): Entry<C> => {
  entry.lentAt = Monotonic.millisOf(self.clock)
  measure.lent(self.settings.name, entry.lentAt - start, fiber)
  return entry
}

/** Takes a connection back from its borrower. */
export const release = <C>(self: State<C>, entry: Entry<C>): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const millis = Monotonic.millisOf(self.clock) - entry.lentAt
    const reason = endOf(self, entry)
    if (reason === undefined) give(self, entry)
    else retire(self, entry, reason)
    measure.returned(self.settings.name, millis, fiber)
    return Effect.void
  })

/** Takes in a connection that has just been opened. */
export const admit = <C>(self: State<C>, entry: Entry<C>): void => {
  self.opening -= 1
  self.entries.add(entry)
  if (entry.end === undefined) give(self, entry)
  else retire(self, entry, entry.end)
}

const refuse = <C>(self: State<C>, error: AttemptError) =>
  Effect.andThen(measure.refused(self.settings.name, error), Effect.fail(error))

/** The connection that was used last, because it is the warmest and lets the others grow idle. */
const takeIdle = <C>(self: State<C>): Entry<C> | undefined => {
  for (;;) {
    const entry = self.idle.pop()
    if (entry === undefined) return undefined
    const reason = endOf(self, entry)
    if (reason === undefined) return entry
    retire(self, entry, reason)
  }
}

const wait = <C>(self: State<C>, restore: Restore, start: number): Effect.Effect<Entry<C>, AttemptError> =>
  Effect.suspend(() => {
    const { name, waitTimeout } = self.settings
    const waiter: Waiter<C> = { deferred: Deferred.makeUnsafe(), entry: undefined }
    self.waiters.add(waiter)
    self.grow()
    const timedOut = Effect.suspend(() => Effect.fail(self.refusal ?? busy(self)))
    return restore(
      Effect.timeoutOrElse(Deferred.await(waiter.deferred), { duration: waitTimeout, orElse: () => timedOut })
    ).pipe(
      Effect.onExit((exit) => {
        self.waiters.delete(waiter)
        // It may have been given a connection in the moment in which it gave up.
        if (Exit.isFailure(exit) && waiter.entry !== undefined) give(self, waiter.entry)
        return measure.waited(name, Monotonic.millisOf(self.clock) - start)
      }),
      Effect.catch((error) => refuse(self, error))
    )
  })

const busy = <C>(self: State<C>): AttemptError =>
  new ConnectionUnavailable({
    reason: "busy",
    message:
      `no connection became free in ${self.settings.waitTimeout} ms: ${self.entries.size} of ${self.settings.max} are ` +
      `open and in use, ${self.waiters.size} more wait: use fewer at once or raise maxConnections`
  })

/** Gives a connection to who waits longest. */
const give = <C>(self: State<C>, entry: Entry<C>): void => {
  const [waiter] = self.waiters
  if (self.drained !== undefined) return retire(self, entry, "shutdown")
  if (waiter === undefined) {
    entry.idleSince = Monotonic.millisOf(self.clock)
    self.idle.push(entry)
    return
  }
  self.waiters.delete(waiter)
  waiter.entry = entry
  Deferred.doneUnsafe(waiter.deferred, Effect.succeed(entry))
}
