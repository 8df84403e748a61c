import { ConnectionPool, DsqlError } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Random, Ref, Scope } from "effect"
import { TestClock } from "effect/testing"

const throttled = new DsqlError.ConnectionThrottled({ message: "rate exceeded" })
const lost = new DsqlError.ConnectionLost({ phase: "connect", message: "connection refused" })
const denied = new DsqlError.AuthenticationFailed({ reason: "denied", message: "access denied" })

interface Connection {
  readonly id: number
  readonly end: (reason: ConnectionPool.EndReason) => void
}

/** A server that opens connections at once, unless it refuses. */
const server = Effect.sync(() => {
  const open = new Set<number>()
  const state: {
    attempts: number
    refuse: typeof throttled | typeof lost | typeof denied | undefined
    open: Set<number>
  } = { attempts: 0, refuse: undefined, open }
  const connect: ConnectionPool.Open<Connection> = (end) =>
    // What asks at the same time is there before the first answer is.
    Effect.flatMap(Effect.yieldNow, () => {
      const id = ++state.attempts
      const { refuse } = state
      if (refuse !== undefined) return Effect.fail(refuse)
      return Effect.acquireRelease(
        Effect.sync(() => {
          open.add(id)
          return { id, end }
        }),
        () => Effect.sync(() => open.delete(id))
      )
    })
  return { state, connect }
})

/** Lets everything that can go on without time passing go on. */
const settle = TestClock.adjust(0)

/** Borrows a connection until it is let go. */
const hold = <A extends ConnectionPool.ConnectionPool<Connection>>(pool: A) =>
  Effect.gen(function* () {
    const done = yield* Deferred.make<void>()
    const got = yield* Deferred.make<Connection>()
    const fiber = yield* Effect.forkScoped(
      pool.use((connection) => Effect.andThen(Deferred.succeed(got, connection), Deferred.await(done)))
    )
    yield* settle
    return {
      fiber,
      connection: Deferred.await(got),
      hasOne: Deferred.isDone(got),
      letGo: Effect.andThen(Deferred.succeed(done, undefined), settle)
    }
  })

const id = (connection: Connection) => connection.id

describe("ConnectionPool", () => {
  it.effect("opens a connection when one is needed, and uses it again", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect)
      assert.strictEqual(state.attempts, 0)
      assert.strictEqual(yield* pool.use((connection) => Effect.succeed(id(connection))), 1)
      assert.strictEqual(yield* pool.use((connection) => Effect.succeed(id(connection))), 1)
      assert.strictEqual(state.attempts, 1)
    })
  )

  it.effect("closes what was made of a connection before somebody else has it", () =>
    Effect.gen(function* () {
      const { connect } = yield* server
      const pool = yield* ConnectionPool.make(connect, { maxConnections: 1 })
      const events: Array<string> = []
      const note = (event: string) => Effect.sync(() => void events.push(event))
      const made = pool.keep(
        (connection) => `made of ${id(connection)}`,
        (name) => Effect.andThen(note(`closing ${name}`), Effect.die("not closed"))
      )
      const others = yield* Effect.forkScoped(
        Effect.andThen(
          Effect.yieldNow,
          pool.use(() => note("somebody else"))
        )
      )
      const exit = yield* Effect.exit(Effect.scoped(Effect.flatMap(made, note)))
      yield* Fiber.join(others)
      assert.isTrue(Exit.hasDies(exit))
      assert.deepStrictEqual(events, ["made of 1", "closing made of 1", "somebody else"])
    })
  )

  it.effect(
    "gives a connection back of which nothing could be made, or where what was made throws when it is closed",
    () =>
      Effect.gen(function* () {
        const { connect } = yield* server
        const pool = yield* ConnectionPool.make(connect, { maxConnections: 1 })
        const thrown = () => {
          throw new Error("thrown")
        }
        for (const made of [pool.keep(thrown, () => Effect.void), pool.keep(id, thrown)]) {
          assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.scoped(made))))
          assert.strictEqual((yield* pool.stats).inUse, 0)
        }
      })
  )

  it.effect("never opens more than it may, and serves those who wait in their order", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { maxConnections: 2 })
      const first = yield* hold(pool)
      const second = yield* hold(pool)
      const third = yield* hold(pool)
      const fourth = yield* hold(pool)
      assert.strictEqual(state.open.size, 2)
      assert.deepStrictEqual(yield* pool.stats, { max: 2, open: 2, idle: 0, inUse: 2, waiting: 2 })
      yield* second.letGo
      assert.isTrue(yield* third.hasOne)
      assert.isFalse(yield* fourth.hasOne)
      yield* first.letGo
      assert.isTrue(yield* fourth.hasOne)
      assert.strictEqual(state.attempts, 2)
    })
  )

  it.effect("lets nobody wait longer than it says, and says what to do", () =>
    Effect.gen(function* () {
      const { connect } = yield* server
      const pool = yield* ConnectionPool.make(connect, { maxConnections: 1, waitTimeout: "5 seconds" })
      yield* hold(pool)
      const waiting = yield* Effect.forkScoped(Effect.flip(Effect.scoped(pool.get)))
      yield* TestClock.adjust("5 seconds")
      const failure = yield* Fiber.join(waiting)
      assert.include(failure, { _tag: "ConnectionUnavailable", reason: "busy" } as const)
      assert.include(failure.message, "raise maxConnections")
      assert.strictEqual((yield* pool.stats).waiting, 0)
    })
  )

  it.effect("loses no connection to a borrower that gives up in the moment it is served", () =>
    Effect.gen(function* () {
      const { connect } = yield* server
      const pool = yield* ConnectionPool.make(connect, { maxConnections: 1 })
      const holder = yield* hold(pool)
      const waiting = yield* Effect.forkScoped(Effect.scoped(pool.get), { startImmediately: true })
      // Served and interrupted before it runs again.
      yield* Effect.all([holder.letGo, Fiber.interrupt(waiting)], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* pool.stats, { max: 1, open: 1, idle: 1, inUse: 0, waiting: 0 })
    })
  )
})

