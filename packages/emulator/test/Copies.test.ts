import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { conflict, rows, tells, type WireClient } from "./wireClient.ts"

/** Statements on rows 1 to 9 of `t`, which others have overtaken in row 1. */
const statements = [
  "UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n",
  "UPDATE t SET n = n + 1 WHERE id = 2 AND n > 0 RETURNING *",
  "UPDATE t SET k = k + 100 WHERE id = 3 RETURNING k",
  "UPDATE t SET k = 4 WHERE id = 5",
  "UPDATE t SET n = n + 1 WHERE n < 6 RETURNING id",
  "UPDATE t AS x SET n = y.n FROM t AS y WHERE x.id = 6 AND y.id = 7 RETURNING x.n",
  "DELETE FROM t WHERE id = 2 RETURNING *",
  "DELETE FROM t WHERE k = 8",
  "INSERT INTO t VALUES (1, 50, 0)",
  "INSERT INTO t VALUES (50, 4, 0)",
  "INSERT INTO t VALUES (51, 51, 0), (52, NULL, 0) RETURNING *",
  "INSERT INTO t VALUES (2, 2, 0), (53, 53, 0) ON CONFLICT DO NOTHING RETURNING id",
  "INSERT INTO t VALUES (3, 3, 7) ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING *",
  "INSERT INTO t SELECT id + 100, k + 100, n FROM t WHERE id IN (4, 5) RETURNING id",
  "SELECT * FROM t WHERE id = 1",
  "SELECT * FROM t WHERE id = 4 FOR UPDATE",
  "SELECT count(*) FROM t",
  "SELECT t.n, o.note FROM t JOIN o ON o.id = t.id WHERE t.id < 4 ORDER BY t.id",
  "SELECT note FROM app.far WHERE id = 1",
  "UPDATE app.far SET note = note || '!' WHERE id = 1 RETURNING note",
  "WITH held AS MATERIALIZED (SELECT n FROM t WHERE id = 1 FOR UPDATE) UPDATE t SET n = 0 WHERE id = 9 AND EXISTS (SELECT FROM held)",
  "WITH held AS MATERIALIZED (SELECT n FROM t WHERE t.id = 1 FOR UPDATE), made AS (INSERT INTO o SELECT 60, 'x' WHERE EXISTS (SELECT FROM held) RETURNING id) SELECT * FROM made",
  "SELECT (SELECT n FROM t WHERE x.id = 3) FROM t AS x WHERE x.id = 2"
]

const definitions = [
  "CREATE TABLE t (id int PRIMARY KEY, k int UNIQUE, n int NOT NULL)",
  "CREATE TABLE o (id int PRIMARY KEY, note text)",
  "CREATE SCHEMA app",
  "CREATE TABLE app.far (id int PRIMARY KEY, note text)",
  "CREATE TABLE large (id int PRIMARY KEY, k int UNIQUE, note text)",
  "CREATE TABLE other (id int PRIMARY KEY, note text)"
]

const said = (client: WireClient, sql: string) =>
  Effect.map(client.query(sql), ({ error, results }) => ({
    told: error === undefined ? results.map(({ tag }) => tag) : [error.sqlstate, error.message],
    // Which of several rows comes first nobody promises.
    rows: results.map(({ rows }) => rows?.map((row) => JSON.stringify(row)).toSorted() ?? [])
  }))

