import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { ask, conflict, gives, rows, tells } from "./wireClient.ts"

layer(Shared.layer(), { excludeTestServices: true })("a function that writes", (it) => {
  const definitions = [
    "CREATE TABLE IF NOT EXISTS f (id int PRIMARY KEY, n int NOT NULL)",
    "CREATE TABLE IF NOT EXISTS log (id int PRIMARY KEY)",
    `CREATE OR REPLACE FUNCTION bump(key int) RETURNS int LANGUAGE sql
      AS 'UPDATE f SET n = n + 1 WHERE id = key RETURNING n'`,
    "CREATE OR REPLACE FUNCTION bump_all() RETURNS SETOF int LANGUAGE sql AS 'UPDATE f SET n = n + 1 RETURNING n'",
    "CREATE OR REPLACE FUNCTION grow(size int) RETURNS bigint LANGUAGE sql AS 'WITH w AS (INSERT INTO log SELECT generate_series(1, size) RETURNING 1) SELECT count(*) FROM w'",
    "CREATE OR REPLACE FUNCTION hold_row(key int) RETURNS int LANGUAGE sql AS 'SELECT n FROM f WHERE id = key FOR UPDATE'",
    "CREATE OR REPLACE FUNCTION calm(key int) RETURNS int LANGUAGE sql STABLE AS 'SELECT bump(key)'",
    "CREATE OR REPLACE VIEW bumped AS SELECT bump(1) AS n",
    "CREATE OR REPLACE VIEW twice AS SELECT n FROM bumped"
  ]
  const reset = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    for (const sql of definitions) yield* ask(admin, sql)
    yield* ask(admin, "DELETE FROM log")
    yield* ask(admin, "DELETE FROM f")
    yield* tells(admin, "INSERT INTO f VALUES (1, 0), (2, 0)", "INSERT 0 2")
    return admin
  })
  const one = "SELECT n FROM f WHERE id = 1"

  const calls = {
    "in a target list": "SELECT bump(1)",
    "in FROM": "SELECT * FROM bump_all()",
    "in VALUES": "VALUES (bump(1))",
    "behind a view": "SELECT n FROM bumped",
    "behind a view of a view": "TABLE twice",
    "behind a function that is stable": "SELECT calm(1)",
    "in a condition": "SELECT 1 FROM f WHERE id = 2 AND bump(1) > 0",
    "in a DO block": "DO $$ BEGIN PERFORM bump(1); END $$"
  }
  for (const [where, sql] of Object.entries(calls)) {
    it.effect(`${where} survives that another transaction wants its row, or loses by OC000`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const admin = yield* reset
          const first = yield* Shared.begun
          assert.isUndefined((yield* first.query(sql)).error)
          const second = yield* Shared.begun
          yield* tells(second, "UPDATE f SET n = n + 10 WHERE id = 1", "UPDATE 1")
          yield* tells(second, "ROLLBACK", "ROLLBACK")
          yield* tells(first, "COMMIT", "COMMIT")
          yield* gives(admin, one, [["1"]])

          yield* tells(first, "BEGIN", "BEGIN")
          assert.isUndefined((yield* first.query(sql)).error)
          yield* tells(admin, "UPDATE f SET n = n + 10 WHERE id = 1", "UPDATE 1")
          yield* tells(first, "COMMIT", conflict)
          yield* gives(admin, one, [["11"]])

          assert.isUndefined((yield* admin.query(sql)).error)
          yield* gives(admin, one, [["12"]])
        })
      )
    )
  }

  it.effect("that locks conflicts with who changes the row", () =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* reset
        const [first, second] = [yield* Shared.begun, yield* Shared.begun]
        yield* tells(first, "SELECT hold_row(1)", "SELECT 1")
        yield* tells(first, "COMMIT", "COMMIT")
        yield* tells(second, "UPDATE f SET n = 5 WHERE id = 1", "UPDATE 1")
        yield* tells(second, "COMMIT", conflict)
      })
    )
  )

  it.effect("counts towards the rows of its transaction, and is a change of them", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* reset
        const limit = "54000 transaction row limit exceeded"
        yield* tells(admin, "SELECT grow(3001)", limit)
        yield* gives(admin, "SELECT count(*) FROM log", [["0"]])
        yield* tells(admin, "BEGIN", "BEGIN")
        yield* tells(admin, "SELECT grow(3000)", "SELECT 1")
        yield* tells(admin, "SELECT bump(1)", limit)
        yield* tells(admin, "ROLLBACK", "ROLLBACK")
        yield* tells(admin, "BEGIN", "BEGIN")
        yield* tells(admin, "SELECT bump(1)", "SELECT 1")
        yield* tells(admin, "CREATE TABLE late (id int)", "0A000 ddl and dml are not supported in the same transaction")
        yield* tells(admin, "ROLLBACK", "ROLLBACK")
      })
    )
  )

  it.effect("that only reads leaves its transaction one that never conflicts", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* reset
        yield* ask(
          admin,
          "CREATE OR REPLACE FUNCTION peek(key int) RETURNS int LANGUAGE sql AS 'SELECT n FROM f WHERE id = key'"
        )
        const reader = yield* Shared.begun
        yield* gives(reader, "SELECT peek(1)", [["0"]])
        yield* tells(admin, "UPDATE f SET n = 7", "UPDATE 2")
        yield* gives(reader, "SELECT peek(1)", [["0"]])
        yield* tells(reader, "COMMIT", "COMMIT")
      })
    )
  )
})

