import { DsqlClient, DsqlError, RetryPolicy, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Queue, Random, Ref, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { TestDatabase } from "../../../test/database.ts"
import { ProvingReads } from "../../../test/proving.ts"
import {
  conflictAtCommit,
  failCommits,
  openTransactions,
  raise,
  retries,
  schema,
  signal,
  write,
  written
} from "./support/faults.ts"

const quick = RetryPolicy.make({ jitter: "none", base: "1 millis" })

layer(Layer.provideMerge(schema, TestDatabase()), { excludeTestServices: true })("Transaction.run", (it) => {
  it.effect("commits what the body wrote and returns what it returned", () =>
    Effect.gen(function* () {
      const value = yield* Transaction.run(Effect.as(write("committed"), 42))
      assert.strictEqual(value, 42)
      assert.strictEqual(yield* written("committed"), 1)
    })
  )

  it.effect("rolls back when the body fails, with the body's own error", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Transaction.run(Effect.andThen(write("failed"), Effect.fail("mine" as const))))
      assert.strictEqual(failure, "mine")
      assert.strictEqual(yield* written("failed"), 0)
    })
  )

  it.effect("reads at REPEATABLE READ", () =>
    Effect.gen(function* () {
      const rows = yield* Transaction.run(Effect.flatMap(Transaction.sql, (sql) => sql`SHOW transaction_isolation`))
      assert.deepStrictEqual(rows, [{ transaction_isolation: "repeatable read" }])
    })
  )

  it.effect("refuses writes in a read-only transaction", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Transaction.run(write("read-only"), { readOnly: true }))
      assert.include(failure, { _tag: "StatementFailed", sqlState: "25006" } as const)
      assert.strictEqual(yield* written("read-only"), 0)
    })
  )

  it.effect("retries a conflict at a statement", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`CREATE TABLE counter (id integer PRIMARY KEY, n integer NOT NULL)`
      yield* sql`INSERT INTO counter VALUES (1, 0)`
      const attempts: Array<number> = []
      yield* Transaction.run(
        Effect.gen(function* () {
          const transaction = yield* Transaction.Transaction
          attempts.push(transaction.attempt)
          const [row] = yield* transaction.sql<{ n: number }>`SELECT n FROM counter`
          // Somebody else commits between the read and the write of the first attempt.
          if (transaction.attempt === 1) yield* otherSession(sql`UPDATE counter SET n = n + 1`)
          yield* transaction.sql`UPDATE counter SET n = ${(row?.n ?? 0) + 1}`
        }),
        { policy: quick }
      )
      assert.deepStrictEqual(attempts, [1, 2])
      assert.deepStrictEqual(yield* sql`SELECT n FROM counter`, [{ n: 2 }])
    })
  )

  it.effect("retries a conflict at COMMIT, and writes once", () =>
    Effect.gen(function* () {
      yield* failCommits("at_commit", 3, conflictAtCommit("OC000"))
      const attempts = yield* Ref.make(0)
      yield* Transaction.run(
        Effect.andThen(
          Ref.update(attempts, (n) => n + 1),
          write("at_commit")
        ),
        { policy: quick }
      )
      assert.strictEqual(yield* Ref.get(attempts), 4)
      assert.strictEqual(yield* written("at_commit"), 1)
    })
  )

  it.effect("gives up when the policy does, and says how often it tried", () =>
    Effect.gen(function* () {
      yield* failCommits("exhausted", 100, conflictAtCommit("OC000"))
      const failure = yield* Effect.flip(
        Transaction.run(write("exhausted"), {
          operation: "Exhaust",
          policy: RetryPolicy.make({ jitter: "none", base: "1 millis", attempts: 3 })
        })
      )
      assert.include(failure, { _tag: "ConflictRetriesExhausted", operation: "Exhaust", attempts: 3 } as const)
      assert(failure instanceof DsqlError.ConflictRetriesExhausted)
      assert.strictEqual(failure.last.code, "OC000")
      assert.match(failure.message, /^Exhaust: gave up after 3 attempts in \d+ ms: change conflicts/)
      assert.strictEqual(yield* written("exhausted"), 0)
    })
  )

  it.effect("retries neither a failed condition nor any error but a conflict", () =>
    Effect.gen(function* () {
      const moved = new DsqlError.ConditionFailed({ what: "row", expected: 1n, actual: 2n })
      const failures: ReadonlyArray<
        Effect.Effect<unknown, SqlError.SqlError | DsqlError.ConditionFailed, Transaction.Transaction>
      > = [
        Effect.fail(moved),
        raise("23505", "duplicate key"),
        raise("0A000", "unsupported statement: Truncate"),
        raise("53300", "Unable to accept connection, too many open connections."),
        raise("53400", "Unable to accept connection, rate exceeded."),
        raise("54000", "transaction row limit exceeded"),
        raise("XX000", "server unavailable")
      ]
      for (const failure of failures) {
        const attempts = yield* Ref.make(0)
        yield* Effect.flip(
          Transaction.run(
            Effect.andThen(
              Ref.update(attempts, (n) => n + 1),
              failure
            )
          )
        )
        assert.strictEqual(yield* Ref.get(attempts), 1)
      }
    })
  )

  const conflicting = raise("40001", "change conflicts with another transaction (OC000)")

  for (const [made, of] of [
    ["an error of its own", (body: typeof conflicting) => Effect.mapError(body, () => "mine" as const)],
    ["a defect", (body: typeof conflicting) => Effect.orDie(body)],
    ["nothing", (body: typeof conflicting) => Effect.ignore(body)]
  ] as const) {
    it.effect(`retries a conflict of which the body made ${made}`, () =>
      Effect.gen(function* () {
        const run = (execute: typeof Transaction.run) =>
          Effect.gen(function* () {
            const attempts = yield* Ref.make(0)
            yield* execute(
              Effect.gen(function* () {
                if ((yield* Ref.updateAndGet(attempts, (n) => n + 1)) < 3) yield* of(conflicting)
              }),
              { policy: quick }
            )
            return yield* Ref.get(attempts)
          })
        assert.strictEqual(yield* run(Transaction.run), 3)
        // A statement that committed nothing by itself, and that nobody cared for, is over.
        assert.strictEqual(yield* run(Transaction.autocommit), made === "nothing" ? 1 : 3)
      })
    )
  }

  it.effect("fails when COMMIT is answered with ROLLBACK", () =>
    Effect.gen(function* () {
      const swallowing = Effect.andThen(write("swallowed"), Effect.ignore(raise("22012", "division by zero")))
      const failure = yield* Effect.flip(Transaction.run(swallowing))
      assert.include(failure, { _tag: "StatementFailed", sqlState: "25P02" } as const)
      assert.include(failure.message, "COMMIT was answered with ROLLBACK")
      assert.strictEqual(yield* written("swallowed"), 0)
    })
  )

  it.effect("dies at once when it is forced into another transaction", () =>
    Effect.gen(function* () {
      const client = yield* DsqlClient.DsqlClient
      const inner = Effect.provideService(Transaction.run(write("nested")), DsqlClient.DsqlClient, client)
      const exit = yield* Effect.exit(Transaction.run(inner, { operation: "Outer" }))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), "a transaction cannot start inside another")
      assert.strictEqual(yield* written("nested"), 0)
    })
  )

  it.effect("refuses `sql.withTransaction` inside, because it would be a savepoint", () =>
    Effect.gen(function* () {
      const body = Effect.flatMap(Transaction.sql, (sql) => sql.withTransaction(write("savepoint")))
      const failure = yield* Effect.flip(Transaction.run(body))
      assert.strictEqual(failure._tag, "UnsupportedFeature")
      assert.include(failure.message, "no savepoints")
    })
  )

  it.effect("lends its own connection to a body that reserves one", () =>
    Effect.gen(function* () {
      const body = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* write("reserved")
        const connection = yield* sql.reserve
        return yield* connection.execute("SELECT value FROM effects WHERE value = 'reserved'", [], undefined)
      })
      assert.deepStrictEqual(yield* Transaction.run(Effect.scoped(body)), [{ value: "reserved" }])
    })
  )

  it.effect.each([
    "COMMIT",
    "  rollback",
    "END",
    "ABORT WORK",
    "COMMIT AND CHAIN",
    "/* done */ COMMIT",
    "/* /* done */ */ COMMIT",
    "/* SELECT /* */ */ COMMIT",
    "-- done\nROLLBACK",
    "-- SELECT\rCOMMIT"
  ])("knows by the server's answer that its body sent %j, in whichever way it asks for the answer", (command) =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const statement = sql.unsafe(command)
      const ways: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>> = [
        statement,
        statement.raw,
        statement.unprepared,
        statement.values,
        statement.valuesUnprepared,
        Stream.runDrain(statement.stream)
      ]
      const ended = /rollback|abort/i.test(command) ? "ROLLBACK" : "COMMIT"
      for (const [index, way] of ways.entries()) {
        const value = `${command} ${index}`
        const body = Effect.andThen(Effect.andThen(write(value), way), Effect.ignore(write(value)))
        const failure = yield* Effect.flip(Transaction.run(body))
        assert.strictEqual(failure._tag, "UnsupportedFeature")
        assert.include(failure.message, `the transaction was ended inside it, with ${ended}`)
        assert.strictEqual(yield* written(value), ended === "COMMIT" ? 1 : 0)
        assert.strictEqual(yield* openTransactions, 0)
      }
    })
  )

  it.effect("gives positional rows of a statement behind comments of any kind", () =>
    Effect.gen(function* () {
      const sql = yield* Effect.map(DsqlClient.DsqlClient, ({ sql }) => sql)
      for (const comment of ["", "/* one */", "-- one\n", "-- one\r", "/* /* two */ */", "(((", "/*/ */"]) {
        const close = comment === "(((" ? ")))" : ""
        const rows = yield* Transaction.run(sql.unsafe(`${comment} SELECT 1 AS a, 'x' AS b ${close}`).values)
        assert.deepStrictEqual(rows, [[1, "x"]])
      }
      for (const comment of ["/* one */", "/* /* two */ */"]) {
        const rows = yield* Transaction.run(sql.unsafe(`${comment} SELECT 1 AS a, 2 AS a`).values)
        assert.deepStrictEqual(rows, [[1, 2]])
      }
    })
  )

  for (const [command, outcome, left] of [
    ["COMMIT", "committed", 1],
    ["ROLLBACK", "not committed", 0]
  ] as const) {
    it.effect(`fails, and says what became of it, when its body sends ${command}`, () =>
      Effect.gen(function* () {
        const body = Effect.flatMap(Transaction.sql, (sql) => Effect.andThen(write(command), sql.unsafe(command)))
        const failure = yield* Effect.flip(Transaction.run(body))
        assert.strictEqual(failure._tag, "UnsupportedFeature")
        assert.include(failure.message, `with ${command}: what it had written by then is ${outcome}.`)
        assert.strictEqual(yield* written(command), left)
      })
    )

    it.effect(`sends nothing of a body after its own ${command}`, () =>
      Effect.gen(function* () {
        const later = `after ${command}`
        const { sql } = yield* DsqlClient.DsqlClient
        const ways = [
          write(later),
          Effect.asVoid(sql`INSERT INTO effects (value) VALUES (${later}) RETURNING value`.values),
          Stream.runDrain(sql`INSERT INTO effects (value) VALUES (${later}) RETURNING value`.stream)
        ]
        for (const way of ways) {
          // The body goes on as if nothing had happened.
          const body = Effect.flatMap(Transaction.sql, () =>
            Effect.andThen(sql.unsafe(command).raw, Effect.ignore(way))
          )
          assert.strictEqual((yield* Effect.flip(Transaction.run(body)))._tag, "UnsupportedFeature")
        }
        assert.strictEqual(yield* written(later), 0)
        // The connection is as good as before.
        yield* Transaction.run(write(later))
        assert.strictEqual(yield* written(later), 1)
      })
    )
  }

  it.effect("starts over when a table has got a column since its statement was prepared", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`CREATE TABLE widened (id integer PRIMARY KEY)`
      yield* sql`INSERT INTO widened VALUES (1)`
      const read = Effect.flatMap(Transaction.Transaction, (tx) =>
        Effect.map(tx.sql`SELECT * FROM widened`, (rows) => ({ rows, attempt: tx.attempt }))
      )
      assert.deepStrictEqual(yield* Transaction.run(read), { rows: [{ id: 1 }], attempt: 1 })
      yield* sql`ALTER TABLE widened ADD COLUMN size integer`
      assert.deepStrictEqual(yield* Transaction.run(read), { rows: [{ id: 1, size: null }], attempt: 2 })
      yield* sql`ALTER TABLE widened ADD COLUMN depth integer`
      const own = Effect.mapError(read, () => "mine" as const)
      assert.deepStrictEqual(yield* Transaction.run(own), { rows: [{ id: 1, size: null, depth: null }], attempt: 2 })
    })
  )

  it.effect("runs `afterCommit` callbacks once, for the attempt that committed", () =>
    Effect.gen(function* () {
      yield* failCommits("after_commit", 2, conflictAtCommit("OC000"))
      const calls = yield* Ref.make(0)
      const body = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* sql.afterCommit(Ref.update(calls, (n) => n + 1))
        yield* write("after_commit")
      })
      yield* Transaction.run(body, { policy: quick })
      assert.strictEqual(yield* Ref.get(calls), 1)
    })
  )

  it.effect("gives every Effect SQL tool the statements of the transaction", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      // A statement of the client itself, made outside, joins the transaction that it runs in.
      const outside = sql`INSERT INTO effects (value) VALUES ('joined')`
      yield* Effect.flip(Transaction.run(Effect.andThen(outside, Effect.fail("undo"))))
      assert.strictEqual(yield* written("joined"), 0)
    })
  )

  it.effect("is interrupted while it backs off, and leaves no transaction open", () =>
    Effect.gen(function* () {
      yield* failCommits("interrupted_backoff", 100, conflictAtCommit("OC000"))
      const { listening, queue } = yield* retries
      const fiber = yield* Transaction.run(write("interrupted_backoff"), {
        policy: RetryPolicy.make({ jitter: "none", base: "1 hour", cap: "1 hour", elapsed: "1 day" })
      }).pipe(listening, Effect.forkChild)
      yield* Queue.take(queue)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* openTransactions, 0)
    })
  )

  it.effect("is interrupted in the middle of its body, and leaves no transaction open", () =>
    Effect.gen(function* () {
      const reached = yield* signal
      const body = Effect.gen(function* () {
        yield* write("interrupted_body")
        yield* Deferred.succeed(reached, undefined)
        return yield* Effect.never
      })
      const fiber = yield* Effect.forkChild(Transaction.run(body))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* openTransactions, 0)
      assert.strictEqual(yield* written("interrupted_body"), 0)
    })
  )

  it.effect("is interrupted in the middle of a statement, and leaves no transaction open", () =>
    Effect.gen(function* () {
      const reached = yield* signal
      const body = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* write("interrupted_statement")
        yield* Deferred.succeed(reached, undefined)
        yield* sql`SELECT pg_sleep(60)`
      })
      const fiber = yield* Effect.forkChild(Transaction.run(body))
      yield* Deferred.await(reached)
      const [elapsed] = yield* Effect.timed(Fiber.interrupt(fiber))
      assert.isBelow(Duration.toMillis(elapsed), 10_000)
      assert.strictEqual(yield* openTransactions, 0)
      assert.strictEqual(yield* written("interrupted_statement"), 0)
    })
  )

  it.effect("ends at its deadline in the body, uncommitted", () =>
    Effect.gen(function* () {
      const body = Effect.andThen(write("deadline_body"), Effect.never)
      const failure = yield* Effect.flip(Transaction.run(body, { operation: "Late", deadline: "50 millis" }))
      assert.include(failure, { _tag: "DeadlineExceeded", operation: "Late", deadline: 50 } as const)
      assert.strictEqual(yield* openTransactions, 0)
      assert.strictEqual(yield* written("deadline_body"), 0)
    })
  )

  it.effect("does not wait for a retry that its deadline would not let begin", () =>
    Effect.gen(function* () {
      yield* failCommits("deadline_backoff", 100, conflictAtCommit("OC000"))
      const policy = RetryPolicy.make({ jitter: "none", base: "1 hour", cap: "1 hour", elapsed: "1 day" })
      const failure = yield* Effect.flip(Transaction.run(write("deadline_backoff"), { policy, deadline: "1 minute" }))
      assert.include(failure, { _tag: "ConflictRetriesExhausted", attempts: 1 } as const)
    })
  )
})

