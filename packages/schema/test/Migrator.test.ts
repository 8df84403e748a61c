import { Event, Migrator, SchemaSource, SqlFile, Version } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execute, history, rows, snapshot, TestMigrator } from "./support/database.ts"

const version = (text: string) => Effect.runSync(Version.parse(text))

/** Tools with the built-in schema, on the test's own database. */
const temporal = Effect.gen(function* () {
  const migrator = yield* Migrator.Migrator
  const source = yield* SchemaSource.builtIn()
  return {
    source,
    setup: (options: Omit<Migrator.SetupOptions, "source"> = {}) => migrator.setup({ source, ...options }),
    update: (options: Omit<Migrator.Options, "source"> = {}) => migrator.update({ source, ...options }),
    status: migrator.status({ source })
  }
})

/** The catalogue and rows that every way to 1.1 has to end in. */
const reference = Effect.gen(function* () {
  const { setup } = yield* temporal
  yield* setup()
  return yield* snapshot
}).pipe(Effect.provide(TestMigrator), Effect.scoped)

/** A schema whose versions 1.0, 1.1 and so on are these texts. */
const sourceOf = (...texts: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.map(
    Effect.forEach(texts, (text, i) =>
      Effect.map(
        SqlFile.parse(new TextEncoder().encode(text), `v1.${i}/a.sql`),
        (statements): SchemaSource.SchemaVersion => ({
          version: version(`1.${i}`),
          minCompatible: version("1.0"),
          description: "",
          files: ["a.sql"],
          md5: "",
          statements
        })
      )
    ),
    ([first, ...rest]): SchemaSource.SchemaSource => {
      assert(first !== undefined)
      return SchemaSource.make("test", [first, ...rest])
    }
  )

describe("Migrator.setup", () => {
  it.live("records the version once, with its minimum and one row of history", () =>
    Effect.gen(function* () {
      const { setup } = yield* temporal
      const report = yield* setup()
      assert.deepStrictEqual(
        { ...report, applied: 0 },
        {
          schema: "dsql/temporal",
          database: "postgres",
          from: null,
          to: Version.current,
          changed: true,
          applied: 0,
          present: 0,
          dropped: []
        }
      )
      assert.deepStrictEqual((yield* snapshot).version, [
        { version_partition: 0, db_name: "postgres", curr_version: "1.1", min_compatible_version: "1.0" }
      ])
      assert.deepStrictEqual(yield* history, [
        { version_partition: 0, description: "initial version", manifest_md5: "", new_version: "1.1", old_version: "0" }
      ])
      const [time] =
        yield* rows(`SELECT year = extract(year FROM update_time) AND month = extract(month FROM update_time)
        AND abs(extract(epoch FROM now() AT TIME ZONE 'UTC' - update_time)) < 600 AS now FROM schema_update_history`)
      assert.deepStrictEqual(time, { now: true })
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("changes nothing the second time", () =>
    Effect.gen(function* () {
      const { setup } = yield* temporal
      yield* setup()
      const before = { ...(yield* snapshot), history: yield* history }
      const report = yield* setup()
      assert.isFalse(report.changed)
      assert.deepStrictEqual({ ...(yield* snapshot), history: yield* history }, before)
    }).pipe(Effect.provide(TestMigrator))
  )

  const ways: ReadonlyArray<
    readonly [name: string, run: Effect.Effect<unknown, unknown, Effect.Services<typeof temporal>>]
  > = [
    [
      "0.0 and then an update",
      Effect.flatMap(temporal, ({ setup, update }) => Effect.andThen(setup({ version: version("0.0") }), update()))
    ],
    [
      "1.0 and then an update to 1.1",
      Effect.flatMap(temporal, ({ setup, update }) =>
        Effect.andThen(setup({ version: version("1.0") }), update({ version: version("1.1") }))
      )
    ],
    [
      "1.0 and then a setup of 1.1",
      Effect.flatMap(temporal, ({ setup }) => Effect.andThen(setup({ version: version("1.0") }), setup()))
    ],
    [
      "a setup without versions and then one with them",
      Effect.flatMap(temporal, ({ setup }) => Effect.andThen(setup({ versioning: false }), setup()))
    ],
    [
      "0.0, and two updates",
      Effect.flatMap(temporal, ({ setup, update }) =>
        Effect.all([setup({ version: version("0.0") }), update(), update()])
      )
    ],
    ["two setups at once", Effect.flatMap(temporal, ({ setup }) => Effect.all([setup(), setup()], { concurrency: 2 }))]
  ]
  it.live.each(ways)("ends in the same catalogue and rows by way of %s", ([, run]) =>
    Effect.gen(function* () {
      yield* run
      assert.deepStrictEqual(yield* snapshot, yield* reference)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("writes no bookkeeping when versioning is off", () =>
    Effect.gen(function* () {
      const { setup, status } = yield* temporal
      const report = yield* setup({ versioning: false })
      assert.strictEqual(report.to, null)
      assert.strictEqual((yield* status).state, "not-set-up")
      assert.deepStrictEqual(
        yield* rows("SELECT 1 FROM pg_class WHERE relname IN ('schema_version', 'schema_update_history')"),
        []
      )
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("keeps the version of each database name apart", () =>
    Effect.gen(function* () {
      const { setup, status } = yield* temporal
      yield* setup({ database: "temporal" })
      assert.strictEqual((yield* status).state, "not-set-up")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("refuses a version that the schema does not have, before anything runs", () =>
    Effect.gen(function* () {
      const { setup } = yield* temporal
      const error = yield* Effect.flip(setup({ version: version("9.9") }))
      assert.strictEqual(error.message, "dsql/temporal has no version 9.9: choose one of 1.0, 1.1")
      assert.deepStrictEqual(yield* rows("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace"), [])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("goes on, when run again, where a statement was refused", () =>
    Effect.gen(function* () {
      const { setup } = yield* temporal
      // A view stands where the 20th table belongs.
      yield* execute("CREATE VIEW replication_tasks_dlq AS SELECT 1 AS x")
      const error = yield* Effect.flip(setup())
      assert.strictEqual(error._tag, "ObjectDiffers")
      assert.include(error.message, "versioned/v1.0/schema.sql:")
      assert.include(error.message, "a relation replication_tasks_dlq is there already, but it is a view")
      assert.deepStrictEqual(yield* rows("SELECT * FROM schema_version"), [])
      yield* execute("DROP VIEW replication_tasks_dlq")
      const report = yield* setup()
      assert.isAbove(report.present, 10)
      assert.deepStrictEqual(yield* snapshot, yield* reference)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("refuses a table of the same name with other columns", () =>
    Effect.gen(function* () {
      const { setup } = yield* temporal
      yield* execute("CREATE TABLE shards (shard_id INTEGER PRIMARY KEY, data BYTEA)")
      const error = yield* Effect.flip(setup())
      assert.include(
        error.message,
        "a table shards is there already, but it lacks the columns range_id, data_encoding: rename or drop it, then run again"
      )
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("adopts tables that an earlier tool made without recording them", () =>
    Effect.gen(function* () {
      const { setup, source } = yield* temporal
      yield* execute(
        ...source.versions.flatMap(({ statements }) =>
          statements.map(({ postgres }) => postgres.replace("IF NOT EXISTS", "").replace("ON CONFLICT DO NOTHING", ""))
        )
      )
      const report = yield* setup()
      assert.strictEqual(report.applied, 3) // the two bookkeeping tables and the seed row
      assert.deepStrictEqual(yield* snapshot, yield* reference)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("tells what it does as it does it", () =>
    Effect.gen(function* () {
      const { setup } = yield* temporal
      const events: Array<Event.Event> = []
      const report = yield* setup({ onEvent: (event) => Effect.sync(() => events.push(event)) })
      assert.strictEqual(events.filter(Event.Event.$is("Applied")).length, report.applied)
      assert.deepStrictEqual(events.at(-1), Event.Event.Recorded({ version: Version.current }))
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("drops only the schema's own tables when it overwrites, and says which", () =>
    Effect.gen(function* () {
      const { setup, source } = yield* temporal
      yield* setup()
      yield* execute("CREATE TABLE mine (id INTEGER PRIMARY KEY)", "INSERT INTO mine VALUES (1)")
      yield* execute(`INSERT INTO shards VALUES (1, 1, '', '')`)
      const owned = yield* (yield* Migrator.Migrator).owned(source)
      assert.deepStrictEqual(
        owned.filter(({ hasRows }) => hasRows).map(({ table }) => table),
        ["namespace_metadata", "shards"]
      )
      const report = yield* setup({ overwrite: true })
      assert.deepStrictEqual([...report.dropped].toSorted(), owned.map(({ table }) => table).toSorted())
      assert.deepStrictEqual(yield* rows("SELECT * FROM shards"), [])
      assert.deepStrictEqual(yield* rows("SELECT * FROM mine"), [{ id: 1 }])
      yield* execute("DROP TABLE mine")
      assert.deepStrictEqual(yield* snapshot, yield* reference)
    }).pipe(Effect.provide(TestMigrator))
  )
})

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
      const { setup, update } = yield* temporal
      yield* setup()
      const error = yield* Effect.flip(update({ version: version("1.0") }))
      assert.strictEqual(
        error.message,
        "the database is at 1.1, after 1.0: there is no way back, use a tool that knows 1.1"
      )
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("never takes a failure to read the version for an empty database", () =>
    Effect.gen(function* () {
      const { setup, update } = yield* temporal
      yield* setup()
      yield* execute(
        "ALTER TABLE schema_version RENAME TO kept",
        `CREATE VIEW schema_version AS SELECT version_partition, db_name, creation_time,
          (1 / version_partition)::text AS curr_version, min_compatible_version FROM kept`
      )
      const before = yield* history
      const error = yield* Effect.flip(update())
      assert.strictEqual(error._tag, "StatementFailed")
      assert.deepStrictEqual(yield* history, before)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live.each([
    ["NULL", "its curr_version is empty"],
    ["'one'", 'its curr_version is "one", which is no version']
  ])("does not trust a recorded version of %s", ([value, problem]) =>
    Effect.gen(function* () {
      const { setup, update } = yield* temporal
      yield* setup()
      yield* execute(`UPDATE schema_version SET curr_version = ${value}`)
      const error = yield* Effect.flip(update())
      assert.strictEqual(error.message, `schema_version cannot be trusted: ${problem}`)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("does not use a schema_version of somebody else", () =>
    Effect.gen(function* () {
      const { setup, update } = yield* temporal
      yield* execute("CREATE TABLE schema_version (version TEXT PRIMARY KEY)")
      assert.strictEqual((yield* Effect.flip(update()))._tag, "InvalidBookkeeping")
      assert.strictEqual((yield* Effect.flip(setup()))._tag, "ObjectDiffers")
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
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("knows its own tables again although later statements have changed them", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* sourceOf(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER, c INTEGER);",
        `ALTER TABLE a DROP COLUMN b;
         ALTER TABLE a RENAME COLUMN c TO d;
         ALTER TABLE missing RENAME TO e;`
      )
      assert.strictEqual((yield* Effect.flip(migrator.setup({ source })))._tag, "StatementRefused")
      yield* execute("CREATE TABLE missing (id INTEGER PRIMARY KEY)")
      const report = yield* migrator.setup({ source })
      assert.deepStrictEqual([report.present, report.applied, report.to as string], [5, 1, "1.1"])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("leaves a database alone that is further than the schema, if it still works with it", () =>
    Effect.gen(function* () {
      const { setup, status, update } = yield* temporal
      yield* setup()
      yield* execute("UPDATE schema_version SET curr_version = '2.0', min_compatible_version = '1.1'")
      assert.deepStrictEqual((yield* status).state, "ahead")
      assert.isFalse((yield* update()).changed)
      yield* execute("UPDATE schema_version SET min_compatible_version = '1.2'")
      assert.deepStrictEqual((yield* status).state, "incompatible")
      assert.strictEqual((yield* Effect.flip(update()))._tag, "Downgrade")
    }).pipe(Effect.provide(TestMigrator))
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
        compatible: false
      })
      assert.deepStrictEqual(yield* rows("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace"), [])
      yield* setup({ version: version("1.0") })
      assert.strictEqual((yield* status).state, "behind")
      yield* setup()
      assert.isTrue((yield* status).compatible)
    }).pipe(Effect.provide(TestMigrator))
  )
})
