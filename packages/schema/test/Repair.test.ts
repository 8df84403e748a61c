/**
 * What the migrator refuses to decide by itself, and the ways out of it, on the emulated Aurora DSQL.
 */
import { Event, Migrator, type SchemaSource, Verify } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Lease from "../src/internal/books/lease.ts"
import * as Job from "../src/internal/catalogue/job.ts"
import { TestCluster } from "../../../test/database.ts"
import { Control, TestEmulator } from "../../../test/emulator.ts"
import { execute, rows } from "./support/database.ts"
import { everything, kinds } from "./support/kinds.ts"
import { sourceOf, version } from "./support/schemas.ts"

const OnCluster = Migrator.layer.pipe(Layer.provideMerge(TestCluster()), Layer.provideMerge(NodeServices.layer))

const indexed = sourceOf(
  `CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(10));
   CREATE UNIQUE INDEX ASYNC a_name ON a (lower(name));`
)

const counts = rows(`SELECT (SELECT count(*)::integer FROM pg_class) AS classes,
  (SELECT count(*)::integer FROM pg_attribute) AS attributes,
  (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::integer FROM pg_stat_user_tables) AS changes`)

describe("Migrator.plan", () => {
  it.live("says what would run, in a transaction that cannot write", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const migrator = yield* Migrator.Migrator
      const source = yield* kinds
      const before = yield* counts
      yield* control.reset
      const plan = yield* migrator.plan({ source })
      const sent = (yield* control.statements()).map(({ sql }) => sql.trimStart())
      assert.strictEqual(sent[0], "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
      assert.isTrue(sent.slice(1).every((sql) => /^(SELECT|WITH c AS|WITH n AS|COMMIT)/.test(sql)))
      assert.deepStrictEqual(yield* counts, before)
      assert.deepStrictEqual([plan.from, plan.to as string, plan.changes], [null, "1.1", true])
      const report = yield* migrator.setup({ source, version: version("1.0") })
      assert.strictEqual(plan.steps.filter((step) => step.version === report.to).length, 4)
      const next = yield* migrator.plan({ source })
      assert.strictEqual(next.from as string, "1.0")
      assert.isTrue(next.steps.every(({ action }) => action === "run"))
      const update = yield* migrator.update({ source })
      assert.strictEqual(update.applied, next.steps.length)
      const after = yield* migrator.plan({ source })
      assert.deepStrictEqual([after.steps, after.changes], [[], false])
    }).pipe(Effect.provide(Migrator.layer.pipe(Layer.provideMerge(TestEmulator()))))
  )

  it.live("knows what is there already, as far as nothing before it changes that", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* sourceOf(`CREATE TABLE a (id INTEGER PRIMARY KEY);
        DROP TABLE b;
        CREATE TABLE b (id INTEGER PRIMARY KEY);`)
      yield* execute("CREATE TABLE a (id INTEGER PRIMARY KEY)", "CREATE TABLE b (id INTEGER PRIMARY KEY)")
      const plan = yield* migrator.plan({ source })
      assert.deepStrictEqual(
        plan.steps.map(({ action, ordinal, summary }) => [ordinal, action, summary]),
        [
          [1, "present", "CREATE TABLE a"],
          [2, "run", "DROP TABLE b"],
          [3, "run", "CREATE TABLE b"]
        ]
      )
      const report = yield* migrator.setup({ source })
      assert.strictEqual(report.present, 1)
    }).pipe(Effect.provide(OnCluster))
  )
})