describe("the life of a connection", () => {
  it.effect("ends at a time of its own, before the service ends it", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, {
        maxConnections: 50,
        minConnections: 50,
        connectionLife: "55 minutes",
        idleTimeout: "1 minute"
      })
      yield* settle
      assert.strictEqual(state.open.size, 50)
      yield* TestClock.adjust("43 minutes")
      assert.strictEqual(state.attempts, 50)
      const replaced: Array<number> = []
      for (let minute = 44; minute <= 56; minute++) {
        yield* TestClock.adjust("1 minute")
        replaced.push(state.attempts)
      }
      assert.strictEqual(replaced.at(-1), 100)
      // Not at once: no minute has half of them.
      for (const [index, total] of replaced.entries()) assert.isBelow(total - (replaced[index - 1] ?? 50), 25)
      assert.strictEqual((yield* pool.stats).open, 50)
    }).pipe(Random.withSeed("life"))
  )

  it.effect("is over for the next borrower, and not for the one who has it", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { connectionLife: "10 minutes" })
      const holder = yield* hold(pool)
      yield* TestClock.adjust("20 minutes")
      assert.deepStrictEqual([...state.open], [1])
      yield* holder.letGo
      assert.deepStrictEqual([...state.open], [])
      assert.strictEqual(yield* pool.use((connection) => Effect.succeed(id(connection))), 2)
    })
  )

  it.effect("is no longer when the wall clock is set back", () =>
    Effect.gen(function* () {
      const { connect } = yield* server
      const now = Date.UTC(2026, 10, 28)
      yield* TestClock.setTime(now)
      const pool = yield* ConnectionPool.make(connect, { connectionLife: "10 minutes", idleTimeout: "1 day" })
      yield* pool.use(() => Effect.void)
      yield* TestClock.adjust("5 minutes")
      yield* TestClock.setTime(now)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* pool.use((connection) => Effect.succeed(id(connection))), 2)
    })
  )

  it.effect("cannot be as long as the service's", () =>
    Effect.gen(function* () {
      const { connect } = yield* server
      const exit = yield* Effect.exit(ConnectionPool.make(connect, { connectionLife: "60 minutes" }))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), "connectionLife must be below the service's 60 minutes")
    })
  )

  it.effect("ends at once where none is to be idle for more than a moment, without looking all the time", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { idleTimeout: "1 nano" })
      yield* pool.use(() => Effect.void)
      assert.strictEqual(state.open.size, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(state.open.size, 0)
    })
  )

  it.effect("ends when it was idle for long, but for the least that are kept", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { minConnections: 1, idleTimeout: "1 minute" })
      const holders = [yield* hold(pool), yield* hold(pool), yield* hold(pool)]
      for (const holder of holders) yield* holder.letGo
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(state.open.size, 3)
      yield* TestClock.adjust("16 seconds")
      assert.strictEqual(state.open.size, 1)
    })
  )
})