layer(Shared.layer(), { excludeTestServices: true })("a value that is drawn once", (it) => {
  const definitions = [
    "CREATE TABLE IF NOT EXISTS hot (id int PRIMARY KEY, n int NOT NULL)",
    "CREATE SEQUENCE IF NOT EXISTS s CACHE 1",
    `CREATE TABLE IF NOT EXISTS d (
      id bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 1) PRIMARY KEY,
      u uuid NOT NULL DEFAULT gen_random_uuid(),
      at timestamptz NOT NULL DEFAULT now(),
      told timestamptz NOT NULL DEFAULT clock_timestamp(),
      r float8 NOT NULL DEFAULT random(),
      n bigint NOT NULL DEFAULT nextval('s'))`,
    "CREATE TABLE IF NOT EXISTS child (id int PRIMARY KEY, d_id bigint NOT NULL REFERENCES d (id))"
  ]
  const reset = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    for (const sql of definitions) assert.isUndefined((yield* admin.query(sql)).error)
    for (const table of ["child", "d", "hot"]) yield* ask(admin, `DELETE FROM ${table}`)
    yield* tells(admin, "INSERT INTO hot VALUES (1, 0)", "INSERT 0 1")
    return admin
  })
  /** Another client's transaction, which wants the row that the first one has changed. */
  const rival = Effect.tap(Shared.begun, (client) => tells(client, "UPDATE hot SET n = 2", "UPDATE 1"))
  const all = "SELECT * FROM d ORDER BY id"
  const notNull = '23502 null value in column "key" of relation "altered" violates not-null constraint'

  const inserts = {
    "defaults and an identity": "INSERT INTO d DEFAULT VALUES",
    "many rows": "INSERT INTO d (n) SELECT nextval('s') FROM generate_series(1, 50)",
    expressions: `INSERT INTO d (u, told, r) VALUES (gen_random_uuid(), statement_timestamp(), random() + random_normal())`,
    "an update":
      "INSERT INTO d DEFAULT VALUES; UPDATE d SET u = gen_random_uuid(), r = random(), told = clock_timestamp()"
  }
  for (const [what, sql] of Object.entries(inserts)) {
    it.effect(`by ${what} is the one that commits, though its transaction was in another's way`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const admin = yield* reset
          const first = yield* Shared.begun
          assert.isUndefined((yield* first.query(sql)).error)
          const told = yield* rows(first, all)
          assert.isAbove(told.length, 0)
          yield* tells(first, `INSERT INTO child VALUES (1, ${told[0]?.[0]})`, "INSERT 0 1")
          yield* tells(first, "UPDATE hot SET n = 1", "UPDATE 1")
          const second = yield* rival
          yield* gives(first, all, told)
          yield* tells(first, "UPDATE hot SET n = 3", "UPDATE 1")
          yield* tells(first, "COMMIT", "COMMIT")
          yield* gives(admin, all, told)
          yield* tells(second, "COMMIT", conflict)
        })
      )
    )
  }

  it.effect("stays what it was in a transaction that has lost", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* reset
        const first = yield* Shared.begun
        yield* tells(first, "INSERT INTO d DEFAULT VALUES", "INSERT 0 1")
        const told = yield* rows(first, all)
        yield* tells(first, "UPDATE hot SET n = 1", "UPDATE 1")
        yield* tells(admin, "UPDATE hot SET n = 2", "UPDATE 1")
        yield* gives(first, all, told)
        yield* tells(first, "COMMIT", conflict)
      })
    )
  )

  it.effect("may come from an identity that was altered, dropped and made again", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* reset
        const table = "id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1), n int, old int"
        yield* tells(admin, `CREATE TABLE altered (${table})`, "CREATE TABLE")
        const changes = [
          "DROP COLUMN old",
          "ALTER COLUMN id SET INCREMENT BY 5",
          "RENAME COLUMN id TO key",
          "ALTER COLUMN key DROP IDENTITY",
          "ALTER COLUMN key ADD GENERATED BY DEFAULT AS IDENTITY (CACHE 1)"
        ]
        for (const change of changes) {
          yield* tells(admin, `ALTER TABLE altered ${change}`, "ALTER TABLE")
          yield* tells(
            admin,
            "INSERT INTO altered VALUES (DEFAULT, 1)",
            change.includes("DROP I") ? notNull : "INSERT 0 1"
          )
        }
        yield* tells(admin, "BEGIN", "BEGIN")
        const told = yield* rows(admin, "INSERT INTO altered (n) VALUES (2), (3) RETURNING key")
        yield* tells(admin, "UPDATE hot SET n = 1", "UPDATE 1")
        yield* rival
        yield* tells(admin, "COMMIT", "COMMIT")
        yield* gives(admin, "SELECT key FROM altered WHERE n > 1 ORDER BY n", told)
      })
    )
  )

  it.effect("is not drawn anew by who reads, and a sequence is set once", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* reset
        const first = yield* Shared.begun
        yield* tells(first, "INSERT INTO d (n) VALUES (setval('s', 1000))", "INSERT 0 1")
        yield* tells(first, "UPDATE hot SET n = 1", "UPDATE 1")
        yield* tells(admin, "UPDATE hot SET n = 2 WHERE false", "UPDATE 0")
        const second = yield* rival
        yield* gives(second, "SELECT nextval('s')", [["1001"]])
        yield* tells(second, "ROLLBACK", "ROLLBACK")
        yield* tells(first, "COMMIT", "COMMIT")
        yield* gives(admin, "SELECT nextval('s')", [["1002"]])
      })
    )
  )
})
