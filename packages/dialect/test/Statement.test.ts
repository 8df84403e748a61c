import { Statement } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"

const parse = Statement.parse

const only = (sql: string) =>
  Effect.map(parse(sql), ([statement, ...others]) => {
    if (statement === undefined || others.length > 0) return assert.fail(`not one statement: ${sql}`)
    return statement
  })

const pieces = [
  "SELECT 1",
  "SELECT ';' AS a",
  "SELECT 'é😀''; --' AS \"q;\"\"ß\"",
  "CREATE INDEX ASYNC ON t (x)",
  'create unique index async "asy nc" ON t (x) -- inner ;\n WHERE x > 0',
  "CREATE INDEX /* é */ ASYNC IF NOT EXISTS i ON t (x)",
  "ALTER TABLE ASYNC t VALIDATE CONSTRAINT c",
  "ALTER TABLE ASYNC IF EXISTS t VALIDATE CONSTRAINT c",
  "ALTER TABLE async ADD COLUMN x int",
  "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $é$ SELECT 1; -- $$ \n $é$",
  "CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
  "INSERT INTO async (async) VALUES (E'\\';async')",
  "BEGIN"
]

const separators = [";", " ;\n", ";;", "; -- é; ASYNC 'x\n", "/* 😀 /* ; */ */;", "\r\n;\t", " -- 'é\n;\n\n"]

const text = fc
  .array(fc.tuple(fc.constantFrom(...pieces), fc.constantFrom(...separators)), { maxLength: 12 })
  .chain((parts) => fc.constantFrom("", "-- é 😀\n", "\n\n  ").map((lead) => ({ lead, parts })))

