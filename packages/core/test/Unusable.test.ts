/**
 * What is made of answers that cannot be used, and of statements that could never be answered: one error each, which
 * says what became of what was written, and a client that goes on.
 */
import { DsqlClient, DsqlError, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Stream } from "effect"
import type { SqlError } from "effect/sql"
import type { Connection } from "effect/sql/SqlConnection"
import { TestDatabase } from "../../../test/database.ts"

const schema = Layer.effectDiscard(
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`CREATE TABLE counters (id integer PRIMARY KEY, n integer)`)
)

/** The driver reads what it does not know as text, which this is not. */
const unreadable = "UPDATE counters SET n = n + 1 WHERE id = 1 RETURNING ROW(1, 'a') AS row"

const statement = (text: string) => Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(text))

/** How often the counter has risen. */
const risen = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`DELETE FROM counters`
    yield* sql`INSERT INTO counters VALUES (1, 0)`
    const error = yield* Effect.flip(effect)
    const [row] = yield* sql<{ readonly n: number }>`SELECT n FROM counters WHERE id = 1`
    return { error, n: row?.n }
  })

const named = (error: SqlError.SqlError) => DsqlError.from(error)

for (const pipeline of ["on", "off"] as const) {
  layer(Layer.provideMerge(schema, TestDatabase({ maxConnections: 1, pipeline })), { excludeTestServices: true })(
    `with the pipeline ${pipeline}`,
    (it) => {
      it.effect("a row that cannot be read leaves open what became of a statement that commits by itself", () =>
        Effect.gen(function* () {
          const { sql } = yield* DsqlClient.DsqlClient
          const autocommitted = yield* risen(Transaction.autocommit(statement(unreadable)))
          assert.include(autocommitted.error, { _tag: "CommitOutcomeUnknown" })
          assert.strictEqual(autocommitted.n, 1)
          const plain = yield* risen(Effect.mapError(sql.unsafe(unreadable), named))
          assert.include(plain.error, { _tag: "CommitOutcomeUnknown" })
          assert.strictEqual(plain.n, 1)
        })
      )

      it.effect("a row that cannot be read fails a transaction, of which nothing is committed", () =>
        Effect.gen(function* () {
          const { error, n } = yield* risen(Transaction.run(statement(unreadable)))
          assert.include(error, { _tag: "StatementFailed" })
          assert.strictEqual(n, 0)
        })
      )

      it.effect("COPY is refused by its name, and nothing else is in doubt", () =>
        Effect.gen(function* () {
          const { sql } = yield* DsqlClient.DsqlClient
          for (const text of ["COPY counters TO STDOUT", "COPY counters FROM STDIN"]) {
            for (const program of [
              Effect.mapError(sql.unsafe(text), named),
              Effect.mapError(Stream.runDrain(sql.unsafe(text).stream), named),
              Transaction.autocommit(statement(text)),
              Transaction.run(statement(text)),
              Transaction.batch((sql) => [sql`UPDATE counters SET n = n + 1`, sql.unsafe(text)])
            ]) {
              const { error, n } = yield* risen<unknown, DsqlError.DsqlError, DsqlClient.DsqlClient>(program)
              assert.include(error, { _tag: "UnsupportedFeature" })
              assert.include(error.message, "COPY is not supported here")
              assert.strictEqual(n, 0)
            }
          }
        })
      )

      it.effect("a statement amid the rows of a stream of its transaction is refused, and does not wait for ever", () =>
        Effect.gen(function* () {
          const { pool } = yield* DsqlClient.DsqlClient
          const rows = Effect.map(Transaction.sql, (sql) => sql`SELECT generate_series(1, 3) AS id`.stream)
          for (const amid of [statement("UPDATE counters SET n = n + 1"), Effect.flatMap(rows, Stream.runDrain)]) {
            const { error, n } = yield* risen<unknown, DsqlError.TransactionError, DsqlClient.DsqlClient>(
              Transaction.run(
                Effect.flatMap(
                  rows,
                  Stream.runForEach(() => amid)
                )
              )
            )
            assert.include(error, { _tag: "UnsupportedFeature" })
            assert.include(error.message, "a stream of this connection is still being read")
            assert.strictEqual(n, 0)
          }
          assert.include(yield* pool, { open: 1, inUse: 0 })
        })
      )

      it.effect("a text that could not be prepared is asked again where it has a meaning by then", () =>
        Effect.gen(function* () {
          const { reserve } = yield* DsqlClient.DsqlClient
          const send = (text: string) => (connection: Connection) => connection.execute(text, [], undefined)
          const exits = yield* Effect.scoped(
            Effect.flatMap(reserve, (connection) =>
              Effect.forEach(
                ["SELECT * FROM later", "CREATE TABLE later (id integer)", "SELECT * FROM later"],
                (text) => Effect.exit(send(text)(connection)),
                { concurrency: "unbounded" }
              )
            )
          )
          assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, true, true])
        })
      )

      it.effect("a transaction begins, reads and commits after the server was told to forget what is prepared", () =>
        Effect.gen(function* () {
          const { sql } = yield* DsqlClient.DsqlClient
          const read = statement("SELECT 7 AS seven")
          for (const text of ["DISCARD ALL", "DEALLOCATE ALL"]) {
            assert.deepStrictEqual(yield* Transaction.run(read), [{ seven: 7 }])
            yield* sql.unsafe(text)
          }
          assert.deepStrictEqual(yield* Transaction.run(read), [{ seven: 7 }])
        })
      )
    }
  )
}

layer(Layer.provideMerge(schema, TestDatabase({ maxConnections: 1 })), { excludeTestServices: true })(
  "a stream that outlives the body of its transaction",
  (it) => {
    it.effect("does not keep COMMIT waiting for ever, nor the connection", () =>
      Effect.gen(function* () {
        const reading = yield* Deferred.make<void>()
        const { error, n } = yield* risen(
          Transaction.run(
            Effect.gen(function* () {
              const sql = yield* Transaction.sql
              yield* sql`UPDATE counters SET n = n + 1`
              const rows = sql`SELECT generate_series(1, 3000) AS id`.stream
              const forEver = () => Effect.andThen(Deferred.succeed(reading, undefined), Effect.never)
              yield* Effect.forkDetach(Stream.runForEach(rows, forEver))
              yield* Deferred.await(reading)
            })
          )
        )
        assert.include(error, { _tag: "UnsupportedFeature" })
        assert.include(error.message, "a stream of it is still being read")
        assert.strictEqual(n, 0)
      })
    )
  }
)
