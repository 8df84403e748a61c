/**
 * The pool's bad days, on the wire: a cluster that refuses, tokens that expire, connections that are cut. Times are a
 * tenth of what a cluster takes; how long each recovery took is printed.
 */
import { DsqlClient, TokenSource, Transaction } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Layer, Redacted, Ref, Scope } from "effect"
import { readFileSync } from "node:fs"
import { sharedPostgres } from "../../../test/postgres.ts"
import { Quiet } from "../../../test/quiet.ts"
import { logged, Occurrences } from "./support/occurrences.ts"

const pem = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8")

const label = "effect-dsql"

const lost = "connection lost, replacing it alone"

/** An emulator, and a client on it that has a table `counters` with one row for each of 200 workers. */
const cluster = (options: {
  readonly emulator?: Emulator.Options
  readonly pool?: DsqlClient.PoolOptions
  readonly tokens?: TokenSource.TokenSource
  /** Where the client lives, if not as long as the emulator. */
  readonly scope?: Scope.Scope
}) =>
  Effect.gen(function* () {
    const emulator = yield* Emulator.make({ postgres: sharedPostgres(), log: false, ...options.emulator })
    const name = `test_pool_${emulator.port}`
    yield* emulator.createDatabase(name)
    const url = emulator.url(name)
    const layer =
      options.tokens === undefined
        ? DsqlClient.layerUrl({ url, ...options.pool })
        : DsqlClient.layer({
            endpoint: "localhost",
            port: emulator.port,
            database: name,
            user: "admin",
            ca: pem("ca.pem"),
            tokens: options.tokens,
            ...options.pool
          })
    const client = yield* Layer.buildWithScope(layer, options.scope ?? (yield* Effect.scope))
    yield* Effect.provide(
      Effect.gen(function* () {
        yield* statement("CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL)")
        yield* statement("INSERT INTO counters SELECT id, 0 FROM generate_series(1, 200) AS id")
      }),
      client
    )
    return { emulator, client, name }
  })

const statement = (text: string) =>
  Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql.unsafe<{ readonly n: number }>(text)))

const increment = (id: number) => statement(`UPDATE counters SET n = n + 1 WHERE id = ${id}`)

/** 200 fibers that work until they are told to stop; how often each was served, and what failed. */
const workers = Effect.gen(function* () {
  const stopped = yield* Ref.make(false)
  const served = new Occurrences()
  const failures: Array<string> = []
  const working = Array.from({ length: 200 }, (_, index) =>
    increment(index + 1).pipe(
      Effect.matchEffect({
        onSuccess: () => Effect.sync(served.add),
        onFailure: (error) => Effect.sync(() => failures.push(error._tag))
      }),
      Effect.repeat({ until: () => Ref.get(stopped) })
    )
  )
  const fiber = yield* Effect.forkScoped(Effect.all(working, { concurrency: "unbounded", discard: true }))
  /** Waits until the fibers were served so many times more. */
  const more = (count: number) =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      yield* served.until(served.count + count)
      return (yield* Clock.currentTimeMillis) - start
    })
  return { served, failures, more, stop: Effect.andThen(Ref.set(stopped, true), Fiber.join(fiber)) }
})

const print = (text: string) => Effect.sync(() => process.stdout.write(`  ${text}\n`))

const total = Effect.map(statement("SELECT sum(n)::integer AS n FROM counters"), (rows) => rows[0]?.n)