describe("Statement.parse", () => {
  it("gives back the statements of any concatenation, each at its place", () =>
    fc.assert(
      fc.asyncProperty(text, async ({ lead, parts }) => {
        const sql = lead + parts.map(([piece, separator]) => piece + separator).join("")
        const statements = await Effect.runPromise(parse(sql))
        assert.deepStrictEqual(
          statements.map((statement) => statement.text),
          parts.map(([piece]) => piece)
        )
        for (const statement of statements) {
          assert.strictEqual(sql.slice(statement.offset, statement.offset + statement.text.length), statement.text)
          const before = sql.slice(0, statement.offset).split("\n")
          assert.strictEqual(statement.line, before.length)
          assert.strictEqual(statement.column, (before.at(-1) ?? "").length + 1)
          assert.strictEqual(statement.postgres.length, statement.text.length)
        }
      }),
      { seed: 20260918, numRuns: 300 }
    ))

  it.effect("takes ASYNC out where it is DSQL's word, and nowhere else", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [sql: string, postgres: string]> = [
        ["CREATE INDEX ASYNC ON t (x)", "CREATE INDEX       ON t (x)"],
        ["CREATE INDEX ASYNC async ON t (x)", "CREATE INDEX       async ON t (x)"],
        ['CREATE INDEX "ASYNC" ON t (x)', 'CREATE INDEX "ASYNC" ON t (x)'],
        ["create unique index async i on t (x)", "create unique index       i on t (x)"],
        ["CREATE INDEX/*é*/Async i ON async (async)", "CREATE INDEX/*é*/      i ON async (async)"],
        ["ALTER TABLE ASYNC t VALIDATE CONSTRAINT c", "ALTER TABLE       t VALIDATE CONSTRAINT c"],
        ["ALTER TABLE ASYNC ONLY t VALIDATE CONSTRAINT c", "ALTER TABLE       ONLY t VALIDATE CONSTRAINT c"],
        ['ALTER TABLE ASYNC "t" VALIDATE CONSTRAINT c', 'ALTER TABLE       "t" VALIDATE CONSTRAINT c'],
        ["ALTER TABLE ASYNC async VALIDATE CONSTRAINT c", "ALTER TABLE       async VALIDATE CONSTRAINT c"],
        ["ALTER TABLE async VALIDATE CONSTRAINT c", "ALTER TABLE async VALIDATE CONSTRAINT c"],
        ["ALTER TABLE async.t ADD COLUMN x int", "ALTER TABLE async.t ADD COLUMN x int"]
      ]
      for (const [sql, postgres] of cases) {
        const statement = yield* only(sql)
        assert.strictEqual(statement.postgres, postgres)
        assert.strictEqual(statement.async, sql !== postgres)
        assert.strictEqual(statement.text, sql)
      }
    })
  )

  it.effect("finds no statement in an empty text or in comments", () =>
    Effect.gen(function* () {
      for (const sql of ["", "   ", ";;", "-- a ; b", "/* x */ ; -- y\n;"]) {
        assert.deepStrictEqual(yield* parse(sql), [])
      }
    })
  )

  it.effect("keeps a syntax error's place through emoji, comments and an ASYNC before it", () =>
    Effect.gen(function* () {
      const sql = "SELECT '😀é';\n-- é\nCREATE INDEX ASYNC i ON t (x);\nSELECT '😀' FORM x y"
      const error = yield* Effect.flip(parse(sql))
      assert.strictEqual(error.message, 'syntax error at or near "x"')
      assert.deepStrictEqual([error.line, error.column, error.offset], [4, 18, sql.lastIndexOf("x y")])
    })
  )

  it.effect("reports what the lexer refuses, also after an ASYNC", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        parse("CREATE INDEX ASYNC i ON t (x);\nALTER TABLE ASYNC t ADD x int; SELECT 'é")
      )
      assert.strictEqual(error.message, 'unterminated quoted string at or near "\'é"')
      assert.deepStrictEqual([error.line, error.column], [2, 39])
    })
  )

  it.effect("refuses a schema-qualified index name as the cluster does", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(parse("CREATE INDEX ASYNC public.i ON t (x)"))
      assert.deepStrictEqual([error.sqlstate, error.message], ["42601", 'syntax error at or near "."'])
    })
  )

  it.effect("refuses a NUL character instead of reading only up to it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(parse("SELECT 1;\n\0DROP TABLE t"))
      assert.deepStrictEqual([error.sqlstate, error.line, error.column], ["22021", 2, 1])
    })
  )

  it.effect("answers a statement nested too deeply, and parses the next one", () =>
    Effect.gen(function* () {
      const deep = `SELECT 1${"+1".repeat(50_000)}`
      for (let i = 0; i < 20; i++) {
        assert.strictEqual((yield* Effect.flip(parse(deep))).sqlstate, "54001")
        assert.strictEqual((yield* parse("SELECT 1; SELECT 2")).length, 2)
      }
    })
  )

  it.effect("scans past control characters", () =>
    Effect.map(only("SELECT '\u0001\f' -- \u0002\n"), (statement) =>
      assert.strictEqual(statement.text, "SELECT '\u0001\f'")
    )
  )
})

describe("Statement.kind", () => {
  const cases: ReadonlyArray<readonly [kind: Statement.Kind, sql: string]> = [
    ["ddl", "CREATE TABLE t (id int)"],
    ["ddl", "CREATE INDEX ASYNC ON t (x)"],
    ["ddl", "GRANT SELECT ON t TO r"],
    ["ddl", "REVOKE ALL ON t FROM r"],
    ["ddl", "GRANT a TO b"],
    ["ddl", "SELECT 1 AS x INTO t"],
    ["ddl", "TRUNCATE t"],
    ["dml", "INSERT INTO t VALUES (1)"],
    ["dml", "UPDATE t SET x = 1"],
    ["dml", "DELETE FROM t"],
    ["dml", "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d"],
    ["dml", "EXPLAIN ANALYZE DELETE FROM t"],
    ["dml", "COPY t FROM STDIN"],
    ["query", "COPY t TO STDOUT"],
    ["query", "EXPLAIN DELETE FROM t"],
    ["query", "EXPLAIN (ANALYZE off) DELETE FROM t"],
    ["query", "EXPLAIN (ANALYZE 0) DELETE FROM t"],
    ["query", "EXPLAIN (ANALYZE false) DELETE FROM t"],
    ["dml", "EXPLAIN (ANALYZE 1) DELETE FROM t"],
    ["query", "SELECT 1 UNION SELECT 2"],
    ["query", "VALUES (1)"],
    ["query", "TABLE t"],
    ["query", "SELECT * FROM t FOR UPDATE"],
    ["transaction", "START TRANSACTION READ ONLY"],
    ["transaction", "END"],
    ["transaction", "SAVEPOINT s"],
    ["session", "SET search_path = a"],
    ["session", "SHOW server_version"],
    ["session", "SET CONSTRAINTS ALL DEFERRED"],
    ["other", "CALL sys.wait_for_job('x')"],
    ["other", "ANALYZE t"]
  ]
  it.effect.each(cases)("%s: %s", ([kind, sql]) =>
    Effect.map(only(sql), (statement) => {
      assert.strictEqual(statement.kind, kind)
      assert.strictEqual(Statement.writes(statement), kind === "dml")
    })
  )
})

