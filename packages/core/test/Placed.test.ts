/**
 * An error says which operation it ended, and which statement it is about.
 */
import { DsqlClient, DsqlError, TokenSource, Transaction } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Control, TestEmulator } from "../../../test/emulator.ts"
import { sharedPostgres } from "../../../test/postgres.ts"

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

describe("an error that the pool tells everybody who waits", () => {
  const pool = { maxConnections: 1 } as const

  /** Two operations that want the one connection at once: what each of them hears. */
  const heard = <E>(layer: Layer.Layer<DsqlClient.DsqlClient, E>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const client = yield* Layer.build(layer)
        const run = (operation: string) =>
          Effect.flip(Effect.provide(Transaction.run(insert(1), { operation }), client))
        const errors = yield* Effect.all([run("PlaceOrder"), run("ShipOrder")], { concurrency: 2 })
        return errors.map((error) => [error._tag, "operation" in error ? error.operation : undefined])
      })
    )

  it.live("says which operation it ended where there is no server", () =>
    Effect.gen(function* () {
      const url = Redacted.make("postgres://admin@127.0.0.1:1/postgres")
      assert.deepStrictEqual(yield* heard(DsqlClient.layerUrl({ url, ...pool })), [
        ["ConnectionLost", "PlaceOrder"],
        ["ConnectionLost", "ShipOrder"]
      ])
    })
  )

  it.live("says which operation it ended where nothing signs", () =>
    Effect.gen(function* () {
      const none = new DsqlError.AuthenticationFailed({
        reason: "credentials",
        step: "none",
        message: "no credentials"
      })
      const tokens = TokenSource.make(Effect.fail(none))
      const layer = DsqlClient.layer({ endpoint: "localhost", port: 1, user: "admin", tokens, ...pool })
      assert.deepStrictEqual(yield* heard(layer), [
        ["AuthenticationFailed", "PlaceOrder"],
        ["AuthenticationFailed", "ShipOrder"]
      ])
    })
  )

  it.effect("says which operation it ended where all connections are in use", () =>
    Effect.gen(function* () {
      const emulator = yield* Emulator.make({ postgres: sharedPostgres(), log: false })
      const client = yield* Layer.build(DsqlClient.layerUrl({ url: emulator.url(), ...pool, waitTimeout: "20 millis" }))
      const held = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      const holding = Effect.andThen(
        Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`),
        Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(done))
      )
      yield* Effect.forkScoped(Effect.provide(Transaction.run(holding, { operation: "PlaceOrder" }), client))
      yield* Deferred.await(held)
      const shipping = Effect.provide(Transaction.run(insert(1), { operation: "ShipOrder" }), client)
      const refused = yield* Effect.forkScoped(Effect.flip(shipping), { startImmediately: true })
      yield* TestClock.adjust("20 millis")
      const error = yield* Fiber.join(refused)
      yield* Deferred.succeed(done, undefined)
      assert.include(error, { _tag: "ConnectionUnavailable", reason: "busy", operation: "ShipOrder" } as const)
    })
  )
})