layer(Shared.layer(), { excludeTestServices: true })("copies", (it) => {
  const prepared = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    const [found] = yield* rows(admin, "SELECT to_regclass('large')")
    if (found?.[0] === null) {
      for (const sql of definitions) yield* tells(admin, sql, sql.split(" ", 2).join(" "))
      // A table that is small is copied whole.
      yield* tells(admin, "INSERT INTO t SELECT i, i, i FROM generate_series(1001, 4000) i", "INSERT 0 3000")
      for (const table of ["large", "other"]) {
        const columns = table === "large" ? "i, i, repeat('x', 40)" : "i, repeat('x', 40)"
        for (const from of [0, 3_000, 6_000]) {
          yield* tells(
            admin,
            `INSERT INTO ${table} SELECT ${columns} FROM generate_series(${from + 1}, ${from + 3_000}) i`,
            "INSERT 0 3000"
          )
        }
      }
    }
    for (const table of ["t", "o", "app.far"]) yield* admin.query(`DELETE FROM ${table} WHERE id < 1000`)
    yield* tells(admin, "INSERT INTO t SELECT i, i, i FROM generate_series(1, 9) i", "INSERT 0 9")
    yield* tells(admin, "INSERT INTO o SELECT i, 'o' || i FROM generate_series(1, 9) i", "INSERT 0 9")
    yield* tells(admin, "INSERT INTO app.far VALUES (1, 'far')", "INSERT 0 1")
    return admin
  })

  /** What statements answer in a transaction that others have overtaken in row 1, and in one that is alone. */
  const both = (sequence: ReadonlyArray<string>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* prepared
        const alone = yield* Shared.begun
        const expected = yield* Effect.forEach(sequence, (sql) => said(alone, sql))
        yield* tells(alone, "ROLLBACK", "ROLLBACK")
        const overtaken = yield* Shared.begun
        yield* tells(admin, "UPDATE t SET n = -1 WHERE id = 1", "UPDATE 1")
        const found = yield* Effect.forEach(sequence, (sql) => said(overtaken, sql))
        return { expected, found }
      })
    )

  const first = "UPDATE t SET n = n + 10 WHERE id = 1 RETURNING n"
  const all = "SELECT * FROM t ORDER BY id"

  it.effect.each(statements)("a transaction that was overtaken is answered from its snapshot: %s", (sql) =>
    Effect.gen(function* () {
      const { expected, found } = yield* both([first, sql, all])
      assert.deepStrictEqual(found, expected)
    })
  )

  it.effect("whatever it does one after the other", () =>
    Effect.gen(function* () {
      const works = statements.filter(
        (sql) => !sql.includes("(1, 50, 0)") && !sql.includes("(50, 4, 0)") && !sql.includes("k = 4")
      )
      for (let turn = 0; turn < works.length; turn += 3) {
        const sequence = [first, ...works.slice(turn), ...works.slice(0, turn), all]
        const { expected, found } = yield* both(sequence)
        for (const [n, sql] of sequence.entries()) assert.deepStrictEqual(found[n], expected[n], `${turn}: ${sql}`)
      }
    })
  )

  const sizes = "SELECT pg_relation_size(to_regclass('pg_temp.large')), pg_relation_size(to_regclass('pg_temp.other'))"
  const touching: Readonly<Record<string, string>> = {
    "a row that it changes": "UPDATE large SET note = 'y' WHERE id = 1",
    "a row that it locks, beside a table that it reads":
      "SELECT note FROM large WHERE id = 1 AND note IN (SELECT note FROM other) FOR UPDATE",
    "what its statement guards and writes":
      "WITH held AS MATERIALIZED (SELECT id FROM large WHERE id = 1 FOR UPDATE), gone AS (DELETE FROM large WHERE id = 7 AND EXISTS (SELECT FROM held)) INSERT INTO large SELECT 90000, 90000, 'z' WHERE EXISTS (SELECT FROM held)"
  }
  for (const [what, sql] of Object.entries(touching)) {
    it.effect(`a transaction that was overtaken copies no more than ${what}`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const admin = yield* prepared
          const overtaken = yield* Shared.begun
          yield* tells(admin, "UPDATE large SET note = note WHERE id = 1", "UPDATE 1")
          assert.isUndefined((yield* overtaken.query(sql)).error)
          const [[large, other] = []] = yield* rows(overtaken, sizes)
          assert.deepStrictEqual([large, other], ["8192", null])
          yield* tells(overtaken, "COMMIT", conflict)
        })
      )
    )
  }
})