describe("Statement.locks", () => {
  it.effect("finds locking clauses in subqueries, set operations and WITH", () =>
    Effect.gen(function* () {
      const statement = yield* only(
        "WITH a AS (SELECT * FROM t FOR UPDATE SKIP LOCKED) SELECT * FROM a, (SELECT 1 FROM u x FOR KEY SHARE OF x NOWAIT) s FOR SHARE"
      )
      assert.deepStrictEqual(
        Statement.locks(statement).toSorted((a, b) => a.strength.localeCompare(b.strength)),
        [
          { strength: "for key share", wait: "nowait", of: ["x"] },
          { strength: "for share", wait: "block", of: [] },
          { strength: "for update", wait: "skip locked", of: [] }
        ]
      )
      const union = yield* only("(SELECT 1 FROM t FOR UPDATE) UNION ALL (SELECT 1 FROM u FOR NO KEY UPDATE)")
      assert.strictEqual(Statement.locks(union).length, 2)
    })
  )
})

describe("Statement.withoutWaiting", () => {
  it.effect("blanks how a locking clause waits, and nothing of the same words", () =>
    Effect.gen(function* () {
      const cases: Readonly<Record<string, string>> = {
        "SELECT skip locked, nowait FROM t, u FOR UPDATE /* é */ SKIP LOCKED":
          "SELECT skip locked, nowait FROM t, u FOR UPDATE /* é */            ",
        "SELECT 'NOWAIT' FROM a.b JOIN c USING (x) FOR KEY SHARE OF b, c NOWAIT LIMIT 1":
          "SELECT 'NOWAIT' FROM a.b JOIN c USING (x) FOR KEY SHARE OF b, c        LIMIT 1",
        "SELECT nowait FROM t FOR UPDATE": "SELECT nowait FROM t FOR UPDATE"
      }
      for (const [sql, expected] of Object.entries(cases)) {
        assert.strictEqual(Statement.withoutWaiting(yield* only(sql)), expected)
      }
    })
  )
})

describe("Statement.iamMapping", () => {
  const arn = "arn:aws:iam::111122223333:role/a-path-of-some-length/and-a-name-of-more-than-63-bytes"
  it.effect("reads which identity may connect as which role, an ARN longer than a name included", () =>
    Effect.gen(function* () {
      const [first, grant, revoke] = yield* parse(
        `SELECT 'é'; aws /* x */ IAM grant "Ro le" to '${arn}'; AWS IAM REVOKE app FROM 'a''"b' -- end`
      )
      assert(first !== undefined && grant !== undefined && revoke !== undefined)
      assert.strictEqual(Statement.iamMapping(first), undefined)
      assert.deepStrictEqual(Statement.iamMapping(grant), { action: "grant", role: "Ro le", arn })
      assert.deepStrictEqual(Statement.iamMapping(revoke), { action: "revoke", role: "app", arn: "a'\"b" })
      assert.strictEqual(grant.kind, "ddl")
      assert.strictEqual(grant.postgres.length, grant.text.length)
    })
  )

  it.effect("is undefined for GRANT of a role to a role", () =>
    Effect.map(only("GRANT aws TO iam"), (grant) => assert.strictEqual(Statement.iamMapping(grant), undefined))
  )

  const unseen = [
    "AWS IAM GRANT app TO other",
    "AWS IAM GRANT a, b TO 'arn'",
    "AWS IAM GRANT app TO 'arn', 'arn'",
    "AWS IAM GRANT app TO 'arn' WITH ADMIN OPTION",
    "AWS IAM GRANT SELECT ON t TO 'arn'"
  ]
  it.effect.each(unseen)("refuses %s, which nobody has seen a cluster take", (sql) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(parse(`SELECT 1;\n ${sql}`))
      assert.deepInclude(error, { sqlstate: "42601", line: 2, column: 2 })
      assert.include(error.message, "AWS IAM GRANT role TO 'arn'")
    })
  )
})

