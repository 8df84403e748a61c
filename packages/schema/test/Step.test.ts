import { DsqlClient } from "@effect-dsql/core"
import { Engine, type Event, type SqlStatement } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Journal from "../src/internal/books/journal.ts"
import * as Catalogue from "../src/internal/catalogue/catalogue.ts"
import * as Step from "../src/internal/run/step.ts"
import * as SqlFile from "../src/internal/sql/sqlFile.ts"
import { execute, PlainMigrator } from "./support/database.ts"

/**
 * What Aurora DSQL has and PostgreSQL has not, as far as a step sees it: a job that is under way until it has been
 * looked at.
 */
const sys = (status: string, details: string) =>
  execute(
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE INDEX t_name ON t (name)",
    "CREATE SCHEMA sys",
    "CREATE TABLE sys.state (status TEXT, ending TEXT)",
    `INSERT INTO sys.state VALUES ('submitted', '${status}')`,
    `CREATE VIEW sys.jobs AS SELECT '${job}' AS job_id, status, '${details}' AS details, 'INDEX_BUILD' AS job_type,
      'public.t_name' AS object_name FROM sys.state`
  )

const job = "srwmlngyfhcndf5g2e6f3a3xmq"

const schemaOf = (text: string) => SqlFile.parse(new TextEncoder().encode(text), "a.sql")

const invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_name'::regclass"

const statement = (text: string) =>
  Effect.map(SqlFile.parse(new TextEncoder().encode(text), "a.sql"), ([first]) => {
    assert(first !== undefined)
    return first
  })

/** Runs a statement of a schema; one that no schema is given for stands alone. */
const run = (statement: SqlStatement.SqlStatement, schema: ReadonlyArray<SqlStatement.SqlStatement> = []) =>
  Effect.gen(function* () {
    const events: Array<Event.Event> = []
    const engine = yield* Engine.read
    const client = yield* DsqlClient.DsqlClient
    const end = Effect.orDie(execute("UPDATE sys.state SET status = ending"))
    const emit = (event: Event.Event) =>
      Effect.suspend(() => {
        events.push(event)
        return event._tag === "Building" ? Effect.provideService(end, DsqlClient.DsqlClient, client) : Effect.void
      })
    yield* Step.run(
      { key: { version: "1.0", ordinal: 1 }, statement },
      { engine, schema: { statements: schema, acceptedTypes: {} }, journal: Journal.none, emit }
    )
    return events.map(({ _tag }) => _tag)
  })

const index = statement("CREATE INDEX ASYNC t_name ON t (name)")

describe("Engine.read", () => {
  it.live("tells DSQL from PostgreSQL by what the server has, not by its name", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Engine.read, "postgres")
      yield* sys("completed", "")
      assert.strictEqual(yield* Engine.read, "dsql")
    }).pipe(Effect.provide(PlainMigrator))
  )
})

