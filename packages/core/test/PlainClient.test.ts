/**
 * The clients of Effect SQL, outside of `Transaction`: what is sent again, what is not, and what is said of it.
 */
import { DsqlClient, DsqlError, RetryPolicy, Transaction } from "@effect-dsql/core"
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Testing } from "@effect-dsql/testing"
import { Effect, Fiber, Queue, Ref, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { guarded } from "../../../test/database.ts"
import { Control } from "../../../test/emulator.ts"
import * as Autocommitted from "../src/internal/transaction/autocommitted.ts"
import { listen } from "./support/faults.ts"

const policy = RetryPolicy.make({ base: "1 millis", jitter: "none", attempts: 5 })

/** A table for each test, so that one emulator does for all of them. */
const table = (name: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const control = yield* Control
    yield* control.clear
    yield* sql`CREATE TABLE ${sql(name)} (id integer PRIMARY KEY, n integer NOT NULL)`
    yield* sql`INSERT INTO ${sql(name)} VALUES (1, 0)`
    yield* control.reset
    const n = Effect.map(sql<{ n: number }>`SELECT n FROM ${sql(name)} WHERE id = 1`, ([row]) => row?.n)
    return { sql, control, n, increment: sql`UPDATE ${sql(name)} SET n = n + 1 WHERE id = 1` }
  })

/** The texts that have arrived, by their first word. */
const words = Effect.map(
  Effect.flatMap(Control, (control) => control.statements()),
  (arrivals) => arrivals.map(({ sql }) => sql.split(" ")[0])
)

const typed = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), (error) => ({ error, is: DsqlError.from(error) }))

layer(Testing.layer({ client: { guarded, policy } }), { excludeTestServices: true })(
  "a statement of the plain client",
  (it) => {
    const ways = {
      "as rows": (sql: PgClient.PgClient, name: string) => sql`UPDATE ${sql(name)} SET n = n + 1 RETURNING n`,
      "as values": (sql: PgClient.PgClient, name: string) => sql`UPDATE ${sql(name)} SET n = n + 1 RETURNING n`.values,
      raw: (sql: PgClient.PgClient, name: string) => sql`UPDATE ${sql(name)} SET n = n + 1`.raw,
      unprepared: (sql: PgClient.PgClient, name: string) => sql`UPDATE ${sql(name)} SET n = n + 1`.unprepared,
      "without transforms": (sql: PgClient.PgClient, name: string) =>
        sql.withoutTransforms()`UPDATE ${sql(name)} SET n = n + 1`,
      "as a stream": (sql: PgClient.PgClient, name: string) =>
        Stream.runCollect(sql`UPDATE ${sql(name)} SET n = n + 1 RETURNING n`.stream)
    }
    for (const [name, send] of Object.entries(ways)) {
      it.effect(`is sent again after conflicts, and takes effect once: ${name}`, () =>
        Effect.gen(function* () {
          const id = `again_${name.replaceAll(" ", "_")}`
          const { control, n } = yield* table(id)
          yield* control.inject({ on: "commit", fault: "conflict", nth: [1, 2] })
          yield* send(yield* PgClient.PgClient, id)
          assert.deepStrictEqual(yield* words, ["UPDATE", "UPDATE", "UPDATE"])
          assert.strictEqual(yield* n, 1)
        })
      )
    }

    it.effect("is not sent again as a stream that has given a row already: its reader would see that twice", () =>
      Effect.gen(function* () {
        const sent = yield* Ref.make(0)
        const reason = new SqlError.SerializationError({ cause: Object.assign(new Error("OC000"), { code: "40001" }) })
        const rows = (given: ReadonlyArray<number>) =>
          Stream.unwrap(
            Effect.as(
              Ref.update(sent, (count) => count + 1),
              Stream.concat(Stream.fromIterable(given), Stream.fail(new SqlError.SqlError({ reason })))
            )
          )
        const seen: Array<number> = []
        const read = (given: ReadonlyArray<number>) =>
          Stream.runForEach(Autocommitted.stream(rows(given), { policy }), (row) => Effect.sync(() => seen.push(row)))
        assert.strictEqual((yield* typed(read([1]))).is._tag, "SerializationConflict")
        assert.deepStrictEqual(seen, [1])
        assert.strictEqual(yield* Ref.get(sent), 1)
        assert.strictEqual((yield* typed(read([]))).is._tag, "ConflictRetriesExhausted")
        assert.strictEqual(yield* Ref.get(sent), 6)
      })
    )

    it.effect("is sent again where its session's catalogue was out of date", () =>
      Effect.gen(function* () {
        const { control, increment, n, sql } = yield* table("stale")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const other = yield* sql.reserve
            yield* increment
            // The session that knows the table is idle, and not told.
            yield* other.execute("ALTER TABLE stale ADD COLUMN colour text", [], undefined)
            yield* control.reset
            yield* increment
          })
        )
        assert.deepStrictEqual(yield* words, ["UPDATE", "UPDATE"])
        assert.strictEqual(yield* n, 2)
      })
    )

    it.effect("loses nothing where eight change one row at once", () =>
      Effect.gen(function* () {
        const { increment, n } = yield* table("eight")
        yield* Effect.all(
          Array.from({ length: 8 }, () => increment),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(yield* n, 8)
      })
    )

    it.effect("holds no connection while it waits to be sent again", () =>
      Effect.gen(function* () {
        const { control, increment } = yield* table("waits")
        const { listening, queue } = yield* listen("transaction conflicted, retrying")
        yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
        const { pool } = yield* DsqlClient.DsqlClient
        yield* Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(increment)
          yield* Queue.take(queue)
          assert.strictEqual((yield* pool).inUse, 0)
          yield* Fiber.join(fiber)
        }).pipe(listening)
      })
    )

    it.effect("is not sent again when its answer is lost, and says so", () =>
      Effect.gen(function* () {
        const { control, increment, n } = yield* table("lost")
        for (const fault of ["cut", "cut-after", "unavailable", "unavailable-after"] as const) {
          yield* control.clear
          yield* control.inject({ on: "commit", fault, nth: [1] })
          const { error, is } = yield* typed(increment)
          assert.strictEqual(is._tag, "CommitOutcomeUnknown")
          assert.isFalse(error.isRetryable)
        }
        // Each of the two that took effect took it once.
        assert.strictEqual(yield* n, 2)
      })
    )

    it.effect("is not sent again for any other error", () =>
      Effect.gen(function* () {
        const { control, sql } = yield* table("other")
        const { is } = yield* typed(sql`INSERT INTO other VALUES (1, 0)`)
        assert.strictEqual(is._tag, "UniqueViolation")
        assert.deepStrictEqual(yield* words, ["INSERT"])
        yield* control.reset
        assert.strictEqual((yield* typed(sql`CREATE INDEX i ON other (n)`)).is._tag, "UnsupportedFeature")
      })
    )

    it.effect("is sent by itself on a connection that was reserved: it may hold a transaction of its owner's", () =>
      Effect.gen(function* () {
        const { control, n, sql } = yield* table("reserved")
        yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
        const { is } = yield* typed(
          Effect.scoped(Effect.flatMap(sql.reserve, (own) => own.execute("UPDATE reserved SET n = 1", [], undefined)))
        )
        assert.strictEqual(is._tag, "SerializationConflict")
        assert.strictEqual(yield* n, 0)
      })
    )

    it.effect("is sent again by Transaction.autocommit alone, where it is inside one", () =>
      Effect.gen(function* () {
        const { control, increment, n } = yield* table("single")
        yield* control.inject({ on: "commit", fault: "conflict", nth: [1, 2] })
        const runs = yield* Ref.make(0)
        yield* Transaction.autocommit(
          Effect.andThen(
            Ref.update(runs, (count) => count + 1),
            increment
          ),
          { policy }
        )
        assert.strictEqual(yield* Ref.get(runs), 3)
        assert.strictEqual(yield* n, 1)
      })
    )

    it.effect("is not sent again inside a transaction: all of it is, by Transaction.run alone", () =>
      Effect.gen(function* () {
        const { control, increment, n, sql } = yield* table("inside")
        const conflict = { on: "statement", fault: "conflict", nth: [1] } as const
        yield* control.inject(conflict)
        const { is } = yield* typed(sql.withTransaction(increment))
        assert.strictEqual(is._tag, "SerializationConflict")
        assert.deepStrictEqual(yield* words, ["BEGIN", "UPDATE", "ROLLBACK"])
        yield* control.clear
        yield* control.inject(conflict)
        yield* control.reset
        yield* Transaction.run(increment, { policy })
        assert.deepStrictEqual(yield* words, ["BEGIN", "UPDATE", "ROLLBACK", "BEGIN", "UPDATE", "COMMIT"])
        assert.strictEqual(yield* n, 1)
      })
    )
  }
)