describe("Migrator.baseline", () => {
  it.live("adopts what the earlier tool made, once it is proven, and watches its files from then on", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* indexed
      yield* execute(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(10))",
        `CREATE TABLE schema_version (version_partition INTEGER NOT NULL, db_name VARCHAR(255) NOT NULL,
          creation_time TIMESTAMP, curr_version VARCHAR(64), min_compatible_version VARCHAR(64),
          PRIMARY KEY (version_partition, db_name))`,
        "INSERT INTO schema_version VALUES (0, 'postgres', now(), '1.0', '1.0')"
      )
      const verify = Verify.ensure(source, version("1.0"))
      const error = yield* Effect.flip(migrator.baseline({ source, verify }))
      assert.strictEqual(error._tag, "CatalogueDiffers")
      assert.deepStrictEqual(yield* rows("SELECT 1 FROM pg_class WHERE relname = 'schema_journal'"), [])
      const job = Job.idOf(yield* rows("CREATE UNIQUE INDEX ASYNC a_name ON a (lower(name))"))
      assert(job !== undefined)
      yield* Job.follow(job, () => Effect.void)
      const report = yield* migrator.baseline({ source, verify })
      assert.deepStrictEqual([report.from as string, report.to as string, report.present], ["1.0", "1.0", 2])
      const { statements } = yield* migrator.history()
      assert.deepStrictEqual(
        statements.map(({ finished, statement }) => [statement, finished !== null]),
        [
          ["CREATE TABLE a", true],
          ["CREATE UNIQUE INDEX a_name", true]
        ]
      )
      const changed = yield* sourceOf("CREATE TABLE a (id INTEGER PRIMARY KEY);")
      assert.strictEqual((yield* Effect.flip(migrator.update({ source: changed })))._tag, "StatementChanged")
      const other = yield* sourceOf(
        "CREATE TABLE a (id INTEGER PRIMARY KEY);",
        "CREATE TABLE b (id INTEGER PRIMARY KEY);"
      )
      const wrong = yield* Effect.flip(migrator.baseline({ source: other, verify: Effect.void }))
      assert.include(wrong.message, "the database is recorded at 1.0, not at 1.1: adopt it at 1.0, or update it")
    }).pipe(Effect.provide(OnCluster))
  )
})

describe("Migrator.repair", () => {
  it.live("names the rows that collide, and builds the index again when they are right", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* indexed
      yield* execute(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(10))",
        "INSERT INTO a VALUES (1, 'x'), (2, 'X'), (3, NULL), (4, NULL), (5, 'y')"
      )
      const events: Array<Event.Event> = []
      const error = yield* Effect.flip(
        migrator.setup({ source, onEvent: (event) => Effect.sync(() => events.push(event)) })
      )
      assert.strictEqual(
        error.message,
        "v1.0/a.sql:2: index a_name is invalid, its build failed (Found duplicate key while validating index for UCVs), " +
          "these rows collide: (lower((name)::text)) = (x) in 2 rows: correct the rows, then build it again with repair"
      )
      assert.strictEqual(events.findLast(Event.Event.$is("Building"))?.status, "failed")
      const found = yield* migrator.repair({ source })
      assert.deepStrictEqual(
        found.indexes.map(({ collisions, index, rebuilt }) => [index, collisions, rebuilt]),
        [["a_name", ["(lower((name)::text)) = (x) in 2 rows"], false]]
      )
      assert.strictEqual((yield* Effect.flip(migrator.repair({ source, rebuild: true })))._tag, "IndexInvalid")
      yield* execute("DELETE FROM a WHERE id = 2")
      assert.isTrue((yield* migrator.repair({ source, rebuild: true })).indexes[0]?.rebuilt)
      assert.deepStrictEqual((yield* migrator.repair({ source })).indexes, [])
      assert.strictEqual((yield* migrator.setup({ source })).to as string, "1.0")
    }).pipe(Effect.provide(OnCluster))
  )

  it.live("lets a refused statement be corrected, and a changed one only when told so", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const wrong = yield* sourceOf("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT nothing FROM a;")
      assert.strictEqual((yield* Effect.flip(migrator.setup({ source: wrong })))._tag, "StatementRefused")
      const right = yield* sourceOf("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM a;")
      yield* migrator.setup({ source: right })
      const changed = yield* sourceOf("CREATE TABLE a (id  INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM a;")
      const error = yield* Effect.flip(migrator.update({ source: changed }))
      assert.strictEqual(
        error.message,
        "v1.0/a.sql:1: statement 1 of version 1.0 (CREATE TABLE a) has changed since it ran: change it back, or accept the change with repair"
      )
      const shorter = yield* sourceOf("CREATE TABLE a (id INTEGER PRIMARY KEY);")
      assert.include(
        (yield* Effect.flip(migrator.plan({ source: shorter }))).message,
        "statement 2 of version 1.0 (CREATE VIEW v AS SELECT id FROM a) has run, and is in the files no longer"
      )
      assert.deepStrictEqual(
        (yield* migrator.repair({ source: changed })).changes.map(({ accepted, ordinal }) => [ordinal, accepted]),
        [[1, false]]
      )
      assert.isTrue((yield* migrator.repair({ source: changed, accept: true })).changes[0]?.accepted)
      assert.isFalse((yield* migrator.update({ source: changed })).changed)
    }).pipe(Effect.provide(OnCluster))
  )

  it.live("ends the lease of a dead migrator, which can then write no more", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* indexed
      yield* migrator.setup({ source })
      const error = yield* Effect.flip(
        Lease.hold(
          "postgres",
          { duration: "10 minutes" },
          () => Effect.void,
          ({ owner, renew }) =>
            Effect.gen(function* () {
              const found = yield* migrator.repair({ source })
              assert.deepStrictEqual(
                [found.lease?.owner, found.lease?.expired, found.lease?.released],
                [owner, false, false]
              )
              assert.isTrue((yield* migrator.repair({ source, release: true })).lease?.released)
              assert.strictEqual((yield* migrator.repair({ source })).lease, null)
              yield* renew
            })
        )
      )
      assert.strictEqual(error._tag, "LeaseLost")
    }).pipe(Effect.provide(OnCluster))
  )
})