describe("a connection that breaks", () => {
  it.effect("is replaced alone while it is idle, and is not handed out", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { minConnections: 2 })
      const [first, second] = [yield* hold(pool), yield* hold(pool)]
      const broken = yield* first.connection
      yield* first.letGo
      broken.end("lost")
      yield* settle
      const others = [id(yield* second.connection), 3]
      assert.deepStrictEqual([...state.open], others)
      yield* second.letGo
      assert.deepStrictEqual([...state.open], others)
    })
  )

  it.effect("is closed when it comes back from who had it", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect)
      const holder = yield* hold(pool)
      const broken = yield* holder.connection
      broken.end("interrupted")
      assert.strictEqual(state.open.size, 1)
      yield* holder.letGo
      assert.strictEqual(state.open.size, 0)
    })
  )
})

describe("opening connections", () => {
  it.effect("is paced: a burst, then so many a second", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { maxConnections: 40, connectRate: 10, connectBurst: 5 })
      for (let each = 0; each < 40; each++) yield* Effect.forkScoped(pool.use(() => Effect.never))
      yield* settle
      assert.strictEqual(state.attempts, 5)
      // No window of a second, wherever it begins, admits more than the burst and the rate.
      for (let tenth = 1; tenth <= 35; tenth++) {
        yield* TestClock.adjust("100 millis")
        assert.strictEqual(state.attempts, 5 + tenth)
      }
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(state.attempts, 40)
    })
  )

  it.effect("keeps its pace when the wall clock is set back", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      yield* TestClock.setTime(Date.UTC(2026, 10, 28))
      const pool = yield* ConnectionPool.make(connect, { connectRate: 10, connectBurst: 1 })
      yield* hold(pool)
      yield* TestClock.setTime(Date.UTC(2026, 10, 28) - 60_000)
      yield* hold(pool)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(state.attempts, 2)
    })
  )

  it.effect("warms up what is kept, without being asked", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      yield* ConnectionPool.make(connect, { minConnections: 3 })
      yield* settle
      assert.strictEqual(state.open.size, 3)
    })
  )

  it.effect("backs off while it is refused, one attempt at a time, and leaves the open ones alone", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { maxConnections: 10, waitTimeout: "1 minute" })
      const healthy = yield* hold(pool)
      state.refuse = throttled
      const done = yield* Ref.make(0)
      for (let each = 0; each < 200; each++) {
        yield* Effect.forkScoped(
          Effect.andThen(
            Effect.scoped(pool.get),
            Ref.update(done, (n) => n + 1)
          )
        )
      }
      yield* settle
      // The first nine went together, because nobody knew; from then on it is one.
      assert.strictEqual(state.attempts, 10)
      yield* TestClock.adjust("30 seconds")
      assert.isBelow(state.attempts, 10 + 24)
      assert.isAbove(state.attempts, 10 + 15)
      assert.deepStrictEqual([...state.open], [1])
      state.refuse = undefined
      yield* TestClock.adjust("2400 millis")
      assert.strictEqual(yield* Ref.get(done), 200)
      yield* healthy.letGo
    })
  )

  it.effect("gives the refusal to who waited in vain", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      state.refuse = throttled
      const pool = yield* ConnectionPool.make(connect, { waitTimeout: "10 seconds" })
      const waiting = yield* Effect.forkScoped(Effect.flip(Effect.scoped(pool.get)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(waiting), throttled)
      const attempts = state.attempts
      yield* TestClock.adjust("1 hour")
      assert.isAtMost(state.attempts, attempts + 1)
    })
  )

  it.effect("fails at once where waiting cannot help, and tells all who wait", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect, { maxConnections: 3 })
      for (const failure of [denied, lost]) {
        state.refuse = failure
        const failures = yield* Effect.all(
          Array.from({ length: 20 }, () => Effect.flip(Effect.scoped(pool.get))),
          { concurrency: "unbounded" }
        )
        for (const each of failures) assert.strictEqual(each, failure)
      }
      // Not an attempt for each of those who wait, but for each connection that there may be at most.
      assert.isAtMost(state.attempts, 6)
    })
  )

  it.effect("goes on trying when the network fails while others are connected", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const pool = yield* ConnectionPool.make(connect)
      yield* hold(pool)
      state.refuse = lost
      const waiting = yield* Effect.forkScoped(Effect.scoped(pool.get))
      yield* TestClock.adjust("1 second")
      state.refuse = undefined
      yield* TestClock.adjust("2400 millis")
      assert.isAbove(id(yield* Fiber.join(waiting)), 1)
    })
  )
})