layer(Testing.layer({ client: { guarded, policy: RetryPolicy.none } }), { excludeTestServices: true })(
  "a statement of the plain client without a policy",
  (it) => {
    it.effect("ends in its first conflict, which may be retried", () =>
      Effect.gen(function* () {
        const { control, increment, n } = yield* table("never")
        yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
        const { error, is } = yield* typed(increment)
        assert.include(is, { _tag: "ConflictRetriesExhausted", attempts: 1 } as const)
        assert.strictEqual(error.reason._tag, "SerializationError")
        assert.isTrue(error.isRetryable)
        assert.deepStrictEqual(yield* words, ["UPDATE"])
        assert.strictEqual(yield* n, 0)
      })
    )
  }
)

layer(Testing.layer({ client: { policy, hotKeys: { retryQuota: { tokens: 20, cost: 10 } } } }), {
  excludeTestServices: true
})("a statement of the plain client, whose retries cost something", (it) => {
  it.effect("is not sent again once the quota is used up, which transactions pay from too", () =>
    Effect.gen(function* () {
      const { control, increment, n, sql } = yield* table("paid")
      const stream = Stream.runCollect(sql`UPDATE paid SET n = n + 1 RETURNING n`.stream)
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1, 2, 3, 4, 5] })
      const ends = yield* Effect.forEach([increment, stream], typed)
      const transaction = yield* Effect.flip(Transaction.run(Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`)))
      const refused = { _tag: "RetryQuotaExhausted", attempts: 1 } as const
      assert.include(ends[0]?.is, { ...refused, attempts: 3 })
      assert.include(ends[1]?.is, refused)
      assert.include(transaction, refused)
      assert.strictEqual(yield* n, 0)
    })
  )
})
