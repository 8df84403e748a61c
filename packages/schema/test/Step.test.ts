import { Catalogue, type Event, SqlFile, Step } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execute, rows, TestMigrator } from "./support/database.ts"

/** What Aurora DSQL has and PostgreSQL has not, as far as a step sees it: jobs, and a way to wait for them. */
const sys = execute(
  "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
  "CREATE INDEX t_name ON t (name)",
  "CREATE SCHEMA sys",
  `CREATE TABLE sys.jobs (job_id TEXT, status TEXT, details TEXT, job_type TEXT, class_id OID, object_id OID,
    object_name TEXT, start_time TIMESTAMPTZ, update_time TIMESTAMPTZ)`,
  "CREATE TABLE sys.waited (job_id TEXT)"
)

const job = "srwmlngyfhcndf5g2e6f3a3xmq"

/** Waiting ends the job like this. */
const waitForJob = (succeeded: boolean, effect: string) =>
  `CREATE PROCEDURE sys.wait_for_job(job TEXT, INOUT succeeded BOOLEAN DEFAULT NULL) LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO sys.waited VALUES (job);
    ${effect};
    succeeded := ${succeeded};
  END $$`

const invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_name'::regclass"
const valid = "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 't_name'::regclass"

const statement = (text: string) =>
  Effect.map(SqlFile.parse(new TextEncoder().encode(text), "a.sql"), ([first]) => {
    assert(first !== undefined)
    return first
  })

const run = (step: SqlFile.SqlStatement) =>
  Effect.gen(function* () {
    const events: Array<Event.Event> = []
    const engine = yield* Catalogue.engine
    yield* Step.run(step, engine, (event) => Effect.sync(() => events.push(event)))
    return events.map(({ _tag }) => _tag)
  })

const index = statement("CREATE INDEX ASYNC t_name ON t (name)")

describe("Catalogue.engine", () => {
  it.live("tells DSQL from PostgreSQL by what the server has, not by its name", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Catalogue.engine, "postgres")
      yield* sys
      assert.strictEqual(yield* Catalogue.engine, "dsql")
    }).pipe(Effect.provide(TestMigrator))
  )
})

describe("Step.run", () => {
  it.live("waits for the job of an index that a killed run left behind", () =>
    Effect.gen(function* () {
      yield* sys
      yield* execute(waitForJob(true, valid), invalid)
      yield* execute(`INSERT INTO sys.jobs (job_id, status, job_type, object_name) VALUES
        ('other', 'processing', 'INDEX_BUILD', 'public.other'), ('${job}', 'processing', 'INDEX_BUILD', 'public.t_name')`)
      assert.deepStrictEqual(yield* run(yield* index), ["Waiting", "Present"])
      assert.deepStrictEqual(yield* rows("SELECT * FROM sys.waited"), [{ job_id: job }])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("does not trust a job that ends well and leaves the index invalid", () =>
    Effect.gen(function* () {
      yield* sys
      const details = "Found duplicate key while validating index for UCVs"
      yield* execute(waitForJob(true, `UPDATE sys.jobs SET status = 'completed', details = '${details}'`), invalid)
      yield* execute(`INSERT INTO sys.jobs (job_id, status, job_type, object_name) VALUES
        ('${job}', 'submitted', 'INDEX_BUILD', 'public.t_name')`)
      const error = yield* Effect.flip(run(yield* index))
      assert.strictEqual(
        error.message,
        `a.sql:1: index t_name is invalid, its build failed (${details}): correct the rows, then build it again with repair`
      )
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("reports an invalid index that no job is building", () =>
    Effect.gen(function* () {
      yield* sys
      yield* execute(invalid)
      assert.strictEqual((yield* Effect.flip(run(yield* index)))._tag, "IndexInvalid")
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("waits for the job that a statement started, and reports its failure", () =>
    Effect.gen(function* () {
      yield* sys
      yield* execute(waitForJob(false, "NULL"))
      yield* execute(`INSERT INTO sys.jobs (job_id, status, details) VALUES ('${job}', 'failed', 'row 1 breaks it')`)
      // PostgreSQL has no statement that answers with a job, so one that returns a row stands in for it.
      const validate = yield* statement("ALTER TABLE ASYNC t VALIDATE CONSTRAINT c")
      const error = yield* Effect.flip(run({ ...validate, text: `SELECT '${job}' AS job_id` }))
      assert.strictEqual(error.message, `a.sql:1: job ${job} failed: row 1 breaks it`)
    }).pipe(Effect.provide(TestMigrator))
  )

  const differing: ReadonlyArray<readonly [text: string, problem: string]> = [
    ["CREATE UNIQUE INDEX ASYNC t_name ON t (name)", "an index t_name is there already, but it is not unique"],
    ["CREATE INDEX ASYNC t_name ON u (name)", "an index t_name is there already, but it is on table t"],
    ["CREATE INDEX ASYNC t ON u (name)", "a relation t is there already, but it is a table"],
    ["CREATE TABLE t (id INTEGER, other TEXT)", "a table t is there already, but it lacks the columns other"],
    ["CREATE VIEW t AS SELECT 1", "a relation t is there already, but it is a table"]
  ]
  it.live.each(differing)("refuses what is there under the same name: %s", ([text, problem]) =>
    Effect.gen(function* () {
      yield* sys
      const error = yield* Effect.flip(run(yield* statement(text)))
      assert.strictEqual(error.message, `a.sql:1: ${problem}: rename or drop it, then run again`)
    }).pipe(Effect.provide(TestMigrator))
  )

  const done: ReadonlyArray<readonly [text: string]> = [
    ["CREATE TABLE t (id INTEGER PRIMARY KEY)"],
    ["ALTER TABLE t ADD COLUMN name TEXT"],
    ["ALTER TABLE t DROP COLUMN gone"],
    ["DROP TABLE gone"],
    ["DROP INDEX public.gone"],
    ["CREATE SEQUENCE s CACHE 1"],
    ["CREATE VIEW v AS SELECT 2 AS y"]
  ]
  it.live.each(done)("recognises in the catalogue that it has run: %s", ([text]) =>
    Effect.gen(function* () {
      yield* execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE SEQUENCE s",
        "CREATE VIEW v AS SELECT 1 AS x"
      )
      assert.deepStrictEqual(yield* run(yield* statement(text)), ["Present"])
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("reads names as PostgreSQL does", () =>
    Effect.gen(function* () {
      yield* execute("CREATE SCHEMA s", 'CREATE TABLE s."Odd.Name" (id INTEGER PRIMARY KEY)')
      assert.deepStrictEqual(yield* run(yield* statement('CREATE TABLE S."Odd.Name" (id INT PRIMARY KEY)')), [
        "Present"
      ])
      assert.deepStrictEqual(yield* run(yield* statement("CREATE TABLE Odd (id INT PRIMARY KEY)")), ["Applied"])
      assert.isFalse(yield* Catalogue.hasRows({ schema: "s", name: "Odd.Name" }))
    }).pipe(Effect.provide(TestMigrator))
  )

  it.live("names the statement that the database refused, and its place", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run(yield* statement("\n\nCREATE INDEX ASYNC i ON missing (id)")))
      assert.strictEqual(
        error.message,
        'a.sql:3: CREATE INDEX i: relation "missing" does not exist; what ran before it stays, run again to go on'
      )
    }).pipe(Effect.provide(TestMigrator))
  )
})