layer(Layer.provideMerge(schema, TestDatabase({ maxConnections: 1 })), { excludeTestServices: true })(
  "Transaction.run on one connection",
  (it) => {
    it.effect("ends at its deadline while it waits for a connection", () =>
      Effect.gen(function* () {
        const reached = yield* signal
        const holder = yield* Effect.forkChild(
          Transaction.run(Effect.andThen(Deferred.succeed(reached, undefined), Effect.never))
        )
        yield* Deferred.await(reached)
        const failure = yield* Effect.flip(Transaction.run(write("starved"), { deadline: "50 millis" }))
        assert.strictEqual(failure._tag, "DeadlineExceeded")
        yield* Fiber.interrupt(holder)
        yield* Transaction.run(write("starved"))
        assert.strictEqual(yield* written("starved"), 1)
      })
    )
  }
)

layer(Layer.provideMerge(schema, TestDatabase({ maxConnections: 1 })), { excludeTestServices: true })(
  "a connection that others use next",
  (it) => {
    it.effect.each(["BEGIN", "START TRANSACTION", "/* /* */ */ BEGIN", "-- SELECT\rBEGIN"])(
      "is in no transaction after %j by itself, which fails",
      (command) =>
        Effect.gen(function* () {
          const { sql } = yield* DsqlClient.DsqlClient
          const statement = sql.unsafe(command)
          const ways: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>> = [
            statement,
            statement.raw,
            statement.unprepared,
            statement.values,
            Stream.runDrain(statement.stream)
          ]
          for (const way of ways) {
            for (const options of [{}, { readOnly: "proven" }, { deadline: "1 minute" }] as const) {
              const failure = yield* Effect.flip(Transaction.autocommit(way, options))
              assert.strictEqual(failure._tag, "UnsupportedFeature")
              assert.include(failure.message, "a transaction was begun by a statement of its own")
            }
            yield* Transaction.autocommit(write(command))
            // It would take back what is not committed yet.
            yield* sql`ROLLBACK`
          }
          assert.strictEqual(yield* written(command), ways.length)
        })
    )

    it.effect("is in no transaction that was begun by hand on it and left open", () =>
      Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        const byHand = (...texts: ReadonlyArray<string>) =>
          Effect.scoped(
            Effect.flatMap(sql.reserve, (connection) =>
              Effect.forEach(texts, (text) => connection.execute(text, [], undefined), { discard: true })
            )
          )
        const insert = "INSERT INTO effects (value) VALUES ('by hand')"
        yield* byHand("BEGIN", insert)
        yield* byHand("BEGIN", "SAVEPOINT a", insert, "ROLLBACK TO a", insert)
        yield* byHand("BEGIN", "COMMIT AND CHAIN", insert)
        yield* Transaction.autocommit(write("left alone"))
        yield* sql`ROLLBACK`
        assert.strictEqual(yield* written("by hand"), 0)
        assert.strictEqual(yield* written("left alone"), 1)
        yield* byHand("BEGIN", insert, "COMMIT")
        assert.strictEqual(yield* written("by hand"), 1)
      })
    )
  }
)

