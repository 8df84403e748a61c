import { Event, Migrator, Version } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { execute, history, rows, snapshot, PlainMigrator, SetUpMigrator, TestMigrator } from "./support/database.ts"
import { temporal, version } from "./support/schemas.ts"

/** The catalogue and rows that every way to 1.1 has to end in, found once for each kind of server. */
const referenceOn = (server: typeof TestMigrator | typeof PlainMigrator) =>
  Effect.runSync(
    Effect.cached(
      Effect.gen(function* () {
        const { setup } = yield* temporal
        yield* setup()
        return yield* snapshot
        // On a database of its own, not on that of the test that compares with it.
      }).pipe(Effect.provide(Layer.fresh(server)), Effect.scoped)
    )
  )
const reference = referenceOn(TestMigrator)
const plainReference = referenceOn(PlainMigrator)

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
      const before = { ...(yield* snapshot), history: yield* history }
      const report = yield* setup()
      assert.isFalse(report.changed)
      assert.deepStrictEqual({ ...(yield* snapshot), history: yield* history }, before)
    }).pipe(Effect.provide(SetUpMigrator()))
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
    ]
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
        "a table shards is there already, but column shards.range_id is missing: expected bigint NOT NULL, and 2 more: rename or drop it, then run again"
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
      assert.strictEqual(report.applied, 6) // the five tables of the books and the seed row
      assert.deepStrictEqual(yield* snapshot, yield* plainReference)
    }).pipe(Effect.provide(PlainMigrator))
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
    }).pipe(Effect.provide(SetUpMigrator()))
  )
})
