import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { ask, conflict, gives, schemaConflict, tells } from "./wireClient.ts"

const aborted = "25P02 current transaction is aborted, commands ignored until end of transaction block"
const rowLimit = "54000 transaction row limit exceeded"

layer(Shared.layer(), { excludeTestServices: true })("transaction rules", (it) => {
  let tables = 0
  /** A table of its own for a test, and a client that knows of it. */
  const table = (columns: string) =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      const name = `t${++tables}`
      yield* tells(client, `CREATE TABLE ${name} (${columns})`, "CREATE TABLE")
      return { client, name }
    })

  it.effect("DML and DDL do not go together, in either order", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY")
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "INSERT 0 1")
      yield* tells(
        client,
        `ALTER TABLE ${name} ADD COLUMN n int`,
        "0A000 ddl and dml are not supported in the same transaction"
      )
      yield* tells(client, "SELECT 1", aborted)
      yield* tells(client, "COMMIT", "ROLLBACK")
      yield* gives(client, `SELECT count(*) FROM ${name}`, [["0"]])
    })
  )

  it.effect("a query of 200,000 rows in a transaction is answered whole", () =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, "SELECT FROM generate_series(1, 200000)", "SELECT 200000")
      yield* tells(client, "COMMIT", "COMMIT")
    })
  )

  it.effect("a client's own cancel ends its statement and its transaction, and is no conflict", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY")
      const canceled = "57014 canceling statement due to user request"
      const cancel = "pg_cancel_backend(pg_backend_pid()), pg_sleep(60)"
      yield* tells(client, `SELECT ${cancel}`, canceled)
      yield* tells(client, `INSERT INTO ${name} SELECT 1 FROM (SELECT ${cancel}) c`, canceled)
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "INSERT 0 1")
      yield* tells(client, `SELECT ${cancel}`, canceled)
      yield* tells(client, "COMMIT", "ROLLBACK")
    })
  )

  it.effect("an error ends a transaction's work until it is ended", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY")
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "INSERT 0 1")
      assert.match(yield* ask(client, "SELECT 1 / 0"), /^22012/)
      const failed = yield* client.query("SELECT 1")
      assert.deepStrictEqual([failed.error?.sqlstate, failed.status], ["25P02", "E"])
      yield* tells(client, "SAVEPOINT s", aborted)
      yield* tells(client, "ROLLBACK", "ROLLBACK")
      yield* gives(client, `SELECT count(*) FROM ${name}`, [["0"]])
    })
  )

  it.effect("a message of several statements is one transaction", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY")
      assert.match(yield* ask(client, `INSERT INTO ${name} VALUES (1); INSERT INTO ${name} VALUES (1)`), /^23505/)
      yield* gives(client, `SELECT count(*) FROM ${name}`, [["0"]])
      yield* tells(
        client,
        `INSERT INTO ${name} VALUES (1); SELECT * FROM ${name}; INSERT INTO ${name} VALUES (2)`,
        "INSERT 0 1, SELECT 1, INSERT 0 1"
      )
      yield* tells(
        client,
        `BEGIN; DELETE FROM ${name}; ROLLBACK; SELECT * FROM ${name}`,
        "BEGIN, DELETE 2, ROLLBACK, SELECT 2"
      )
    })
  )

  it.effect("READ ONLY refuses writes", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY")
      yield* tells(client, "BEGIN READ ONLY", "BEGIN")
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "25006 cannot execute INSERT in a read-only transaction")
      yield* tells(client, "ROLLBACK", "ROLLBACK")
    })
  )

  it.effect("the 3,001st changed row fails at its statement, whatever changed it", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY, n int")
      const fill = (from: number, to: number) =>
        `INSERT INTO ${name} SELECT g, 0 FROM generate_series(${from}, ${to}) g`
      yield* tells(client, fill(1, 3001), rowLimit)
      yield* tells(client, fill(1, 3000), "INSERT 0 3000")
      yield* tells(client, fill(3001, 3001), "INSERT 0 1")
      yield* tells(client, `UPDATE ${name} SET n = 1`, rowLimit)
      yield* tells(client, `DELETE FROM ${name}`, rowLimit)
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `UPDATE ${name} SET n = 1 WHERE id <= 2000`, "UPDATE 2000")
      yield* tells(client, `DELETE FROM ${name} WHERE id <= 1000`, "DELETE 1000")
      yield* tells(client, `DELETE FROM ${name} WHERE id = 1001`, rowLimit)
      yield* tells(client, "COMMIT", "ROLLBACK")
      yield* gives(client, `SELECT count(*), sum(n) FROM ${name}`, [["3001", "0"]])
    })
  )

  it.effect("rows changed by WITH and by referential actions count", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY")
      const child = `${name}_child`
      yield* tells(
        client,
        `CREATE TABLE ${child} (id int, parent int REFERENCES ${name} (id) ON DELETE CASCADE)`,
        "CREATE TABLE"
      )
      yield* tells(client, `INSERT INTO ${name} VALUES (1), (2)`, "INSERT 0 2")
      yield* tells(client, `INSERT INTO ${child} SELECT g, 1 FROM generate_series(1, 3000) g`, "INSERT 0 3000")
      yield* tells(client, `DELETE FROM ${name} WHERE id = 1`, rowLimit)
      yield* tells(client, `DELETE FROM ${name} WHERE id = 2`, "DELETE 1")
      yield* tells(
        client,
        `WITH gone AS (DELETE FROM ${child} RETURNING id) INSERT INTO ${name} SELECT 10 FROM gone LIMIT 1`,
        rowLimit
      )
      yield* gives(client, `SELECT count(*) FROM ${child}`, [["3000"]])
    })
  )

  it.effect("10 MiB are refused at COMMIT", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table("id int PRIMARY KEY, body text")
      const one = (id: number) => `INSERT INTO ${name} SELECT ${id}, repeat('x', 1000000)`
      yield* tells(client, "BEGIN", "BEGIN")
      for (let id = 0; id < 11; id++) yield* tells(client, one(id), "INSERT 0 1")
      yield* tells(client, "COMMIT", "54000 transaction size limit 10mb exceeded")
      yield* tells(client, "BEGIN", "BEGIN")
      for (let id = 0; id < 10; id++) yield* tells(client, one(id), "INSERT 0 1")
      yield* tells(client, "COMMIT", "COMMIT")
    })
  )

  it.effect("a transaction older than 300 s is refused", () =>
    Effect.gen(function* () {
      const { control } = (yield* Shared.Shared).emulator
      const { client, name } = yield* table("id int PRIMARY KEY")
      const age = "54000 transaction age limit of 300s exceeded"
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "INSERT 0 1")
      yield* control.advance(299_000)
      yield* tells(client, `INSERT INTO ${name} VALUES (2)`, "INSERT 0 1")
      yield* control.advance(1_001)
      yield* tells(client, "COMMIT", age)
      yield* tells(client, "BEGIN", "BEGIN")
      yield* control.advance(301_000)
      yield* tells(client, "SELECT 1", age)
      yield* tells(client, "ROLLBACK", "ROLLBACK")
    })
  )

  it.effect("a connection older than 60 minutes is closed, a transaction of it may finish", () =>
    Effect.gen(function* () {
      const { control } = (yield* Shared.Shared).emulator
      const { client, name } = yield* table("id int PRIMARY KEY")
      yield* control.advance(59 * 60_000)
      yield* tells(client, "BEGIN", "BEGIN")
      yield* control.advance(2 * 60_000)
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "INSERT 0 1")
      yield* tells(client, "COMMIT", "COMMIT")
      assert.isUndefined((yield* client.query("SELECT 1")).status)
    })
  )
})