layer(Layer.provideMerge(schema, TestDatabase()))("Transaction.run in virtual time", (it) => {
  const waits = (value: string, code: "OC000" | "OC001", policy: RetryPolicy.RetryPolicy, failures: number) =>
    Effect.gen(function* () {
      yield* failCommits(value, failures, conflictAtCommit(code))
      const { listening, queue } = yield* retries
      const runs = yield* Ref.make(0)
      const fiber = yield* Transaction.run(
        Effect.andThen(
          Ref.update(runs, (n) => n + 1),
          write(value)
        ),
        { policy }
      ).pipe(listening, Effect.forkChild)
      const delays: Array<number> = []
      for (let retry = 0; retry < failures; retry++) {
        const { attempt, delayMillis } = yield* Queue.take(queue)
        assert.strictEqual(attempt, retry + 2)
        delays.push(delayMillis)
        // Without a delay the next attempt has begun already, and may be waiting again.
        if (delayMillis === 0) continue
        assert.strictEqual(yield* Ref.get(runs), retry + 1)
        // A moment before the delay is over nothing has begun; at the delay the next attempt does.
        if (delayMillis > 1) yield* TestClock.adjust(Duration.millis(delayMillis - 0.5))
        assert.strictEqual(yield* Ref.get(runs), retry + 1)
        yield* TestClock.adjust(Duration.millis(1))
      }
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* written(value), 1)
      return delays
    })

  it.effect("waits exactly as long as the policy says", () =>
    Effect.gen(function* () {
      const policy = RetryPolicy.make({ jitter: "none", base: 10, cap: 50 })
      assert.deepStrictEqual(yield* waits("virtual", "OC000", policy, 5), [10, 20, 40, 50, 50])
    })
  )

  it.effect("draws its jitter from the seed", () =>
    Effect.gen(function* () {
      const policy = RetryPolicy.make({ base: 100, cap: 1_000 })
      const first = yield* Random.withSeed(waits("seeded_1", "OC000", policy, 3), "seed")
      const second = yield* Random.withSeed(waits("seeded_2", "OC000", policy, 3), "seed")
      assert.deepStrictEqual(first, second)
      assert.isTrue(first.every((delay, index) => delay > 0 && delay < 100 * 2 ** index))
    })
  )

  it.effect("retries the first OC001 without waiting", () =>
    Effect.gen(function* () {
      const policy = RetryPolicy.make({ jitter: "none", base: 10 })
      assert.deepStrictEqual(yield* waits("catalogue", "OC001", policy, 3), [0, 20, 40])
    })
  )
})

