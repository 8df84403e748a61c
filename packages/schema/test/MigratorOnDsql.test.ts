/**
 * The migrator on Aurora DSQL's rules: one DDL statement per transaction, jobs
 * that build indexes, conflicts after a change of the catalogue, lost answers.
 */
import type { Emulator } from "@effect-dsql/emulator"
import { Event, Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Control, TestEmulator } from "../../../test/emulator.ts"
import { NothingLate } from "../../../test/lifetime.ts"
import { execute, rows } from "./support/database.ts"
import { sourceOf } from "./support/schemas.ts"

/** A migrator on an emulated cluster of its own. */
const TestMigrator = (options: Emulator.Options = {}) =>
  Migrator.layer.pipe(Layer.provideMerge(TestEmulator(options)), Layer.provideMerge(NodeServices.layer))

const indexed = sourceOf(
  `CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(10));
   CREATE UNIQUE INDEX ASYNC a_name ON a (name);`
)

const invalid = rows("SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid")

const versions = rows("SELECT count(*)::integer AS n FROM schema_update_history")

describe("Migrator on Aurora DSQL", () => {
  it.live("waits for every index before it records the version", () =>
    Effect.gen(function* () {
      const { setup, status, update } = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      const events: Array<Event.Event> = []
      yield* setup({ source, onEvent: (event) => Effect.sync(() => events.push(event)) })
      const waiting = events.filter(Event.Event.$is("Waiting")).map(({ summary }) => summary)
      assert.strictEqual(waiting.length, 7)
      assert.include(waiting, "CREATE UNIQUE INDEX idx_namespaces_name")
      assert.deepStrictEqual(yield* invalid, [])
      assert.isFalse((yield* update({ source })).changed)
      assert.isFalse((yield* setup({ source })).changed)
      assert.strictEqual((yield* status({ source })).state, "current")
    }).pipe(Effect.provide(TestMigrator({ jobDelay: "200 millis" })))
  )

  it.live("reports an index that could not be built, and builds it once the rows are right", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* indexed
      yield* execute(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(10))",
        "INSERT INTO a VALUES (1, 'x'), (2, 'x')"
      )
      const error = yield* Effect.flip(migrator.setup({ source }))
      assert.strictEqual(error._tag, "IndexInvalid")
      assert.include(error.message, "then build it again with repair")
      assert.strictEqual((yield* Effect.flip(migrator.setup({ source })))._tag, "IndexInvalid")
      assert.strictEqual((yield* migrator.status({ source })).state, "half-set-up")
      yield* execute("DELETE FROM a WHERE id = 2", "DROP INDEX a_name")
      yield* migrator.setup({ source })
      assert.deepStrictEqual(yield* invalid, [])
    }).pipe(Effect.provide(TestMigrator()))
  )

  it.live("tries again after the catalogue changed under it", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const { setup, status } = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      yield* control.inject({ on: "commit", fault: "schema-conflict", nth: [1, 2, 3, 9, 30] })
      yield* setup({ source })
      assert.strictEqual((yield* status({ source })).state, "current")
      assert.deepStrictEqual(yield* versions, [{ n: 1 }])
    }).pipe(Effect.provide(TestMigrator()))
  )

  it.live("recognises what it did when the answer to it was lost", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const { setup, status } = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      yield* control.inject({ on: "commit", fault: "cut-after", probability: 0.1 })
      const again: typeof setup = (options) =>
        Effect.catchIf(
          setup(options),
          ({ _tag }) => _tag === "StatementRefused" || _tag === "ConnectionLost",
          () => again(options)
        )
      yield* again({ source })
      yield* control.clear
      assert.strictEqual((yield* status({ source })).state, "current")
      assert.deepStrictEqual(yield* versions, [{ n: 1 }])
      assert.deepStrictEqual(yield* invalid, [])
    }).pipe(Effect.provide(TestMigrator()), Effect.provide(NothingLate))
  )
})
