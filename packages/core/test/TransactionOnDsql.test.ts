/**
 * Transactions on Aurora DSQL's own rules: nobody waits, conflicts come at COMMIT, and what a bad day brings.
 */
import { type DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Ref } from "effect"
import { Control, TestEmulator } from "../../../test/emulator.ts"
import { Quiet } from "../../../test/quiet.ts"

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

const execute = (statement: string) =>
  Transaction.autocommit(
    Effect.flatMap(Transaction.sql, (sql) => sql.unsafe<{ id: number; n: number }>(statement)),
    { policy }
  )

const counters = Effect.gen(function* () {
  yield* execute("CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL)")
  yield* execute("INSERT INTO counters VALUES (1, 0), (2, 0)")
})

const values = Effect.map(execute("SELECT id, n FROM counters ORDER BY id"), (rows) => rows.map((row) => row.n))

/** Reads a counter and writes one more, as code does that trusts its read. */
const increment = (id: number) =>
  Effect.gen(function* () {
    const { attempt, sql } = yield* Transaction.Transaction
    const rows = yield* sql<{ n: number }>`SELECT n FROM counters WHERE id = ${id}`
    yield* sql`UPDATE counters SET n = ${(rows[0]?.n ?? 0) + 1} WHERE id = ${id}`
    return attempt
  })

/** A transaction that stops before its COMMIT, until it is let go. */
const held = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const reached = yield* Deferred.make<void>()
    const released = yield* Deferred.make<void>()
    return {
      reached: Deferred.await(reached),
      release: Deferred.succeed(released, undefined),
      body: body.pipe(
        Effect.tap(() => Deferred.succeed(reached, undefined)),
        Effect.tap(() => Deferred.await(released))
      )
    }
  })

