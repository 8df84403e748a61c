/**
 * The pool behind `ConnectionPool`. Everything that changes its state is synchronous, so no two changes mix.
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { ConnectionPool, EndReason, Open, Options, Stats } from "../ConnectionPool.ts"
import { ConnectionUnavailable } from "../DsqlError.ts"
import { afterFailure } from "./afterFailure.ts"
import type { AttemptError } from "./errors/classify.ts"
import * as measure from "./poolMeasure.ts"
import * as rareLog from "./rareLog.ts"
import * as TokenBucket from "./tokenBucket.ts"

interface Entry<C> {
  readonly connection: C
  readonly scope: Scope.Closeable
  readonly endsAt: number
  idleSince: number
  /** Why it is not to be handed out again. */
  end: EndReason | undefined
}

interface Waiter<C> {
  readonly deferred: Deferred.Deferred<Entry<C>, AttemptError>
  entry: Entry<C> | undefined
}

interface State<C> {
  readonly settings: Settings
  readonly open: Open<C>
  readonly bucket: TokenBucket.TokenBucket
  readonly clock: Clock.Clock
  /** Opens connections; ended when the pool closes. */
  readonly opener: (effect: Effect.Effect<void>) => void
  /** Closes connections; waited for when the pool closes. */
  readonly closer: (effect: Effect.Effect<void>) => void
  readonly entries: Set<Entry<C>>
  readonly idle: Array<Entry<C>>
  readonly waiters: Set<Waiter<C>>
  opening: number
  /** The refusal that is being backed off from. */
  refusal: AttemptError | undefined
  drained: Deferred.Deferred<void> | undefined
}

type Settings = ReturnType<typeof settingsOf>

const settingsOf = (options: Options) => {
  const millis = (input: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(input))
  const min = options.minConnections ?? 0
  return {
    name: options.name ?? "effect-dsql",
    min,
    max: Math.max(min, options.maxConnections ?? 10),
    idleTimeout: millis(options.idleTimeout ?? "1 minute"),
    life: millis(options.connectionLife ?? "55 minutes"),
    waitTimeout: millis(options.waitTimeout ?? "30 seconds"),
    connectRate: options.connectRate ?? 10,
    connectBurst: options.connectBurst ?? 100,
    drainTimeout: millis(options.drainTimeout ?? "1 minute")
  }
}

const longestLife = Limits.connectionMinutes * 60_000

/** Makes a pool, which drains when the scope closes. */
export const make = Effect.fnUntraced(function* <C>(
  open: Open<C>,
  options: Options = {}
): Effect.fn.Return<ConnectionPool<C>, never, Scope.Scope> {
  const settings = settingsOf(options)
  if (settings.life >= longestLife) {
    return yield* Effect.die(
      new Error(`connectionLife must be below the service's ${Limits.connectionMinutes} minutes`)
    )
  }
  const openers = yield* FiberSet.make()
  const closers = yield* FiberSet.make()
  const self: State<C> = {
    settings,
    open,
    bucket: TokenBucket.make({ perSecond: settings.connectRate, burst: settings.connectBurst }),
    clock: yield* Clock.Clock,
    opener: yield* FiberSet.runtime(openers)<never>(),
    closer: yield* FiberSet.runtime(closers)<never>(),
    entries: new Set(),
    idle: [],
    waiters: new Set(),
    opening: 0,
    refusal: undefined,
    drained: undefined
  }
  yield* measure.register(settings.name, () => statsOf(self))
  yield* Effect.addFinalizer(() => drain(self, openers, closers))
  grow(self)
  // Four looks in the time that a connection may be idle: it is closed at most a quarter late.
  self.opener(Effect.forever(Effect.andThen(Effect.sleep(settings.idleTimeout / 4), sweep(self))))
  return {
    get: Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(acquire(self, restore), (entry) =>
        Effect.as(
          Effect.addFinalizer(() => release(self, entry)),
          entry.connection
        )
      )
    ),
    use: (effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(acquire(self, restore), (entry) =>
          Effect.onExit(restore(effect(entry.connection)), () => release(self, entry))
        )
      ),
    stats: Effect.sync(() => statsOf(self))
  }
})

const statsOf = <C>(self: State<C>): Stats => ({
  max: self.settings.max,
  open: self.entries.size,
  idle: self.idle.length,
  inUse: self.entries.size - self.idle.length,
  waiting: self.waiters.size
})

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const acquire = <C>(self: State<C>, restore: Restore): Effect.Effect<Entry<C>, AttemptError> =>
  Effect.suspend(() => {
    if (self.drained !== undefined) return refuse(self, closing)
    const entry = self.waiters.size === 0 ? takeIdle(self) : undefined
    return entry === undefined ? wait(self, restore) : Effect.succeed(entry)
  })

const closing = new ConnectionUnavailable({
  reason: "closing",
  message: "the connection pool is being closed: this program is shutting down"
})

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

const endOf = <C>(self: State<C>, entry: Entry<C>): EndReason | undefined =>
  entry.end ?? (self.clock.currentTimeMillisUnsafe() >= entry.endsAt ? "life" : undefined)

