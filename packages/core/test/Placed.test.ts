/**
 * An error says which operation it ended, and which statement it is about.
 */
import { type DsqlError, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Control, TestEmulator } from "../../../test/emulator.ts"

const operation = "PlaceOrder"

const insert = (id: number) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO placed_orders (id) VALUES (${id})`)

const place = ({ operation, statement }: DsqlError.CommitOutcomeUnknown | DsqlError.StatementFailed) => [
  operation,
  statement
]

layer(TestEmulator(), { excludeTestServices: true })("an error", (it) => {
  it.effect("of a lost answer says what was lost, and what that means", () =>
    Effect.gen(function* () {
      const control = yield* Control
      yield* Transaction.autocommit(
        Effect.flatMap(Transaction.sql, (sql) => sql`CREATE TABLE placed_orders (id INTEGER PRIMARY KEY)`)
      )
      yield* control.reset
      yield* control.inject({ on: "commit", fault: "cut-after", times: 2 })
      const error = yield* Effect.flip(Transaction.run(insert(1), { operation }))
      assert(error._tag === "CommitOutcomeUnknown")
      assert.deepStrictEqual(place(error), [operation, "COMMIT"])
      assert.match(error.message, /^PlaceOrder: the answer to COMMIT was lost, so it may have taken effect or not: \S/)
      const single = yield* Effect.flip(Transaction.autocommit(insert(2), { operation }))
      assert(single._tag === "CommitOutcomeUnknown")
      assert.deepStrictEqual(place(single), [operation, "INSERT INTO placed_orders (id) VALUES ($1)"])
      assert.match(single.message, /^PlaceOrder: the answer to a statement that commits by itself was lost, /)
    })
  )

  it.effect("of the server has its message as it is, and the statement without its parameters", () =>
    Effect.gen(function* () {
      const search = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT * FROM missing WHERE secret = ${"hunter2"}`)
      for (const run of [Transaction.run, Transaction.autocommit]) {
        const error = yield* Effect.flip(run(search, { operation }))
        assert(error._tag === "StatementFailed")
        assert.strictEqual(error.message, 'relation "missing" does not exist')
        assert.deepStrictEqual(place(error), [operation, "SELECT * FROM missing WHERE secret = $1"])
        assert.notInclude(JSON.stringify(error), "hunter2")
      }
    })
  )

  it.effect("of a long statement has its beginning", () =>
    Effect.gen(function* () {
      const long = Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(`SELECT ${"1 + ".repeat(1_000)} missing`))
      const error = yield* Effect.flip(Transaction.run(long))
      assert(error._tag === "StatementFailed")
      assert.strictEqual(error.statement?.length, 1_000)
    })
  )
})