describe("the versions", () => {
  const tables = ["a", "b", "c"].map((name) => `CREATE TABLE ${name} (id INTEGER PRIMARY KEY);`)
  const [a = "", b = "", c = ""] = tables

  it.live("are refused where they do not follow from what has run", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const whole = yield* sourceOf(a, b, c)
      const [first, second, third] = whole.versions
      assert(second !== undefined && third !== undefined)
      const leap: SchemaSource.SchemaSource = { ...whole, versions: [first, third] }
      yield* migrator.setup({ source: leap, version: version("1.0") })
      yield* migrator.update({ source: leap })
      assert.strictEqual(
        (yield* Effect.flip(migrator.update({ source: whole }))).message,
        "test: version 1.1 was added below 1.2, at which the database is already: give it a number after 1.2"
      )
      yield* execute("UPDATE schema_version SET curr_version = '1.1.5'", "DELETE FROM schema_journal")
      assert.strictEqual(
        (yield* Effect.flip(migrator.update({ source: whole }))).message,
        "test: the database is at 1.1.5, which is not among its versions 1.0, 1.1, 1.2: use the schema that the database was made from"
      )
    }).pipe(Effect.provide(OnCluster))
  )

  it.live("keep a schema that is too old from setting up and from updating", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const old = yield* sourceOf(a)
      yield* migrator.setup({ source: old })
      yield* execute("UPDATE schema_version SET curr_version = '2.0', min_compatible_version = '1.5'")
      for (const run of [migrator.setup({ source: old }), migrator.update({ source: old })]) {
        assert.include((yield* Effect.flip(run)).message, "see Rollback in docs/migrations.md")
      }
      assert.strictEqual((yield* Effect.flip(migrator.plan({ source: old })))._tag, "Downgrade")
    }).pipe(Effect.provide(OnCluster))
  )
})

describe("a long run", () => {
  it.live("outlives its connections, each of which ends after an hour", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const migrator = yield* Migrator.Migrator
      const source = yield* kinds
      let events = 0
      // At each step, an hour passes: every connection is closed at its age, and new ones have to be opened.
      const onEvent = () =>
        Effect.suspend(() => (events++ % 3 === 0 ? Effect.asVoid(control.advance(61 * 60_000)) : Effect.void))
      const report = yield* migrator.setup({ source, onEvent })
      assert.strictEqual(report.to as string, "1.1")
      assert.isAbove((yield* control.counts()).connections, 6)
      assert.isFalse((yield* migrator.update({ source })).changed)
      yield* everything
    }).pipe(Effect.provide(Migrator.layer.pipe(Layer.provideMerge(TestEmulator({ jobDelay: 0 })))))
  )
})