describe("Transaction.run on Aurora DSQL", () => {
  it.live("starts over when another transaction committed first, and loses no update", () =>
    Effect.gen(function* () {
      yield* counters
      const first = yield* held(increment(1))
      const loser = yield* Effect.forkChild(Transaction.run(first.body, { policy }))
      yield* first.reached
      // This one does not wait for the other, which has changed the row already.
      assert.strictEqual(yield* Transaction.run(increment(1), { policy }), 1)
      yield* first.release
      assert.strictEqual(yield* Fiber.join(loser), 2)
      assert.deepStrictEqual(yield* values, [2, 0])
    }).pipe(Effect.provide(TestEmulator()))
  )

  it.live("loses none of a hundred increments by ten fibers", () =>
    Effect.gen(function* () {
      yield* counters
      const ten = Effect.replicateEffect(
        Transaction.run(increment(1), { policy: RetryPolicy.make({ attempts: 50 }) }),
        10
      )
      yield* Effect.all(
        Array.from({ length: 10 }, () => ten),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* values, [100, 0])
    }).pipe(Effect.provide(TestEmulator()))
  )

  it.live("reads a table again that has got a column since its statement was prepared", () =>
    Effect.gen(function* () {
      yield* counters
      const read = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT * FROM counters WHERE id = 1`)
      const ways = [Transaction.run(read, { policy }), Transaction.autocommit(read, { policy })]
      for (const way of ways) assert.deepStrictEqual(yield* way, [{ id: 1, n: 0 }])
      yield* execute("ALTER TABLE counters ADD COLUMN size integer")
      for (const way of ways) assert.deepStrictEqual(yield* way, [{ id: 1, n: 0, size: null }])
      yield* execute("ALTER TABLE counters ADD COLUMN colour text")
      for (const way of ways.toReversed()) {
        assert.deepStrictEqual(yield* way, [{ id: 1, n: 0, size: null, colour: null }])
      }
    }).pipe(Effect.provide(TestEmulator()))
  )

  /** Each of two takes the sum of both for zero, and writes its own: together they must not. */
  const skew = (lock: "" | "FOR UPDATE") => {
    const onlyOne = (id: number) =>
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        const rows = yield* sql<{ n: number }>`SELECT n FROM counters ${sql.literal(lock)}`
        if (rows.every((row) => row.n === 0)) yield* sql`UPDATE counters SET n = 1 WHERE id = ${id}`
      })
    return Effect.gen(function* () {
      yield* counters
      const first = yield* held(onlyOne(1))
      const fiber = yield* Effect.forkChild(Transaction.run(first.body, { policy }))
      yield* first.reached
      yield* Transaction.run(onlyOne(2), { policy })
      yield* first.release
      yield* Fiber.join(fiber)
      return yield* values
    }).pipe(Effect.provide(TestEmulator()))
  }

  it.live("lets write skew happen where the rows were only read, because DSQL does", () =>
    Effect.map(skew(""), (found) => assert.deepStrictEqual(found, [1, 1]))
  )

  it.live("has no write skew where the rows were read FOR UPDATE", () =>
    Effect.map(skew("FOR UPDATE"), (found) => assert.deepStrictEqual(found, [0, 1]))
  )

  it.live("retries at once when the catalogue has changed under it", () =>
    Effect.gen(function* () {
      yield* counters
      const control = yield* Control
      yield* control.inject({ on: "commit", fault: "schema-conflict", nth: [1] })
      const hour = RetryPolicy.make({ jitter: "none", base: "1 hour", cap: "1 hour", elapsed: "1 day" })
      assert.strictEqual(yield* Transaction.run(increment(1), { policy: hour }), 2)
    }).pipe(Effect.provide(TestEmulator()))
  )

  it.live("cannot lose a conflict when it only reads", () =>
    Effect.gen(function* () {
      yield* counters
      const read = yield* held(
        Effect.flatMap(Transaction.Transaction, ({ attempt, sql }) => Effect.as(sql`SELECT n FROM counters`, attempt))
      )
      const reader = yield* Effect.forkChild(Transaction.run(read.body, { readOnly: true }))
      yield* read.reached
      yield* Transaction.run(increment(1))
      yield* read.release
      assert.strictEqual(yield* Fiber.join(reader), 1)
    }).pipe(Effect.provide(TestEmulator()))
  )

  it.live("fails with the limit at the 3,001st row, and writes none", () =>
    Effect.gen(function* () {
      yield* counters
      const fill = (rows: number) =>
        Effect.flatMap(
          Transaction.sql,
          (sql) => sql`INSERT INTO counters SELECT g, 0 FROM generate_series(3, ${rows + 2}) AS g`
        )
      const failure = yield* Effect.flip(Transaction.run(fill(3_001)))
      assert.include(failure, { _tag: "LimitExceeded", limit: "transaction_rows" } as const)
      assert.deepStrictEqual(yield* values, [0, 0])
      yield* Transaction.run(fill(3_000))
    }).pipe(Effect.provide(TestEmulator()))
  )

  it.live("refuses what DSQL does not have, before it costs a second try", () =>
    Effect.gen(function* () {
      yield* counters
      const attempts = yield* Ref.make(0)
      const truncate = Effect.flatMap(Transaction.sql, (sql) => sql`TRUNCATE counters`)
      const failure = yield* Effect.flip(
        Transaction.run(
          Effect.andThen(
            Ref.update(attempts, (n) => n + 1),
            truncate
          )
        )
      )
      assert.strictEqual(failure._tag, "UnsupportedFeature")
      assert.strictEqual(failure.message, "unsupported statement: Truncate")
      assert.strictEqual(yield* Ref.get(attempts), 1)
    }).pipe(Effect.provide(TestEmulator()))
  )

  it.live("is refused after 300 seconds", () =>
    Effect.gen(function* () {
      yield* counters
      const control = yield* Control
      const failure = yield* Effect.flip(Transaction.run(Effect.andThen(increment(1), control.advance(301_000))))
      assert.include(failure, { _tag: "LimitExceeded", limit: "transaction_age" } as const)
      assert.deepStrictEqual(yield* values, [0, 0])
    }).pipe(Effect.provide(TestEmulator()))
  )
})

describe("a bad day of Aurora DSQL", () => {
  /** What became of an increment whose COMMIT met a fault, and the counter after it. */
  const incrementUnder = (fault: "cut" | "cut-after" | "unavailable" | "unavailable-after") =>
    Effect.gen(function* () {
      yield* counters
      const control = yield* Control
      yield* control.inject({ on: "commit", fault, nth: [1] })
      const verify = () =>
        Effect.gen(function* () {
          const sql = yield* Transaction.sql
          const rows = yield* sql<{ n: number }>`SELECT n FROM counters WHERE id = 1 FOR UPDATE`
          return rows[0]?.n === 1 ? Transaction.committed(1) : Transaction.notCommitted
        })
      const unsettled = yield* Effect.result(Transaction.run(increment(1)))
      yield* execute("UPDATE counters SET n = 0")
      yield* control.clear
      yield* control.inject({ on: "commit", fault, nth: [1] })
      const settled = yield* Effect.result(Transaction.run(increment(1), { verify }))
      return {
        unsettled: unsettled._tag === "Failure" ? unsettled.failure._tag : "Success",
        settled: settled._tag === "Failure" ? settled.failure._tag : "Success",
        stored: (yield* values)[0]
      }
    }).pipe(Effect.provide(TestEmulator()))

  const outcomes = [
    ["cut", { unsettled: "CommitOutcomeUnknown", settled: "ConnectionLost", stored: 0 }],
    ["cut-after", { unsettled: "CommitOutcomeUnknown", settled: "Success", stored: 1 }],
    ["unavailable", { unsettled: "CommitOutcomeUnknown", settled: "ConnectionLost", stored: 0 }],
    ["unavailable-after", { unsettled: "CommitOutcomeUnknown", settled: "Success", stored: 1 }]
  ] as const

  for (const [fault, outcome] of outcomes) {
    it.live(`is never taken for a conflict, and can be settled: ${fault}`, () =>
      Effect.map(incrementUnder(fault), (found) => assert.deepStrictEqual(found, outcome))
    )
  }

  for (const fault of ["too-many-connections", "rate-exceeded"] as const) {
    it.live(`does not keep a program from connecting: ${fault}`, () =>
      Effect.gen(function* () {
        const control = yield* Control
        yield* control.inject({ on: "connect", fault, nth: [1, 2] })
        yield* counters
        assert.deepStrictEqual(yield* values, [0, 0])
      }).pipe(Effect.provide(TestEmulator()), Effect.provide(Quiet))
    )
  }

  it.live("tells of a token that has expired", () =>
    Effect.gen(function* () {
      const control = yield* Control
      yield* control.inject({ on: "connect", fault: "expired-token" })
      const failure = yield* Effect.flip(execute("SELECT 1"))
      assert.include(failure, { _tag: "AuthenticationFailed", reason: "expired" } as const)
    }).pipe(Effect.provide(TestEmulator()))
  )
})

describe("Transaction.autocommit on Aurora DSQL", () => {
  it.live("is one round trip, where a transaction of one statement is two", () =>
    Effect.gen(function* () {
      yield* counters
      const control = yield* Control
      const statement = Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE counters SET n = n + 1 WHERE id = 1`)
      const roundTrips = <A, E>(effect: Effect.Effect<A, E, DsqlClient.DsqlClient>) =>
        Effect.gen(function* () {
          // The first time prepares statements, and may open a connection.
          yield* effect
          yield* control.reset
          yield* effect
          return (yield* control.counts()).roundTrips
        })
      assert.strictEqual(yield* roundTrips(Transaction.autocommit(statement)), 1)
      assert.strictEqual(yield* roundTrips(Transaction.run(statement)), 2)
    }).pipe(Effect.provide(TestEmulator()))
  )

  it.live("retries a conflict that comes at its statement", () =>
    Effect.gen(function* () {
      yield* counters
      const control = yield* Control
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1, 2] })
      yield* execute("UPDATE counters SET n = n + 1 WHERE id = 1")
      assert.deepStrictEqual(yield* values, [1, 0])
    }).pipe(Effect.provide(TestEmulator()))
  )
})