describe("the options of a pool", () => {
  it.effect.each([
    [{ idleTimeout: 0 }, "idleTimeout must be longer than 0"],
    [{ idleTimeout: Number.NaN }, "idleTimeout must be longer than 0"],
    [{ idleTimeout: -1 }, "idleTimeout must be longer than 0, and is -1 ms"],
    [{ connectionLife: 0 }, "connectionLife must be longer than 0"],
    [{ waitTimeout: -5 }, "waitTimeout must not be negative, and is -5 ms"],
    [{ drainTimeout: -5 }, "drainTimeout must not be negative, and is -5 ms"],
    [{ maxConnections: 0 }, "maxConnections must be a whole number of at least 1, and is 0"],
    [{ maxConnections: Number.NaN }, "maxConnections must be a whole number of at least 1, and is NaN"],
    [{ maxConnections: Number.POSITIVE_INFINITY }, "maxConnections must be a whole number of at least 1"],
    [{ minConnections: -1 }, "minConnections must be a whole number of at least 0, and is -1"],
    [{ minConnections: 1.5 }, "minConnections must be a whole number of at least 0, and is 1.5"],
    [{ minConnections: 3, maxConnections: 2 }, "minConnections must not exceed maxConnections, and is 3 of 2"],
    [{ connectRate: 0 }, "connectRate must be a number above 0, and is 0"],
    [{ connectRate: Number.POSITIVE_INFINITY }, "connectRate must be a number above 0, and is Infinity"],
    [{ connectBurst: 0 }, "connectBurst must be a whole number of at least 1, and is 0"]
  ] as const)("cannot be %o", ([options, message]) =>
    Effect.gen(function* () {
      const { connect } = yield* server
      const exit = yield* Effect.exit(ConnectionPool.make(connect, options))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), message)
    })
  )

  it.effect("let it keep more than the ten that it has without being told", () =>
    Effect.gen(function* () {
      const { connect } = yield* server
      const pool = yield* ConnectionPool.make(connect, { minConnections: 20 })
      assert.strictEqual((yield* pool.stats).max, 20)
    })
  )
})

describe("closing a pool", () => {
  it.effect("lets those who have a connection finish, and refuses new ones", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(ConnectionPool.make(connect, { maxConnections: 1 }), scope)
      const holder = yield* hold(pool)
      const waiting = yield* Effect.forkScoped(Effect.flip(Effect.scoped(pool.get)))
      yield* settle
      const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* settle
      assert.include(yield* Fiber.join(waiting), { _tag: "ConnectionUnavailable", reason: "closing" } as const)
      const refused = yield* Effect.flip(Effect.scoped(pool.get))
      assert.include(refused, { _tag: "ConnectionUnavailable", reason: "closing" } as const)
      assert.strictEqual(state.open.size, 1)
      yield* holder.letGo
      yield* Fiber.join(holder.fiber)
      yield* Fiber.join(closing)
      assert.strictEqual(state.open.size, 0)
    })
  )

  it.effect("does not wait forever", () =>
    Effect.gen(function* () {
      const { connect, state } = yield* server
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(ConnectionPool.make(connect, { drainTimeout: "10 seconds" }), scope)
      yield* hold(pool)
      const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(state.open.size, 1)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.strictEqual(state.open.size, 0)
    })
  )
})