describe("Statement.at", () => {
  it.effect("turns the tree's bytes into a place in the source", () =>
    Effect.gen(function* () {
      const sql = "SELECT '😀é';\nSELECT 'é' || name FROM t"
      const [, second] = yield* parse(sql)
      if (second === undefined || !("SelectStmt" in second.node)) return assert.fail("two SELECTs")
      const table = second.node.SelectStmt.fromClause?.[0]
      if (table === undefined || !("RangeVar" in table)) return assert.fail("a table")
      const place = Statement.at(second, table.RangeVar.location ?? 0)
      assert.deepStrictEqual(place, { offset: sql.indexOf("t", 30), line: 2, column: 25 })
    })
  )
})

describe("Statement.redacted", () => {
  const secrets: ReadonlyArray<readonly [sql: string, shown: string]> = [
    ["CREATE ROLE app LOGIN PASSWORD 'hunter2'", "CREATE ROLE app LOGIN PASSWORD '***'"],
    [
      "CREATE USER é ENCRYPTED PASSWORD 'hunter2' VALID UNTIL '2030-01-01'",
      "CREATE USER é ENCRYPTED PASSWORD '***' VALID UNTIL '2030-01-01'"
    ],
    ["CREATE GROUP g /* '😀' */ password /* 'x' */ E'hun\\'ter2' LOGIN", "CREATE GROUP g  password  '***' LOGIN"],
    ["ALTER ROLE app PASSWORD U&'hunter2'", "ALTER ROLE app PASSWORD '***'"],
    ["ALTER USER app PASSWORD 'hun''ter'\n 'hunter2' LOGIN", "ALTER USER app PASSWORD '***' LOGIN"],
    ["ALTER ROLE app PASSWORD $$hunter2$$", "ALTER ROLE app PASSWORD '***'"],
    ["CREATE ROLE app PASSWORD 'a' PASSWORD 'hunter2'", "CREATE ROLE app PASSWORD '***' PASSWORD '***'"],
    ["CREATE ROLE app -- once PASSWORD 'hunter2'\n NOLOGIN", "CREATE ROLE app \n NOLOGIN"],
    ["CREATE ROLE app /* hunter2 */ LOGIN", "CREATE ROLE app  LOGIN"],
    ["CREATE TABLE t (a int /* password: hunter2 */)", "CREATE TABLE t (a int )"],
    ["DO $$ BEGIN EXECUTE 'ALTER ROLE r PASSWORD ''hunter2'''; /* x */ END $$", "DO $$ BEGIN EXECUTE '***';  END $$"],
    [
      "DO $do$ BEGIN ALTER ROLE r PASSWORD $x$hunter2$x$; END $do$",
      "DO $do$ BEGIN ALTER ROLE r PASSWORD '***'; END $do$"
    ],
    [
      "CREATE FUNCTION f(a text = $$x$$) RETURNS void AS 'ALTER ROLE r PASSWORD ''hunter2''' LANGUAGE sql",
      "CREATE FUNCTION f(a text = '***') RETURNS void AS '***' LANGUAGE sql"
    ],
    [
      "CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT 'the password is hunter2'; END",
      "CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT '***'; END"
    ],
    ["COMMENT ON ROLE r IS 'password: hunter2'", "COMMENT ON ROLE r IS '***'"],
    ["ALTER ROLE r SET app.password = 'hunter2'", "ALTER ROLE r SET app.password = '***'"]
  ]
  it.effect.each(secrets)("shows %s without its password", ([sql, shown]) =>
    Effect.gen(function* () {
      const [, second] = yield* parse(`SELECT '😀'; ${sql};`)
      if (second === undefined) return assert.fail("two statements")
      assert.strictEqual(Statement.redacted(second), shown)
    })
  )

  const broken: ReadonlyArray<readonly [sql: string, message: string]> = [
    ["CREATE ROLE app PASSWORD hunter2", 'syntax error at or near "***"'],
    ["CREATE ROLE app PASSWORD 'x' hunter2", 'unrecognized role option "***"'],
    ["SELECT 1; CREATE ROLE app PASSWORD 'hunter2", 'unterminated quoted string at or near "***"'],
    ["SELECT 'a;\nCREATE ROLE app PASSWORD $$hunter2$$", 'unterminated quoted string at or near "***"'],
    ["SELECT 'a\nb hunter2", `unterminated quoted string at or near "'a…"`]
  ]
  it.effect.each(broken)("shows of %j no password, and not the rest of the text", ([sql, message]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(parse(sql))).shown, message)
    })
  )

  it.effect("leaves every other statement as it is written", () =>
    Effect.gen(function* () {
      const written = [
        "ALTER ROLE app PASSWORD NULL",
        "CREATE ROLE password",
        "SELECT 'PASSWORD ''x'''",
        "CREATE TABLE users (password text, state text DEFAULT 'new')",
        "COMMENT ON TABLE users IS 'who may come in'",
        "DO $$ BEGIN RAISE 'not yet'; END $$"
      ]
      for (const sql of written) assert.strictEqual(Statement.redacted(yield* only(sql)), sql)
    })
  )
})

