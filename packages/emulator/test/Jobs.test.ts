import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { ask, gives, rows, tells, type WireClient } from "./wireClient.ts"

const submit = (client: WireClient, sql: string) =>
  Effect.map(rows(client, sql), (found) => {
    const id = found[0]?.[0] ?? ""
    assert.match(id, /^[a-z2-7]{26}$/)
    return id
  })

layer(Shared.layer(), { excludeTestServices: true })("jobs", (it) => {
  let tables = 0
  const table = Effect.gen(function* () {
    const client = yield* Shared.wire()
    const name = `t${++tables}`
    yield* tells(client, `CREATE TABLE ${name} (id int PRIMARY KEY, n int)`, "CREATE TABLE")
    return { client, name }
  })

  it.effect("CREATE INDEX ASYNC is a job that ends with a valid index", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const id = yield* submit(client, `CREATE INDEX ASYNC ${name}_n ON ${name} (n)`)
      yield* gives(client, `CALL sys.wait_for_job('${id}')`, [["t"]])
      yield* gives(client, `SELECT job_type, status, object_name FROM sys.jobs WHERE job_id = '${id}'`, [
        ["INDEX_BUILD", "completed", `public.${name}_n`]
      ])
      yield* gives(client, `SELECT indisvalid FROM pg_index WHERE indexrelid = '${name}_n'::regclass`, [["t"]])
    })
  )

  it.effect("a unique index over duplicates stays invalid and enforces all the same", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      yield* tells(client, `INSERT INTO ${name} VALUES (1, 1), (2, 1)`, "INSERT 0 2")
      const id = yield* submit(client, `CREATE UNIQUE INDEX ASYNC ${name}_n ON ${name} (n)`)
      yield* gives(client, `CALL sys.wait_for_job('${id}')`, [["f"]])
      yield* gives(client, `SELECT status, details FROM sys.jobs WHERE job_id = '${id}'`, [
        ["failed", "Found duplicate key while validating index for UCVs"]
      ])
      yield* gives(client, `SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = '${name}_n'::regclass`, [
        ["f", "t"]
      ])
      assert.match(yield* ask(client, `INSERT INTO ${name} VALUES (3, 1)`), /^23505/)
      yield* tells(client, `DROP INDEX ${name}_n`, "DROP INDEX")
      yield* tells(client, `INSERT INTO ${name} VALUES (3, 1)`, "INSERT 0 1")
    })
  )

  it.effect("IF NOT EXISTS on an index that exists gives no row", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const sql = `CREATE INDEX ASYNC IF NOT EXISTS ${name}_n ON ${name} (n)`
      const id = yield* submit(client, sql)
      yield* gives(client, `CALL sys.wait_for_job('${id}')`, [["t"]])
      yield* gives(client, sql, [])
      yield* gives(client, `SELECT count(*) FROM sys.jobs WHERE object_name = 'public.${name}_n'`, [["1"]])
    })
  )

  it.effect("a transaction that is rolled back leaves neither index nor job", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      yield* tells(client, "BEGIN", "BEGIN")
      const id = yield* submit(client, `CREATE INDEX ASYNC ${name}_n ON ${name} (n)`)
      yield* tells(client, "ROLLBACK", "ROLLBACK")
      yield* gives(client, `SELECT count(*) FROM sys.jobs WHERE job_id = '${id}'`, [["0"]])
      yield* tells(client, `CALL sys.wait_for_job('${id}')`, `22023 unknown job ${id}`)
      yield* gives(client, `SELECT to_regclass('${name}_n')`, [[null]])
    })
  )

  it.effect("a constraint is validated by a job", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      yield* tells(client, `INSERT INTO ${name} VALUES (1, -1)`, "INSERT 0 1")
      yield* tells(client, `ALTER TABLE ${name} ADD CONSTRAINT positive CHECK (n > 0) NOT VALID`, "ALTER TABLE")
      const first = yield* submit(client, `ALTER TABLE ASYNC ${name} VALIDATE CONSTRAINT positive`)
      yield* gives(client, `CALL sys.wait_for_job('${first}')`, [["f"]])
      yield* tells(client, `DELETE FROM ${name}`, "DELETE 1")
      const second = yield* submit(client, `ALTER TABLE ASYNC ${name} VALIDATE CONSTRAINT positive`)
      yield* gives(client, `CALL sys.wait_for_job('${second}')`, [["t"]])
      yield* gives(
        client,
        `SELECT convalidated FROM pg_constraint WHERE conname = 'positive' AND conrelid = '${name}'::regclass`,
        [["t"]]
      )
      yield* tells(
        client,
        `ALTER TABLE ASYNC ${name} VALIDATE CONSTRAINT missing`,
        `42704 constraint "missing" of relation "${name}" does not exist`
      )
    })
  )

  it.effect("an open transaction with writes does not hold an index up", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const writer = yield* Shared.wire()
      yield* tells(writer, "BEGIN", "BEGIN")
      yield* tells(writer, `INSERT INTO ${name} VALUES (1, 1)`, "INSERT 0 1")
      const id = yield* submit(client, `CREATE UNIQUE INDEX ASYNC ${name}_n ON ${name} (n)`)
      yield* gives(client, `CALL sys.wait_for_job('${id}')`, [["t"]])
      assert.match(yield* ask(writer, "COMMIT"), /OC001/)
    })
  )

  it.effect("a finished unique index serves as a constraint", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const id = yield* submit(client, `CREATE UNIQUE INDEX ASYNC ${name}_n ON ${name} (n)`)
      yield* gives(client, `CALL sys.wait_for_job('${id}')`, [["t"]])
      yield* tells(client, `ALTER TABLE ${name} ADD CONSTRAINT ${name}_u UNIQUE USING INDEX ${name}_n`, "ALTER TABLE")
    })
  )
})