const wait = <C>(self: State<C>, restore: Restore): Effect.Effect<Entry<C>, AttemptError> =>
  Effect.suspend(() => {
    const { name, waitTimeout } = self.settings
    const start = self.clock.currentTimeMillisUnsafe()
    const waiter: Waiter<C> = { deferred: Deferred.makeUnsafe(), entry: undefined }
    self.waiters.add(waiter)
    grow(self)
    const timedOut = Effect.suspend(() => Effect.fail(self.refusal ?? busy(self)))
    return restore(
      Effect.timeoutOrElse(Deferred.await(waiter.deferred), { duration: waitTimeout, orElse: () => timedOut })
    ).pipe(
      Effect.onExit((exit) => {
        self.waiters.delete(waiter)
        // It may have been given a connection in the moment in which it gave up.
        if (Exit.isFailure(exit) && waiter.entry !== undefined) give(self, waiter.entry)
        return measure.waited(name, self.clock.currentTimeMillisUnsafe() - start)
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

const release = <C>(self: State<C>, entry: Entry<C>): Effect.Effect<void> =>
  Effect.sync(() => {
    const reason = endOf(self, entry) ?? (self.drained === undefined ? undefined : "shutdown")
    if (reason === undefined) give(self, entry)
    else retire(self, entry, reason)
  })

/** Gives a connection to who waits longest. */
const give = <C>(self: State<C>, entry: Entry<C>): void => {
  const [waiter] = self.waiters
  if (self.drained !== undefined) return retire(self, entry, "shutdown")
  if (waiter === undefined) {
    entry.idleSince = self.clock.currentTimeMillisUnsafe()
    self.idle.push(entry)
    return
  }
  self.waiters.delete(waiter)
  waiter.entry = entry
  Deferred.doneUnsafe(waiter.deferred, Effect.succeed(entry))
}

const retire = <C>(self: State<C>, entry: Entry<C>, reason: EndReason): void => {
  if (!self.entries.delete(entry)) return
  const index = self.idle.indexOf(entry)
  if (index !== -1) self.idle.splice(index, 1)
  const { name } = self.settings
  const said =
    reason === "lost"
      ? rareLog.log("Debug", "connection lost, replacing it alone", { pool: name, open: self.entries.size })
      : Effect.void
  self.closer(Effect.all([Scope.close(entry.scope, Exit.void), measure.closed(name, reason), said], { discard: true }))
  if (self.drained === undefined) grow(self)
  else if (self.entries.size === 0) Deferred.doneUnsafe(self.drained, Effect.void)
}

/** How many connections are short, for those who wait and for the least that are kept. */
const missing = <C>({ entries, opening, settings, waiters }: State<C>): number =>
  Math.min(settings.max - entries.size, Math.max(waiters.size, settings.min - entries.size)) - opening

const grow = <C>(self: State<C>): void => {
  if (self.drained !== undefined || self.refusal !== undefined) return
  for (let more = missing(self); more > 0; more--) {
    self.opening += 1
    self.opener(
      Effect.matchEffect(openOne(self), {
        onSuccess: (entry) => Effect.sync(() => opened(self, entry)),
        onFailure: (error) => failed(self, error)
      })
    )
  }
}

const opened = <C>(self: State<C>, entry: Entry<C>): void => {
  self.opening -= 1
  self.entries.add(entry)
  if (entry.end === undefined) give(self, entry)
  else retire(self, entry, entry.end)
}

const openOne = <C>(self: State<C>): Effect.Effect<Entry<C>, AttemptError> =>
  Effect.uninterruptibleMask((restore) => {
    const { life, name } = self.settings
    const scope = Scope.makeUnsafe()
    let entry: Entry<C> | undefined
    let ended: EndReason | undefined
    const end = (reason: EndReason) => {
      ended ??= reason
      if (entry === undefined) return
      entry.end ??= reason
      if (self.idle.includes(entry)) retire(self, entry, reason)
    }
    const connection = Effect.andThen(self.bucket.take, measure.connecting(name, Scope.provide(self.open(end), scope)))
    return restore(Effect.all([connection, Random.nextBetween(0.8, 1)])).pipe(
      Effect.map(([opened, share]) => {
        const now = self.clock.currentTimeMillisUnsafe()
        entry = { connection: opened, scope, endsAt: now + life * share, idleSince: now, end: ended }
        return entry
      }),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
  })

/** What time may heal: the service admits 100 connections a second, and a cluster that was lost may come back. */
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

const isRefusal = (error: AttemptError): boolean =>
  error._tag === "ConnectionThrottled" || error._tag === "TooManyConnections"

/** Who waits may hope for a connection that is in use, or for a cluster that is only busy. */
const mayWait = <C>(self: State<C>, error: AttemptError): boolean =>
  isRefusal(error) || (error._tag === "ConnectionLost" && self.entries.size > 0)

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
          opened(self, entry)
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

const failWaiters = <C>(self: State<C>, error: AttemptError): void => {
  const waiters = [...self.waiters]
  self.waiters.clear()
  for (const { deferred } of waiters) Deferred.doneUnsafe(deferred, Effect.fail(error))
}

const sweep = <C>(self: State<C>): Effect.Effect<void> =>
  Effect.sync(() => {
    const now = self.clock.currentTimeMillisUnsafe()
    for (const entry of self.idle.slice()) {
      const idle = now - entry.idleSince >= self.settings.idleTimeout && self.entries.size > self.settings.min
      const reason = endOf(self, entry) ?? (idle ? "idle" : undefined)
      if (reason !== undefined) retire(self, entry, reason)
    }
    grow(self)
  })

const drain = <C>(
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
