/**
 * A database of the Go tool, taken over as docs/migration-guide.md says, on the emulated Aurora DSQL.
 */
import { Difference, Migrator, SchemaSource, Verify, Version } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execute, rows, TestMigrator } from "./support/database.ts"
import * as EarlierTool from "./support/earlierTool.ts"
import { version } from "./support/schemas.ts"

const verified = (source: SchemaSource.SchemaSource, at?: Version.Version) =>
  Effect.map(Verify.verify({ source, version: at }), ({ differences }) => differences.map(Difference.line))

describe("a database of the earlier tool", () => {
  it.live("at 1.0 is verified, adopted and updated", () =>
    Effect.gen(function* () {
      yield* EarlierTool.setUp("1.0")
      const migrator = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      assert.strictEqual((yield* migrator.status({ source })).state, "behind")
      assert.deepStrictEqual(yield* verified(source), [])
      const one = version("1.0")
      const adopted = yield* migrator.baseline({ source, version: one, verify: Verify.ensure(source, one) })
      assert.deepStrictEqual([adopted.present, adopted.to], [source.versions[0].statements.length, one])
      const plan = yield* migrator.plan({ source })
      assert.deepStrictEqual(
        plan.steps.map(({ action, summary }) => [action, summary]),
        [["run", "CREATE TABLE current_chasm_executions"]]
      )
      yield* migrator.update({ source })
      assert.deepStrictEqual(yield* verified(source), [])
      assert.deepStrictEqual(yield* rows("SELECT db_name, curr_version, min_compatible_version FROM schema_version"), [
        { db_name: "postgres", curr_version: "1.1", min_compatible_version: "1.0" }
      ])
      assert.deepStrictEqual(
        (yield* migrator.history()).changes.map(({ from, to }) => [from, to]),
        [
          ["0", "1.0"],
          ["1.0", "1.1"]
        ]
      )
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("at 1.1 is adopted as it is, and needs no update then", () =>
    Effect.gen(function* () {
      yield* EarlierTool.setUp("1.1")
      const migrator = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      assert.strictEqual((yield* migrator.status({ source })).state, "current")
      yield* migrator.baseline({ source, verify: Verify.ensure(source, Version.current) })
      assert.isFalse((yield* migrator.update({ source })).changed)
      assert.deepStrictEqual(yield* verified(source), [])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("is not adopted where a row that the schema puts there is not", () =>
    Effect.gen(function* () {
      yield* EarlierTool.setUp("1.1")
      yield* execute("DELETE FROM namespace_metadata")
      const migrator = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      const verify = Verify.ensure(source, Version.current)
      const { message } = yield* Effect.flip(migrator.baseline({ source, verify }))
      assert.match(
        message,
        /^the database is not at version 1\.1: table namespace_metadata is empty, and .+\.sql:\d+ puts rows into it/
      )
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("without its record is set up around what is there, path columns included", () =>
    Effect.gen(function* () {
      yield* EarlierTool.setUp("1.1")
      yield* execute("DELETE FROM schema_version", "DELETE FROM schema_update_history")
      const migrator = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      const report = yield* migrator.setup({ source })
      // Three tables of the books, and the one statement that changes rows, which finds its row there.
      assert.strictEqual(report.applied, 4)
      assert.deepStrictEqual(yield* verified(source), [])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("is refused where a path is of a width that neither tool makes", () =>
    Effect.gen(function* () {
      yield* EarlierTool.setUp("1.1")
      yield* execute(
        "DROP TABLE chasm_node_maps",
        `CREATE TABLE chasm_node_maps (shard_id INTEGER NOT NULL, namespace_id UUID NOT NULL,
          workflow_id VARCHAR(255) NOT NULL, run_id UUID NOT NULL, chasm_path VARCHAR(256) NOT NULL,
          metadata BYTEA NOT NULL, metadata_encoding VARCHAR(16), data BYTEA, data_encoding VARCHAR(16),
          PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id, chasm_path))`
      )
      const source = yield* SchemaSource.builtIn()
      assert.deepStrictEqual(yield* verified(source), [
        "column chasm_node_maps.chasm_path has type varchar(256), expected varchar(1024)"
      ])
    }).pipe(Effect.provide(TestMigrator))
  )
})