describe("Step.run", () => {
  it.live("does not trust a job that ends well and leaves the index invalid", () =>
    Effect.gen(function* () {
      const details = "Found duplicate key while validating index for UCVs"
      yield* sys("completed", details)
      yield* execute(invalid)
      const error = yield* Effect.flip(run(yield* index))
      assert.strictEqual(
        error.message,
        `a.sql:1: index t_name is invalid, its build failed (${details}): correct the rows, then build it again with repair`
      )
    }).pipe(Effect.provide(PlainMigrator))
  )

  it.live("waits for the job that a statement started, and reports its failure", () =>
    Effect.gen(function* () {
      yield* sys("failed", "row 1 breaks it")
      // PostgreSQL has no statement that answers with a job, so one that returns a row stands in for it.
      const validate = yield* statement("ALTER TABLE ASYNC t VALIDATE CONSTRAINT c")
      const error = yield* Effect.flip(run({ ...validate, text: `SELECT '${job}' AS job_id` }))
      assert.strictEqual(error.message, `a.sql:1: job ${job} failed: row 1 breaks it`)
    }).pipe(Effect.provide(PlainMigrator))
  )

  const differing: ReadonlyArray<readonly [text: string, problem: string]> = [
    ["CREATE INDEX ASYNC t ON u (name)", "a relation t is there already, but it is a table"],
    ["CREATE VIEW t AS SELECT 1", "a relation t is there already, but it is a table"]
  ]
  it.live.each(differing)("refuses what is there under the same name: %s", ([text, problem]) =>
    Effect.gen(function* () {
      yield* sys("completed", "")
      const error = yield* Effect.flip(run(yield* statement(text)))
      assert.strictEqual(error.message, `a.sql:1: ${problem}: rename or drop it, then run again`)
    }).pipe(Effect.provide(PlainMigrator))
  )

  const foreign: ReadonlyArray<readonly [text: string, problem: string]> = [
    [
      "CREATE UNIQUE INDEX ASYNC t_name ON t (name)",
      "an index t_name is there already, but index t_name on t is (name), expected UNIQUE (name)"
    ],
    [
      "CREATE INDEX ASYNC t_name ON t (id)",
      "an index t_name is there already, but index t_name on t is (name), expected (id)"
    ],
    [
      "ALTER TABLE t ADD COLUMN name VARCHAR(9)",
      "a column t.name is there already, but column t.name has type text, expected varchar(9)"
    ],
    [
      "ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 1) NOT VALID",
      "a constraint positive of t is there already, but table t lacks CHECK (id > 1) NOT VALID, and 1 more"
    ]
  ]
  it.live.each(foreign)(
    "refuses what is there otherwise at a table that the schema does not make: %s",
    ([text, problem]) =>
      Effect.gen(function* () {
        yield* execute(
          "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, CONSTRAINT positive CHECK (id > 0))",
          "CREATE INDEX t_name ON t (name)"
        )
        const error = yield* Effect.flip(run(yield* statement(text)))
        assert.strictEqual(error.message, `a.sql:1: ${problem}: rename or drop it, then run again`)
      }).pipe(Effect.provide(PlainMigrator))
  )

  it.live("takes for present what is the same at a table that the schema does not make", () =>
    Effect.gen(function* () {
      yield* execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", "CREATE INDEX t_name ON t (name)")
      for (const text of ["ALTER TABLE t ADD COLUMN name TEXT", "CREATE INDEX ASYNC t_name ON t (name)"]) {
        assert.deepStrictEqual(yield* run(yield* statement(text)), ["Present"])
      }
    }).pipe(Effect.provide(PlainMigrator))
  )

  it.live("refuses what is there under the new name, but is not what was renamed", () =>
    Effect.gen(function* () {
      const [create, column, table] = yield* schemaOf(`CREATE TABLE a (id INTEGER PRIMARY KEY, old INTEGER);
        ALTER TABLE a RENAME COLUMN old TO new;
        ALTER TABLE a RENAME TO b;`)
      assert(create !== undefined && column !== undefined && table !== undefined)
      const schema = [create, column, table]
      yield* execute("CREATE TABLE a (id INTEGER PRIMARY KEY, new TEXT)")
      assert.include(
        (yield* Effect.flip(run(column, schema))).message,
        "a column a.new is there already, but column a.new has type text, expected integer"
      )
      yield* execute("ALTER TABLE a RENAME TO b")
      assert.include(
        (yield* Effect.flip(run(table, schema))).message,
        "a relation b is there already, but column b.new has type text, expected integer"
      )
    }).pipe(Effect.provide(PlainMigrator))
  )

  const done: ReadonlyArray<readonly [text: string]> = [
    ["CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY, name text)"],
    ["ALTER TABLE t ADD COLUMN IF NOT EXISTS name TEXT"],
    ["ALTER TABLE t DROP COLUMN gone"],
    ["DROP TABLE gone"],
    ["DROP INDEX public.gone"],
    ["CREATE SEQUENCE s CACHE 1"],
    ["CREATE VIEW v AS SELECT 1 x"]
  ]
  it.live.each(done)("recognises in the catalogue that it has run: %s", ([text]) =>
    Effect.gen(function* () {
      yield* execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE SEQUENCE s",
        "CREATE VIEW v AS SELECT 1 AS x"
      )
      const created = yield* statement("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
      const step = yield* statement(text)
      assert.deepStrictEqual(yield* run(step, [created, step]), ["Present"])
    }).pipe(Effect.provide(PlainMigrator))
  )

  it.live("reads names as PostgreSQL does", () =>
    Effect.gen(function* () {
      yield* execute("CREATE SCHEMA s", 'CREATE TABLE s."Odd.Name" (id INTEGER PRIMARY KEY)')
      assert.deepStrictEqual(yield* run(yield* statement('CREATE TABLE S."Odd.Name" (id INT PRIMARY KEY)')), [
        "Present"
      ])
      assert.deepStrictEqual(yield* run(yield* statement("CREATE TABLE Odd (id INT PRIMARY KEY)")), ["Applied"])
      assert.isFalse(yield* Catalogue.hasRows({ schema: "s", name: "Odd.Name" }))
    }).pipe(Effect.provide(PlainMigrator))
  )

  it.live("names the statement that the database refused, and its place", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run(yield* statement("\n\nCREATE INDEX ASYNC i ON missing (id)")))
      assert.strictEqual(
        error.message,
        'a.sql:3: CREATE INDEX i: relation "missing" does not exist; what ran before it stays, run again to go on'
      )
    }).pipe(Effect.provide(PlainMigrator))
  )
})