describe("Statement.shape", () => {
  it.effect.each([
    ["SELECT n FROM t WHERE id = 7 AND name = 'it''s' -- seven", "SELECT n FROM t WHERE id = ? AND name = ?"],
    ["INSERT INTO t VALUES (1.5, E'\\n', $$x$$, x'ff', NULL, $1)", "INSERT INTO t VALUES (?, ?, ?, ?, NULL, $1)"],
    ["SELECT 'ü', \"'7\" FROM t7", 'SELECT ?, "\'7" FROM t7']
  ] as const)("of %s", ([sql, shape]) =>
    Effect.gen(function* () {
      assert.strictEqual(Statement.shape(yield* only(sql)), shape)
    })
  )
})

describe("Statement.withoutTexts", () => {
  const texts: ReadonlyArray<readonly [sql: string, shown: string]> = [
    ["COMMENT ON ROLE r IS 'hunter2'", "COMMENT ON ROLE r IS '…'"],
    ["ALTER ROLE r SET a.b = U&'hunter2' /* not hunter3 */", "ALTER ROLE r SET a.b = '…'"],
    ["DO $$ BEGIN EXECUTE 'hunter2'; END $$", "DO '…'"],
    ["ALTER SEQUENCE s RESTART WITH 5", "ALTER SEQUENCE s RESTART WITH 5"]
  ]
  it.effect.each(texts)("shows %s without what is in quotes and comments", ([sql, shown]) =>
    Effect.gen(function* () {
      assert.strictEqual(Statement.withoutTexts(yield* only(sql)).trim(), shown)
    })
  )
})

describe("Statement.relations", () => {
  it.effect("gives the place of every name, and viewQuery that of the query behind them", () =>
    Effect.gen(function* () {
      const [, view] = yield* parse(
        `SELECT '😀'; CREATE VIEW "a AS b" (c) AS SELECT 'é' FROM s . t /* AS */ AS u, (SELECT 1 FROM "x.y") z`
      )
      if (view === undefined) return assert.fail("two statements")
      assert.deepStrictEqual(
        Statement.relations(view).map(({ from, to }) => view.text.slice(from, to)),
        ['"a AS b"', "s . t", '"x.y"']
      )
      assert.match(view.text.slice(Statement.viewQuery(view)), /^SELECT 'é' FROM/)
      assert.isUndefined(Statement.viewQuery(yield* only("SELECT 1 AS a")))
    })
  )
})