const jobDelay = 60_000

const forms: Readonly<Record<string, (id: string) => { readonly text: string; readonly values?: Array<string> }>> = {
  "a literal": (id) => ({ text: `CALL sys.wait_for_job('${id}')` }),
  "a parameter": (id) => ({ text: "CALL sys.wait_for_job($1)", values: [id] }),
  "a cast parameter": (id) => ({ text: "CALL sys.wait_for_job($1::text)", values: [id] }),
  "a named argument": (id) => ({ text: `CALL sys.wait_for_job(job_id => '${id}')` }),
  "an expression": (id) => ({ text: `CALL sys.wait_for_job(lower('${id.toUpperCase()}') || '')` })
}

layer(Shared.layer({ jobDelay }), { excludeTestServices: true })("a job", (it) => {
  it.effect("begins after its delay by the emulator's clock", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      const client = yield* Shared.wire()
      yield* tells(client, "CREATE TABLE late (id int PRIMARY KEY, n int)", "CREATE TABLE")
      const id = yield* submit(client, "CREATE INDEX ASYNC late_n ON late (n)")
      yield* emulator.control.advance(jobDelay / 2)
      yield* gives(client, `SELECT status FROM sys.jobs WHERE job_id = '${id}'`, [["submitted"]])
      yield* emulator.control.advance(jobDelay / 2)
      yield* gives(client, `CALL sys.wait_for_job('${id}')`, [["t"]])
    })
  )

  for (const [form, call] of Object.entries(forms)) {
    it.effect(`is waited for by ${form}`, () =>
      Effect.gen(function* () {
        const { emulator } = yield* Shared.Shared
        const client = yield* Shared.client()
        const name = `waited_${form.replaceAll(" ", "_")}`
        yield* Effect.promise(() => client.query(`CREATE TABLE ${name} (id int PRIMARY KEY, n int)`))
        const submitted = yield* Effect.promise(() => client.query(`CREATE INDEX ASYNC ON ${name} (n)`))
        let told: unknown
        const { text, values = [] } = call(String(submitted.rows[0]?.job_id))
        const waiting = client.query(text, values).then(({ rows }) => {
          told = rows
        })
        const other = yield* Shared.wire()
        yield* tells(other, "SELECT 1", "SELECT 1")
        assert.isUndefined(told)
        yield* emulator.control.advance(jobDelay)
        yield* Effect.promise(() => waiting)
        assert.deepStrictEqual(told, [{ succeeded: true }])
      })
    )
  }

  it.effect("is not waited for in a transaction", () =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      yield* tells(client, "BEGIN", "BEGIN")
      const sql = "CALL sys.wait_for_job('aaaaaaaaaaaaaaaaaaaaaaaaaa')"
      yield* tells(client, sql, "25001 sys.wait_for_job cannot run inside a transaction block")
      yield* tells(client, "COMMIT", "ROLLBACK")
    })
  )
})
