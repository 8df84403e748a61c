import { Migrator, SchemaSource, Version } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execute, history, rows, PlainMigrator, SetUpMigrator, TestMigrator } from "./support/database.ts"
import { sourceOf, temporal, version } from "./support/schemas.ts"

describe("Migrator.update", () => {
  it.live("never touches the rows of current_executions", () =>
    Effect.gen(function* () {
      const { setup, update } = yield* temporal
      yield* setup({ version: version("1.0") })
      yield* execute(`INSERT INTO current_executions
        SELECT i % 7, gen_random_uuid(), 'workflow-' || i, gen_random_uuid(), 'request-' || i, 1, 1, i,
          TIMESTAMP '2026-01-01' + i * INTERVAL '1 second', i, decode(md5(i::text), 'hex'), 'Proto3'
        FROM generate_series(1, 500) i`)
      const current = rows("SELECT xmin::text, * FROM current_executions ORDER BY workflow_id")
      const before = yield* current
      assert.strictEqual(before.length, 500)
      yield* update()
      yield* update()
      assert.deepStrictEqual(yield* current, before)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("records each version with its manifest's MD5 and description", () =>
    Effect.gen(function* () {
      const { setup, source, update } = yield* temporal
      yield* setup({ version: version("0.0") })
      const report = yield* update()
      assert.deepStrictEqual([report.from, report.to], [Version.none, Version.current])
      assert.deepStrictEqual(yield* history, [
        {
          version_partition: 0,
          description: "initial version",
          manifest_md5: "",
          new_version: "0.0",
          old_version: "0"
        },
        {
          version_partition: 0,
          description: "base version of the schema",
          manifest_md5: source.versions[0].md5,
          new_version: "1.0",
          old_version: "0.0"
        },
        {
          version_partition: 0,
          description: "add current_chasm_executions",
          manifest_md5: source.versions[1]?.md5,
          new_version: "1.1",
          old_version: "1.0"
        }
      ])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("stops at the version that it is given", () =>
    Effect.gen(function* () {
      const { setup, update } = yield* temporal
      yield* setup({ version: version("0.0") })
      assert.strictEqual((yield* update({ version: version("1.0") })).to as string, "1.0")
      assert.deepStrictEqual(yield* rows("SELECT 1 FROM pg_class WHERE relname = 'current_chasm_executions'"), [])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("says to set up a database where nothing is recorded", () =>
    Effect.gen(function* () {
      const { update } = yield* temporal
      const error = yield* Effect.flip(update())
      assert.strictEqual(error.message, "no schema version is recorded for database postgres: run setup-schema first")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("refuses to go back", () =>
    Effect.gen(function* () {
      const { update } = yield* temporal
      const error = yield* Effect.flip(update({ version: version("1.0") }))
      assert.strictEqual(
        error.message,
        "the database is at 1.1, after 1.0: there is no way back but a backup (see Rollback in docs/migrations.md): use a tool that knows 1.1"
      )
    }).pipe(Effect.provide(SetUpMigrator()))
  )

  it.live("never takes a failure to read the version for an empty database", () =>
    Effect.gen(function* () {
      const { update } = yield* temporal
      yield* execute(
        "ALTER TABLE schema_version RENAME TO kept",
        `CREATE VIEW schema_version AS SELECT version_partition, db_name, creation_time,
          (1 / version_partition)::varchar(64) AS curr_version, min_compatible_version FROM kept`
      )
      const before = yield* history
      const error = yield* Effect.flip(update())
      assert.strictEqual(error._tag, "StatementFailed")
      assert.deepStrictEqual(yield* history, before)
    }).pipe(Effect.provide(SetUpMigrator()))
  )

  it.live.each([
    ["NULL", "its curr_version is empty"],
    ["'one'", 'its curr_version is "one", which is no version']
  ])("does not trust a recorded version of %s", ([value, problem]) =>
    Effect.gen(function* () {
      const { update } = yield* temporal
      yield* execute(`UPDATE schema_version SET curr_version = ${value}`)
      const error = yield* Effect.flip(update())
      assert.strictEqual(error.message, `schema_version cannot be trusted: ${problem}`)
    }).pipe(Effect.provide(SetUpMigrator()))
  )

  const otherwise: ReadonlyArray<readonly [what: string, table: string, problem: string]> = [
    [
      "types",
      `CREATE TABLE schema_version (version_partition INTEGER NOT NULL, db_name VARCHAR(255) NOT NULL,
        creation_time TIMESTAMP, curr_version INTEGER, min_compatible_version VARCHAR(64),
        PRIMARY KEY (version_partition, db_name))`,
      "column schema_version.curr_version has type integer, expected varchar(64)"
    ],
    [
      "primary key",
      `CREATE TABLE schema_version (version_partition INTEGER NOT NULL, db_name VARCHAR(255) NOT NULL,
        creation_time TIMESTAMP, curr_version VARCHAR(64), min_compatible_version VARCHAR(64),
        PRIMARY KEY (db_name))`,
      "table schema_version has primary key (db_name), expected (version_partition, db_name)"
    ]
  ]
  it.live.each(otherwise)("refuses a schema_version of other %s in one line", ([, table, problem]) =>
    Effect.gen(function* () {
      const { setup, status } = yield* temporal
      yield* execute(table)
      for (const refused of [Effect.asVoid(setup()), Effect.asVoid(status)]) {
        const { message } = yield* Effect.flip(refused)
        assert.strictEqual(
          message,
          `schema_version cannot be trusted: ${problem}, so it is not the schema tool's; rename or drop it`
        )
      }
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("says what to do about a lease whose fence no number follows", () =>
    Effect.gen(function* () {
      const { setup } = yield* temporal
      yield* setup()
      yield* execute("UPDATE schema_lease SET owner = 'dead', fence = 2147483647")
      const migrator = yield* Migrator.Migrator
      const source = yield* SchemaSource.builtIn()
      const { message } = yield* Effect.flip(migrator.repair({ source, release: true }))
      assert.strictEqual(
        message,
        "schema_lease cannot be trusted: its fence is 2147483647, and no number follows: set it to the highest fence in schema_journal"
      )
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("does not use a schema_version of somebody else", () =>
    Effect.gen(function* () {
      const { setup, update } = yield* temporal
      yield* execute("CREATE TABLE schema_version (version TEXT PRIMARY KEY)")
      assert.strictEqual((yield* Effect.flip(update()))._tag, "InvalidBookkeeping")
      assert.strictEqual((yield* Effect.flip(setup()))._tag, "InvalidBookkeeping")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("leaves the version where it was when a statement is refused, and finishes when run again", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* sourceOf(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT);",
        `ALTER TABLE a ADD COLUMN b INTEGER;
         CREATE TABLE c (id INTEGER PRIMARY KEY);
         CREATE UNIQUE INDEX ASYNC a_name ON a (name);
         ALTER TABLE a DROP COLUMN b;`
      )
      yield* migrator.setup({ source, version: version("1.0") })
      yield* execute("INSERT INTO a (id, name) VALUES (1, 'x'), (2, 'x')")
      const error = yield* Effect.flip(migrator.update({ source }))
      assert(error._tag === "StatementRefused")
      assert.strictEqual(error.cause._tag, "UniqueViolation")
      assert.include(error.message, "v1.1/a.sql:3: CREATE UNIQUE INDEX a_name: ")
      assert.strictEqual((yield* migrator.status({ source })).current as string, "1.0")
      yield* execute("DELETE FROM a WHERE id = 2")
      const report = yield* migrator.update({ source })
      assert.deepStrictEqual([report.present, report.applied], [2, 2])
      assert.strictEqual((yield* migrator.status({ source })).current as string, "1.1")
    }).pipe(Effect.provide(PlainMigrator))
  )

  it.live("leaves a database alone that is further than the schema, if it still works with it", () =>
    Effect.gen(function* () {
      const { status, update } = yield* temporal
      yield* execute("UPDATE schema_version SET curr_version = '2.0', min_compatible_version = '1.1'")
      assert.deepStrictEqual((yield* status).state, "ahead")
      assert.isFalse((yield* update()).changed)
      yield* execute("UPDATE schema_version SET min_compatible_version = '1.2'")
      assert.deepStrictEqual((yield* status).state, "incompatible")
      assert.strictEqual((yield* Effect.flip(update()))._tag, "Downgrade")
    }).pipe(Effect.provide(SetUpMigrator()))
  )
})

describe("Migrator.status", () => {
  it.live("compares what is recorded with the schema, and writes nothing", () =>
    Effect.gen(function* () {
      const { setup, status } = yield* temporal
      assert.deepStrictEqual(yield* status, {
        schema: "dsql/temporal",
        database: "postgres",
        current: null,
        expected: Version.current,
        minCompatible: null,
        state: "not-set-up",
        compatible: false,
        begun: null
      })
      assert.deepStrictEqual(yield* rows("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace"), [])
      yield* setup({ version: version("1.0") })
      assert.strictEqual((yield* status).state, "behind")
      yield* setup()
      assert.isTrue((yield* status).compatible)
    }).pipe(Effect.provide(TestMigrator))
  )
})
