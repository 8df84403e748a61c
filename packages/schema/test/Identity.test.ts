/**
 * Versions are numbers that every schema has: whose they are is told apart.
 */
import { Migrator, type Outline, type SchemaSource, Verify } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execute, rows, TestMigrator } from "./support/database.ts"
import { sourceOf, version } from "./support/schemas.ts"

/** Two applications whose versions have the same numbers. */
const named = (name: string, md5: string, ...texts: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.map(sourceOf(...texts), ({ versions: [first, ...rest] }): SchemaSource.SchemaSource => ({
    name,
    versions: [{ ...first, md5 }, ...rest.map((each) => ({ ...each, md5 }))]
  }))

const orders = named("orders", "o", "CREATE TABLE orders (id INTEGER PRIMARY KEY);")
const billing = named("billing", "b", "CREATE TABLE bills (id INTEGER PRIMARY KEY);")

/** The manifests of a schema, and nothing of its SQL. */
const outlineOf = ({ name, versions: [first, ...rest] }: SchemaSource.SchemaSource): Outline.Outline => {
  const manifest = ({ description, files, md5, minCompatible, version }: SchemaSource.SchemaVersion) => ({
    description,
    files,
    md5,
    minCompatible,
    version
  })
  return { name, versions: [manifest(first), ...rest.map(manifest)] }
}

const message =
  "database postgres holds orders at 1.0, not billing: give the schema that it was set up with, or another --db-name for this one"

/** All that is there, so that nothing can have changed. */
const everything = Effect.all([
  rows("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"),
  rows("SELECT * FROM schema_version"),
  rows("SELECT * FROM schema_journal"),
  rows("SELECT * FROM schema_identity")
])

const uses: ReadonlyArray<
  readonly [
    name: string,
    use: (
      migrator: Migrator.Migrator["Service"],
      source: SchemaSource.SchemaSource
    ) => Effect.Effect<unknown, { readonly message: string }, Effect.Services<typeof everything>>
  ]
> = [
  ["setup", (migrator, source) => migrator.setup({ source })],
  ["setup with overwrite", (migrator, source) => migrator.setup({ source, overwrite: true })],
  ["update", (migrator, source) => migrator.update({ source })],
  ["status", (migrator, source) => migrator.status({ source })],
  ["status of manifests alone", (migrator, source) => migrator.status({ source: outlineOf(source) })],
  ["plan", (migrator, source) => migrator.plan({ source })],
  ["verify", (_, source) => Verify.verify({ source })],
  ["baseline", (migrator, source) => migrator.baseline({ source, verify: Effect.void })],
  ["repair with accept", (migrator, source) => migrator.repair({ source, accept: true })]
]

describe("a database that holds another schema", () => {
  it.live.each(uses)("is refused by %s, which changes nothing", ([, use]) =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      yield* migrator.setup({ source: yield* orders })
      const before = yield* everything
      assert.strictEqual((yield* Effect.flip(use(migrator, yield* billing))).message, message)
      assert.deepStrictEqual(yield* everything, before)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("takes no schema under a second name, where its tables are recorded under the first", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* orders
      yield* migrator.setup({ source })
      const before = yield* everything
      const second = { source: { ...source, name: "../orders" }, database: "orders" }
      for (const use of [migrator.setup, migrator.plan]) {
        assert.strictEqual(
          (yield* Effect.flip<unknown, { readonly message: string }, never>(use(second))).message,
          "../orders is set up in this database already, and recorded under postgres, not orders: give --db-name postgres"
        )
      }
      assert.deepStrictEqual(yield* everything, before)
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("holds both under two names", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      yield* migrator.setup({ source: yield* orders })
      yield* migrator.setup({ source: yield* billing, database: "billing" })
      assert.strictEqual((yield* migrator.status({ source: yield* billing, database: "billing" })).state, "current")
      assert.strictEqual((yield* migrator.history({ database: "billing" })).schema, "billing")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("is refused by the name that is half set up with it", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const half = yield* named(
        "orders",
        "o",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY); CREATE TABLE shards (id INTEGER PRIMARY KEY);"
      )
      yield* execute("CREATE VIEW shards AS SELECT 1 AS x")
      yield* Effect.flip(migrator.setup({ source: half }))
      const status = yield* migrator.status({ source: half })
      assert.deepStrictEqual(
        [status.state, status.begun],
        ["half-set-up", { version: version("1.0"), done: 1, statements: 2 }]
      )
      const error = yield* Effect.flip(migrator.setup({ source: yield* billing }))
      assert.include(error.message, "database postgres is half set up with orders, not billing: ")
      assert.strictEqual(
        (yield* Effect.flip(migrator.update({ source: half }))).message,
        "database postgres is half set up: run setup-schema --schema-dir orders to go on"
      )
    }).pipe(Effect.provide(TestMigrator))
  )
})

describe("a schema", () => {
  it.live("is known again where its directory was moved, and where its statements or its manifests have changed", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* orders
      yield* migrator.setup({ source })
      const moved = { ...source, name: "elsewhere" }
      assert.strictEqual((yield* migrator.status({ source: moved })).state, "current")
      assert.strictEqual((yield* migrator.status({ source: outlineOf(moved) })).state, "current")
      const changed = yield* named("elsewhere", "x", "CREATE TABLE orders (id INTEGER PRIMARY KEY, n INTEGER);")
      assert.strictEqual((yield* Effect.flip(migrator.update({ source: changed })))._tag, "StatementChanged")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("that knows less than the database is known again", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const later = yield* named(
        "orders",
        "o",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY);",
        "CREATE TABLE n (id INTEGER PRIMARY KEY);"
      )
      yield* migrator.setup({ source: later })
      assert.strictEqual((yield* migrator.status({ source: yield* orders })).state, "ahead")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("is nobody's where nothing but the bookkeeping is there", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      yield* migrator.setup({ source: yield* orders, version: version("0.0") })
      assert.strictEqual((yield* migrator.update({ source: yield* billing })).to as string, "1.0")
    }).pipe(Effect.provide(TestMigrator))
  )

  const books = [
    ["with a journal", []],
    // As the earlier tool leaves it.
    ["without a journal", ["DROP TABLE schema_journal", "DROP TABLE schema_lease"]]
  ] as const
  it.live.each(books)("of a database from before it was recorded is what ran or its tables, %s", ([, statements]) =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      yield* migrator.setup({ source: yield* orders })
      yield* execute("DROP TABLE schema_identity", ...statements)
      assert.strictEqual((yield* migrator.status({ source: yield* orders })).state, "current")
      const source = yield* billing
      const error = yield* Effect.flip(migrator.status({ source }))
      assert.include(error.message, "database postgres holds another schema at 1.0, not billing: ")
      // Manifests say nothing of tables.
      assert.strictEqual((yield* migrator.status({ source: outlineOf(source) })).state, "current")
      const later = yield* named(
        "orders",
        "o",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY);",
        "CREATE TABLE n (id INTEGER PRIMARY KEY);"
      )
      yield* migrator.update({ source: later })
      assert.strictEqual((yield* migrator.history()).schema, "orders")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("is forgotten with its tables", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* orders
      yield* migrator.setup({ source })
      yield* migrator.setup({ source, overwrite: true, versioning: false })
      assert.deepStrictEqual(yield* rows("SELECT * FROM schema_identity"), [])
    }).pipe(Effect.provide(TestMigrator))
  )
})