layer(Layer.provideMerge(schema, TestDatabase()), { excludeTestServices: true })("Transaction.autocommit", (it) => {
  it.effect("refuses to write where it is to read only, the first time and each time", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`CREATE FUNCTION bump() RETURNS void LANGUAGE sql AS $$ INSERT INTO effects (value) VALUES ('bumped') $$`
      const statements = [
        write("by itself"),
        Effect.flatMap(Transaction.sql, (sql) => sql`SELECT bump()`),
        Effect.flatMap(
          Transaction.sql,
          (sql) => sql`WITH w AS (INSERT INTO effects (value) VALUES ('with')) SELECT 1 AS one`
        )
      ]
      for (const statement of [...statements, ...statements]) {
        const failure = yield* Effect.flip(Transaction.autocommit(statement, { readOnly: true }))
        assert.include(failure, { _tag: "StatementFailed", sqlState: "25006" } as const)
      }
      for (const value of ["by itself", "bumped", "with"]) assert.strictEqual(yield* written(value), 0)
    })
  )

  it.effect("refuses to write where it is to read only, also by a text that has read before", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`CREATE TABLE sources (value text PRIMARY KEY)`
      yield* sql`CREATE FUNCTION note(value text) RETURNS void LANGUAGE sql AS $$ INSERT INTO effects (value) VALUES (value) $$`
      const read = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT note(value) FROM sources`)
      assert.deepStrictEqual(yield* Transaction.autocommit(read, { readOnly: true }), [])
      yield* sql`INSERT INTO sources VALUES ('noted')`
      const failure = yield* Effect.flip(Transaction.autocommit(read, { readOnly: true }))
      assert.include(failure, { _tag: "StatementFailed", sqlState: "25006" } as const)
      assert.strictEqual(yield* written("noted"), 0)
    })
  )

  it.effect("sends a statement that reads in a transaction, and by itself where it is proven to read", () =>
    Effect.gen(function* () {
      const read = Effect.flatMap(Transaction.sql, (sql) =>
        Effect.map(
          sql<{ own: boolean }>`SELECT current_setting('transaction_read_only') = 'on' AS own`,
          ([row]) => row?.own
        )
      )
      assert.deepStrictEqual(yield* Effect.replicateEffect(Transaction.autocommit(read, { readOnly: true }), 2), [
        true,
        true
      ])
      const proven = Transaction.autocommit(read, { readOnly: "proven" })
      assert.isFalse(yield* proven)
      assert.isTrue(yield* Effect.provide(proven, ProvingReads))
    })
  )

  it.effect("dies at a second statement where it is to read only as well", () =>
    Effect.gen(function* () {
      const one = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`)
      const exit = yield* Effect.exit(Transaction.autocommit(Effect.andThen(one, one), { readOnly: true }))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), "Transaction.autocommit runs one statement")
    })
  )

  it.effect("runs its statement outside any transaction block", () =>
    Effect.gen(function* () {
      yield* Transaction.autocommit(write("autocommit"))
      assert.strictEqual(yield* written("autocommit"), 1)
    })
  )

  it.effect("retries a conflict", () =>
    Effect.gen(function* () {
      yield* failCommits("autocommit_conflict", 2, conflictAtCommit("OC000"))
      yield* Transaction.autocommit(write("autocommit_conflict"), { policy: quick })
      assert.strictEqual(yield* written("autocommit_conflict"), 1)
    })
  )

  it.effect("refuses a transaction inside it, with a deadline and without", () =>
    Effect.gen(function* () {
      const inside = Effect.flatMap(Transaction.sql, (sql) => sql.withTransaction(write("inside")))
      for (const deadline of [undefined, "1 minute"] as const) {
        const failure = yield* Effect.flip(Transaction.autocommit(inside, { deadline }))
        assert.include(failure, { _tag: "UnsupportedFeature" } as const)
        assert.include(failure.message, "use Transaction.run")
      }
      assert.strictEqual(yield* written("inside"), 0)
    })
  )

  it.effect("lends no connection to its body, which would take any number of statements", () =>
    Effect.gen(function* () {
      const several = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        const connection = yield* sql.reserve
        yield* connection.execute("INSERT INTO effects (value) VALUES ('escaped')", [], undefined)
      })
      for (const options of [{}, { readOnly: "proven" }, { deadline: "1 minute" }] as const) {
        const failure = yield* Effect.flip(Transaction.autocommit(Effect.scoped(several), options))
        assert.include(failure, { _tag: "UnsupportedFeature" } as const)
        assert.include(failure.message, "use Transaction.run")
      }
      assert.strictEqual(yield* written("escaped"), 0)
    })
  )

  it.effect("dies at a second statement, because it would be a second transaction", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Transaction.autocommit(Effect.andThen(write("one"), write("two"))))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), "Transaction.autocommit runs one statement")
      assert.strictEqual(yield* written("two"), 0)
    })
  )
})

const otherSession = <A, E>(effect: Effect.Effect<A, E>) =>
  // A fiber of its own has no transaction in its context, so its statements take another connection.
  Effect.callback<A, E>((resume) => {
    Effect.runFork(
      Effect.matchCause(effect, {
        onFailure: (cause) => resume(Effect.failCause(cause)),
        onSuccess: (value) => resume(Effect.succeed(value))
      })
    )
  })