layer(Shared.layer(), { excludeTestServices: true })("a changed catalogue", (it) => {
  const setup = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    yield* admin.query("CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, n int)")
    const client = yield* Shared.wire()
    yield* ask(client, "SELECT * FROM t")
    yield* tells(client, "SELECT count(*) FROM t", "SELECT 1")
    return { admin, client }
  })
  let columns = 0
  const change = () => `ALTER TABLE t ADD COLUMN c${++columns} int`

  it.effect("is found at the next statement of another session, once", () =>
    Effect.gen(function* () {
      const { admin, client } = yield* setup
      yield* tells(admin, change(), "ALTER TABLE")
      yield* tells(admin, "SELECT count(*) FROM t", "SELECT 1")
      yield* tells(admin, change(), "ALTER TABLE")
      yield* tells(client, "SELECT 1", "SELECT 1")
      yield* tells(client, "SELECT count(*) FROM t", schemaConflict)
      yield* tells(client, "SELECT count(*) FROM t", "SELECT 1")
    })
  )

  it.effect("is found at the first statement of a read-only transaction", () =>
    Effect.gen(function* () {
      const { admin, client } = yield* setup
      yield* tells(admin, change(), "ALTER TABLE")
      yield* tells(client, "BEGIN READ ONLY", "BEGIN")
      yield* tells(client, "SELECT count(*) FROM t", schemaConflict)
      yield* tells(client, "COMMIT", "ROLLBACK")
      yield* tells(client, "SELECT count(*) FROM t", "SELECT 1")
    })
  )

  it.effect("in the middle of a transaction is found at its COMMIT", () =>
    Effect.gen(function* () {
      const { admin, client } = yield* setup
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, "INSERT INTO t (id) VALUES (1)", "INSERT 0 1")
      yield* tells(admin, change(), "ALTER TABLE")
      yield* tells(client, "SELECT count(*) FROM t", "SELECT 1")
      yield* tells(client, "COMMIT", schemaConflict)
      yield* tells(client, "INSERT INTO t (id) VALUES (1)", "INSERT 0 1")
    })
  )

  it.effect("is nothing to a session that begins afterwards", () =>
    Effect.gen(function* () {
      const { admin } = yield* setup
      yield* tells(admin, "GRANT SELECT ON t TO admin", "GRANT")
      const late = yield* Shared.wire()
      yield* tells(late, "SELECT count(*) FROM t", "SELECT 1")
    })
  )

  it.effect("two tables of one name at once are a schema conflict or a duplicate, and one of them is made", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
      const told = yield* Effect.all([ask(one, "CREATE TABLE twin (id int)"), ask(two, "CREATE TABLE twin (id int)")], {
        concurrency: 2
      })
      assert.strictEqual(told.filter((each) => each === "CREATE TABLE").length, 1)
      assert.isTrue(
        told.some((each) => each === schemaConflict || each.startsWith("42P07")),
        told.join("; ")
      )
    })
  )

  it.effect("conflicts on data go on as before", () =>
    Effect.gen(function* () {
      const { admin, client } = yield* setup
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, "INSERT INTO t (id) VALUES (7)", "INSERT 0 1")
      yield* ask(admin, "SELECT * FROM t")
      yield* tells(admin, "INSERT INTO t (id) VALUES (7)", "INSERT 0 1")
      yield* tells(client, "COMMIT", conflict)
    })
  )
})
