/**
 * What a client makes of the time that a server says.
 */
import { DsqlClient, Expression, Guarded, Transaction, Write } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type SqlClient, Statement } from "effect/sql"
import fc from "fast-check"
import { database } from "../../../test/database.ts"
import { NothingLate } from "../../../test/lifetime.ts"
import * as Proxy from "../../../test/proxy.ts"
import * as ServerClock from "../src/internal/transaction/serverClock.ts"
import * as Validity from "../src/internal/transaction/validity.ts"

/** By how much a machine's clock may be set while a test runs, in milliseconds. */
const set = 100

const delay = fc.integer({ min: 0, max: 20_000 })

/** A server's clock is `ahead` of this process's, and a question and its answer are under way for some time. */
const told = fc.record({ ahead: fc.integer({ min: -1e6, max: 1e6 }), question: delay, answer: delay })

describe("the server's clock", () => {
  it("is this machine's before the server has said anything", () => {
    const before = ServerClock.here()
    // Only a key: nothing is asked of it.
    const { at, late } = ServerClock.now({} as SqlClient.SqlClient)
    assert.isTrue(before <= at && at <= ServerClock.here())
    assert.strictEqual(late, 0)
  })

  it("is never taken for earlier than it is, nor for later by more than is said, however often it was set", () => {
    fc.assert(
      fc.property(fc.array(told, { minLength: 1 }), (all) => {
        const client = {} as SqlClient.SqlClient
        for (const { ahead, answer, question } of all) {
          const received = ServerClock.here()
          ServerClock.learn(client, Math.floor(received - answer + ahead), received - answer - question)
          const { at, late } = ServerClock.now(client)
          assert.isAtLeast(at, received + ahead)
          assert.isAtMost(at - late, ServerClock.here() + ahead)
        }
      })
    )
  })
})

const insert = (id: number) =>
  Effect.asVoid(
    Guarded.write({
      guards: [],
      writes: [Write.insert({ into: "tasks", columns: { id: Expression.value("integer", id) } })]
    })
  )

/** A guarded statement whose answer is lost, and which is there. */
const losing = (proxy: Proxy.Proxy, id: number) =>
  Effect.andThen(
    proxy.cut("answer", "INSERT INTO"),
    Transaction.autocommit(insert(id), { verify: () => Effect.succeed(Transaction.committed<void>(undefined)) })
  )

/** Runs a test on a client whose answers can be lost. */
const scene = <A, E>(
  test: (sql: SqlClient.SqlClient, proxy: Proxy.Proxy) => Effect.Effect<A, E, DsqlClient.DsqlClient>
) =>
  Effect.gen(function* () {
    const proxy = yield* Proxy.make(yield* database)
    return yield* Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`CREATE TABLE tasks (id integer PRIMARY KEY)`
      return yield* test(sql, proxy)
    }).pipe(Effect.provide(DsqlClient.layerUrl({ url: proxy.url, guarded: "statement", maxConnections: 1 })))
  }).pipe(Effect.scoped)

/** The server takes half a second for the answer, and says when it began. */
const slow: Statement.Transformer = (statement, sql) => {
  const [text, values] = statement.compile()
  return Effect.succeed(sql.unsafe(text.replace("SELECT now()", "SELECT now() FROM pg_sleep(0.5)"), values))
}

const isKnown = (sql: SqlClient.SqlClient) => {
  const { at, late } = ServerClock.now(sql)
  assert.isAtLeast(at, ServerClock.here() - set)
  assert.isAtMost(at - late, ServerClock.here() + set)
}

describe("a client", () => {
  it.live("knows the server's clock by an answer that was slow, where it has asked what time it is", () =>
    scene((sql, proxy) =>
      Effect.gen(function* () {
        yield* Effect.provideService(losing(proxy, 1), Statement.CurrentTransformer, slow)
        assert.isAtLeast(ServerClock.now(sql).late, 500)
        isKnown(sql)
      })
    ).pipe(Effect.provide(NothingLate))
  )

  it.live("does not count how long it takes to connect", () =>
    scene((sql) =>
      Effect.gen(function* () {
        const before = ServerClock.here()
        const over = { until: before - 60_000, late: 0 }
        yield* Validity.over({ sql, reserve: Effect.delay(sql.reserve, "500 millis") }, over)
        assert.isBelow(ServerClock.now(sql).late, ServerClock.here() - before - 490)
      })
    )
  )

  it.live("knows it by the answer of a statement that came too late, too", () =>
    scene((sql) =>
      Effect.gen(function* () {
        // A day earlier than it is.
        ServerClock.learn(sql, Date.now() - 86_400_000, ServerClock.here())
        const sent = Transaction.autocommit(insert(1), { verify: () => Effect.succeed(Transaction.unknown) })
        yield* Effect.provideService(sent, Statement.CurrentTransformer, slow)
        assert.isAtLeast(ServerClock.now(sql).late, 500)
        isKnown(sql)
      })
    ).pipe(Effect.provide(NothingLate))
  )

  it.live("settles what was sent when it knew the time by a question that was under way for long", () =>
    scene((sql, proxy) =>
      Effect.gen(function* () {
        // The answer came at once, to who had asked a second ago.
        ServerClock.learn(sql, Date.now(), ServerClock.here() - 1_000)
        yield* losing(proxy, 1)
      })
    ).pipe(Effect.provide(Layer.succeed(Validity.Lifetime, { valid: 60_000, skew: -59_900 })))
  )
})