describe("the pool under 200 fibers on 10 connections", () => {
  it.live("comes back from a cluster that refuses all connections for a while", () =>
    Effect.gen(function* () {
      const backoffs = new Occurrences()
      const { client, emulator } = yield* Effect.provide(
        cluster({ pool: { maxConnections: 10 } }),
        logged("connection refused, backing off", backoffs)
      )
      yield* Effect.gen(function* () {
        const work = yield* workers
        yield* work.more(400)
        yield* emulator.control.reset
        yield* emulator.control.inject({ on: "connect", fault: "rate-exceeded" })
        const start = yield* Clock.currentTimeMillis
        assert.strictEqual(yield* emulator.control.cut(label), 10)
        yield* backoffs.until(6)
        const refused = (yield* Clock.currentTimeMillis) - start
        const { connections } = yield* emulator.control.counts()
        // Ten that were cut, ten that went before anybody knew, and then one for each time that the pool backed off.
        assert.isAtMost(connections, 20 + backoffs.count)
        const before = work.served.count
        yield* emulator.control.clear
        const millis = yield* work.more(1)
        yield* work.more(400)
        yield* work.stop
        yield* print(`refused for ${refused} ms, ${connections} attempts meanwhile: served again after ${millis} ms`)
        assert.isAbove(work.served.count, before)
        // Only what was on the wire when it was cut has failed; those who waited have not.
        assert.isAtMost(work.failures.length, 10)
        assert.strictEqual((yield* (yield* DsqlClient.DsqlClient).pool).inUse, 0)
      }).pipe(Effect.provide(client))
    }).pipe(Effect.scoped)
  )

  it.live("replaces the connections that are cut, and only those", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* cluster({ pool: { maxConnections: 10 } })
      yield* Effect.gen(function* () {
        const work = yield* workers
        yield* work.more(400)
        // Half of them get a label that can be cut.
        const marked = yield* Ref.make(0)
        const met = yield* Deferred.make<void>()
        const mark = Effect.gen(function* () {
          const sql = yield* Transaction.sql
          yield* sql.unsafe(`CALL emulator.control('{"label": "half"}')`)
          if ((yield* Ref.updateAndGet(marked, (n) => n + 1)) === 5) yield* Deferred.succeed(met, undefined)
          yield* Deferred.await(met)
        })
        yield* Effect.all(
          Array.from({ length: 5 }, () => Transaction.run(mark)),
          { concurrency: "unbounded" }
        )
        yield* emulator.control.reset
        assert.strictEqual(yield* emulator.control.cut("half"), 5)
        const millis = yield* work.more(200)
        yield* work.stop
        const { connections } = yield* emulator.control.counts(label)
        yield* print(`half the connections cut at once: 200 more statements after ${millis} ms`)
        // Five that were left alone, and five new ones.
        assert.strictEqual(connections, 10)
        assert.isAtMost(work.failures.length, 5)
        assert.strictEqual(yield* total, yield* committed(work))
      }).pipe(Effect.provide(client))
    }).pipe(Effect.scoped)
  )

  it.live("goes on when tokens expire again and again, and asks for one in place of each", () =>
    Effect.gen(function* () {
      const tokens = { signed: 0, expired: 0, refused: 0 }
      const signings = new Occurrences()
      const sign = Effect.map(Clock.currentTimeMillis, (now) => {
        tokens.signed += 1
        signings.add()
        return { token: Redacted.make(String(tokens.signed)), expiresAt: now + 900_000 }
      })
      const { client, emulator } = yield* cluster({
        emulator: {
          tls: { cert: pem("server.pem"), key: pem("server.key") },
          authorize: (token) => {
            if (Number(token) > tokens.expired) return "ok"
            tokens.refused += 1
            return "expired"
          }
        },
        tokens: TokenSource.make(sign),
        // Connections that live shortly, so that tokens are asked for.
        pool: { maxConnections: 10, connectionLife: "1 second" }
      })
      yield* Effect.gen(function* () {
        for (let round = 1; round <= 4; round++) {
          // Nobody works meanwhile, so nobody is refused twice.
          tokens.expired = tokens.signed
          const work = yield* workers
          yield* signings.until(tokens.expired + 1)
          yield* work.more(400)
          yield* work.stop
          assert.deepStrictEqual(work.failures, [])
          // One for all connections that were refused.
          assert.strictEqual(tokens.signed, tokens.expired + 1)
        }
        const { connections } = yield* emulator.control.counts(label)
        yield* print(`${tokens.signed} tokens signed, ${tokens.refused} refused, ${connections} connections`)
        assert.isAtLeast(tokens.refused, 4)
      }).pipe(Effect.provide(client))
    }).pipe(Effect.scoped, Effect.provide(Quiet))
  )
})

/** How often something was written: once for each success, and for failures nobody knows but the table. */
const committed = (work: { readonly served: Occurrences; readonly failures: ReadonlyArray<string> }) =>
  Effect.gen(function* () {
    const found = (yield* total) ?? 0
    assert.isAtLeast(found, work.served.count)
    assert.isAtMost(found, work.served.count + work.failures.length)
    return found
  })

describe("one connection", () => {
  it.live("that ends while idle is not handed out", () =>
    Effect.gen(function* () {
      const ends = new Occurrences()
      const { client, emulator } = yield* Effect.provide(cluster({ pool: { maxConnections: 1 } }), logged(lost, ends))
      yield* Effect.gen(function* () {
        yield* increment(1)
        assert.strictEqual(yield* emulator.control.cut(label), 1)
        yield* ends.until(1)
        yield* increment(1)
      }).pipe(Effect.provide(client))
    }).pipe(Effect.scoped)
  )

  it.live("that ends while idle is noticed over TLS too", () =>
    Effect.gen(function* () {
      const ends = new Occurrences()
      const { client, emulator } = yield* cluster({
        emulator: { tls: { cert: pem("server.pem"), key: pem("server.key") } },
        tokens: TokenSource.make(Effect.succeed({ token: Redacted.make("token"), expiresAt: Number.MAX_SAFE_INTEGER })),
        pool: { maxConnections: 1 }
      }).pipe(Effect.provide(logged(lost, ends)))
      yield* Effect.gen(function* () {
        yield* increment(1)
        assert.strictEqual(yield* emulator.control.cut(label), 1)
        yield* ends.until(1)
        yield* increment(1)
      }).pipe(Effect.provide(client))
    }).pipe(Effect.scoped)
  )

  it.live("is not handed out again after its statement was interrupted", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* cluster({ pool: { maxConnections: 1 } })
      yield* Effect.gen(function* () {
        yield* emulator.control.latency(100)
        yield* Effect.timeoutOption(statement("SELECT 1 AS n"), "20 millis")
        yield* emulator.control.latency(0)
        assert.deepStrictEqual(yield* statement("SELECT 2 AS n"), [{ n: 2 }])
        assert.strictEqual((yield* emulator.control.counts(label)).connections, 2)
      }).pipe(Effect.provide(client))
    }).pipe(Effect.scoped)
  )
})

describe("shutting down", () => {
  it.live("lets transactions that run finish, and refuses new ones", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { client } = yield* cluster({ scope })
      const begun = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const running = yield* Effect.forkChild(
        Transaction.run(
          Effect.gen(function* () {
            const sql = yield* Transaction.sql
            yield* sql`UPDATE counters SET n = 7 WHERE id = 1`
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(goOn)
            return yield* sql`SELECT n FROM counters WHERE id = 1`
          })
        ).pipe(Effect.provide(client))
      )
      yield* Deferred.await(begun)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      const refused = yield* Effect.flip(Effect.provide(Transaction.run(increment2), client))
      assert.include(refused, { _tag: "ConnectionUnavailable", reason: "closing" } as const)
      yield* Deferred.succeed(goOn, undefined)
      assert.deepStrictEqual(yield* Fiber.join(running), [{ n: 7 }])
      yield* Fiber.join(closing)
    })
  )
})

const increment2 = Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE counters SET n = n + 1 WHERE id = 2`)
