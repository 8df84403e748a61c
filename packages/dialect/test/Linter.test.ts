import { Linter } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

/** Findings as `rule line:column`, without the ones about jobs, which have their own tests. */
const found = (sql: string, options: Linter.Options = {}) =>
  Effect.map(Linter.lint(sql, { disable: ["job-not-awaited"], ...options }), (findings) =>
    findings.map(({ column, line, rule }) => `${rule} ${line}:${column}`)
  )

const finds = (name: string, sql: string, expected: ReadonlyArray<string>, options?: Linter.Options) =>
  it.effect(name, () => Effect.map(found(sql, options), (rules) => assert.deepStrictEqual(rules, expected)))

/** A query with a LATERAL join whose subquery has a column of this kind. */
const lateral = (join: string, column: string) =>
  `SELECT p.id, x.pid FROM p ${join} JOIN LATERAL (SELECT ${column} AS pid FROM c AS k WHERE p.id = k.p) AS x ON TRUE`

describe("Linter.lint", () => {
  finds("finds nothing in what DSQL runs well", "CREATE TABLE t (id uuid PRIMARY KEY);\nSELECT * FROM t;\n", [])

  finds(
    "points at each refused construct, not at the statement",
    "CREATE TABLE t (\n  id serial PRIMARY KEY,\n  é text,\n  tags text[],\n  price money\n)",
    ["serial 2:6", "array-column 4:8", "column-type 5:9"]
  )

  it.effect("says what the server answers, how to write it instead, and where it ends", () =>
    Effect.gen(function* () {
      const [finding, ...others] = yield* Linter.lint("SELECT 1;\nCREATE INDEX i\n  ON t (x);", { file: "a/b.sql" })
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(finding, {
        rule: "index-async",
        severity: "error",
        file: "a/b.sql",
        line: 2,
        column: 1,
        endLine: 3,
        endColumn: 11,
        message: "unsupported mode. please use CREATE INDEX ASYNC.",
        hint: "CREATE INDEX ASYNC, and wait for the job that it returns.",
        sqlstate: "0A000"
      })
    })
  )

  finds("asks the rules of a service date", "CREATE TABLE t (id int PRIMARY KEY, d jsonb)", ["jsonb-column 1:39"], {
    at: "2026-05-01"
  })

  finds("takes a byte order mark for what it is", "\uFEFFTRUNCATE t", ["truncate 1:2"])
})

describe("a syntax error", () => {
  finds(
    "is a finding with its place, and the statements around it are linted all the same",
    "TRUNCATE a;\nSELECT 1 FORM t;\nSELECT '😀' x y z; TRUNCATE b;\nTRUNCATE c",
    ["truncate 1:1", "syntax-error 2:15", "syntax-error 3:15", "truncate 3:20", "truncate 4:1"]
  )
  finds("in a string without end takes the rest of its line", "TRUNCATE a;\nSELECT 'é;\nTRUNCATE b", [
    "truncate 1:1",
    "syntax-error 2:8",
    "truncate 3:1"
  ])
  finds(
    "before a literal that it opens takes the rest of its line",
    "INSERT INTO t VALUES ('it's');\nTRUNCATE a;\nSELECT 'x';\nTRUNCATE b",
    ["syntax-error 1:27", "truncate 2:1", "truncate 4:1"]
  )
  finds(
    "that the lexer finds takes the rest of its line",
    "TRUNCATE a;\nSELECT 1a;\nTRUNCATE b;\nSELECT E'\\u00';\nTRUNCATE c",
    ["truncate 1:1", "syntax-error 2:8", "truncate 3:1", "syntax-error 4:10", "truncate 5:1"]
  )
  finds(
    "in a function's own statements takes no more than the function",
    "TRUNCATE a;\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2 FORM t; END",
    ["truncate 1:1", "syntax-error 2:70", "no-transaction 2:73"]
  )
  it.effect("in a dollar quote or a comment without end takes the rest of the text, and says so", () =>
    Effect.gen(function* () {
      for (const open of ["DO $$ BEGIN", "/*"]) {
        const [before, error, ...others] = yield* Linter.lint(`TRUNCATE a;\n${open}\nTRUNCATE b;\nTRUNCATE c;`)
        assert.deepStrictEqual([before?.rule, error?.rule, others], ["truncate", "syntax-error", []])
        assert.match(error?.message ?? "", /^unterminated [^\n]+: nothing behind it was read$/)
        assert.strictEqual(error?.endLine, 4)
      }
    })
  )
  it.effect("hides nothing, however many of them there are", () =>
    Effect.gen(function* () {
      const findings = yield* Linter.lint("SELECT 1 FORM t x;\nTRUNCATE t;\nSELECT 'it's';\n".repeat(40))
      const count = (rule: string) => findings.filter((finding) => finding.rule === rule).length
      assert.deepStrictEqual([count("syntax-error"), count("truncate")], [80, 40])
    })
  )
  finds("cannot be silenced", "-- dsql-lint-disable-next-line\nSELECT 1 FORM t;", [
    "unused-disable 1:1",
    "syntax-error 2:15"
  ])
})

describe("a script of psql", () => {
  const rows = "COPY public.t (id, v) FROM stdin;\n1\tit's\n\\N\t2\n\\.\n"
  finds(
    "is read past its commands and the rows of COPY",
    `\\restrict it's\nTRUNCATE a;\n${rows}\\unrestrict x\nTRUNCATE b;\n${rows}${rows}TRUNCATE c`,
    ["truncate 2:1", "truncate 8:1", "truncate 17:1"]
  )
  finds("may take a statement and its command from one line", "TRUNCATE a \\g\nSELECT 1 \\gexec\nTRUNCATE b;\n", [
    "truncate 1:1",
    "truncate 3:1"
  ])
  finds(
    "has no command in a literal or a comment",
    "SELECT '\n\\x\n'; TRUNCATE a;\n/*\n\\x\n*/ TRUNCATE b;\nSELECT $$\n\\x\n$$; TRUNCATE c",
    ["truncate 3:4", "truncate 6:4", "truncate 9:5"]
  )
  finds("may read another file, which is said", "\\i other.sql\n\\echo done\n", ["included-file 1:1"])
  finds("has no rows behind COPY where nothing ends them", "COPY t FROM STDIN;\nTRUNCATE b", ["truncate 2:1"])
})

describe("rules over bodies", () => {
  finds(
    "a DO block is held to the rules of what it runs, each at its place",
    "DO $$\nDECLARE\n  n int := (SELECT 1 FROM t FOR SHARE);\nBEGIN\n  CREATE TABLE x (id serial);\n  IF n > 1 THEN\n    TRUNCATE x;\n  END IF;\nEND $$",
    ["locking-clause 3:12", "serial 5:22", "truncate 7:5"]
  )
  finds(
    "INTO, PERFORM, an assignment and EXECUTE of a constant are read",
    "DO $$ DECLARE r record; BEGIN\nSELECT 1 INTO STRICT r FROM t FOR SHARE;\nPERFORM 1 FROM t FOR SHARE;\nr.x := (SELECT 1 FROM t FOR SHARE);\nEXECUTE 'VACUUM';\nEND $$",
    ["locking-clause 2:1", "locking-clause 3:2", "locking-clause 4:7", "vacuum 5:9"]
  )
  finds(
    "a function in SQL, and one whose quotes are doubled",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; TRUNCATE t';\nDO 'BEGIN INSERT INTO t VALUES (''a''); VACUUM; END'",
    ["truncate 1:60", "vacuum 2:4"]
  )
  finds("ASYNC is DSQL's word in a body too", "DO $$ BEGIN ALTER TABLE ASYNC t VALIDATE CONSTRAINT c; END $$", [])
  finds(
    "what a DO block always runs shares its transaction, what it runs under a condition may not run",
    "DO $$ BEGIN CREATE TABLE a (id int); CREATE TABLE b (id int); END $$;\nDO $$ BEGIN IF x THEN CREATE TABLE a (id int); ELSE CREATE TABLE b (id int); END IF; END $$;\nBEGIN; INSERT INTO t VALUES (1); DO $$ BEGIN CREATE TABLE a (id int); END $$; COMMIT",
    ["multiple-ddl 1:38", "ddl-and-dml 3:46"]
  )
  finds(
    "what a procedure always runs shares a transaction, whoever calls it",
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE a (id int); INSERT INTO a VALUES (1); END $$",
    ["ddl-and-dml 1:76"]
  )
  finds(
    "one that could not be read is said, and so is a text that is put together when it runs",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN FORM x; END $$;\nDO $$ BEGIN\nEXECUTE 'DROP TABLE ' || x; END $$",
    ["body-not-read 1:55", "dynamic-sql 3:9"]
  )
  finds("a service date before PL/pgSQL refuses it", "DO $$ BEGIN NULL; END $$", ["do-block 1:1"], {
    at: "2026-10-01"
  })
})

describe("rules over a transaction", () => {
  finds("two DDL statements", "BEGIN;\nCREATE TABLE a (id int);\nCREATE TABLE b (id int);\nCOMMIT", [
    "multiple-ddl 3:1"
  ])
  finds("GRANT counts as DDL", "BEGIN; CREATE TABLE a (id int); GRANT SELECT ON a TO r; COMMIT", ["multiple-ddl 1:33"])
  finds(
    "DDL and DML, in either order",
    "BEGIN; CREATE TABLE a (id int); INSERT INTO a VALUES (1); COMMIT;\nBEGIN; INSERT INTO a VALUES (1); CREATE TABLE b (id int); END",
    ["ddl-and-dml 1:33", "ddl-and-dml 2:34"]
  )
  finds(
    "each statement is its own transaction outside of BEGIN",
    "CREATE TABLE a (id int); INSERT INTO a VALUES (1)",
    []
  )
  finds(
    "a text sent as one message is one transaction",
    "CREATE TABLE a (id int); INSERT INTO a VALUES (1)",
    ["ddl-and-dml 1:26"],
    { transaction: "file" }
  )
  finds(
    "BEGIN in a message takes what was before it along, and COMMIT ends it",
    "CREATE TABLE a (id int); BEGIN; CREATE TABLE b (id int); COMMIT; CREATE TABLE c (id int)",
    ["multiple-ddl 1:33"],
    { transaction: "file" }
  )
  finds(
    "more rows than a transaction may change",
    `BEGIN;\nINSERT INTO t VALUES ${"(1),".repeat(1999)}(1);\nINSERT INTO t VALUES ${"(1),".repeat(1000)}(1);\nCOMMIT`,
    ["transaction-rows 3:1"]
  )
  finds("exactly 3,000 rows pass", `INSERT INTO t VALUES ${"(1),".repeat(2999)}(1)`, [])
  finds("BEGIN in a transaction", "BEGIN; SELECT 1; BEGIN; SELECT 2; COMMIT", ["nested-transaction 1:18"])
  finds("nested savepoints", "BEGIN;\nSAVEPOINT a;\nSAVEPOINT b;\nRELEASE b;\nROLLBACK TO a;\nCOMMIT", [
    "savepoint 2:1",
    "savepoint 3:1",
    "release-savepoint 4:1",
    "rollback-to-savepoint 5:1"
  ])
  finds("BEGIN without COMMIT, COMMIT without BEGIN", "COMMIT; BEGIN; SELECT 1", [
    "no-transaction 1:1",
    "transaction-left-open 1:9"
  ])
  finds(
    "a queue that relies on SKIP LOCKED",
    "UPDATE q SET o = 1 WHERE id = (SELECT id FROM q LIMIT 1 FOR UPDATE SKIP LOCKED)",
    ["lock-without-waiting 1:1"]
  )
})

describe("rules over jobs", () => {
  const jobs = { disable: [] }
  finds("an index that nobody waits for", "CREATE INDEX ASYNC i ON t (x);\nSELECT 1", ["job-not-awaited 1:1"], jobs)
  finds("one that is waited for", "CREATE INDEX ASYNC i ON t (x);\nCALL sys.wait_for_job('abc')", [], jobs)
  finds(
    "an index used while it is built",
    "CREATE UNIQUE INDEX ASYNC i ON t (x);\nALTER TABLE t ADD CONSTRAINT i UNIQUE USING INDEX i",
    ["index-used-before-built 2:19"]
  )
  finds(
    "an index used after its job",
    "CREATE UNIQUE INDEX ASYNC i ON t (x);\nCALL sys.wait_for_job('a');\nALTER TABLE t ADD UNIQUE USING INDEX i",
    []
  )
  finds("a constraint that is never validated", "ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID", [
    "constraint-not-validated 1:19"
  ])
  finds(
    "one that is",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID;\nALTER TABLE ASYNC t VALIDATE CONSTRAINT c",
    []
  )
})

describe("rules over writes", () => {
  finds(
    "DELETE and UPDATE without WHERE, also in WITH",
    "DELETE FROM t;\nUPDATE t SET a = 1;\nWITH d AS (DELETE FROM u RETURNING 1) SELECT 1 FROM d",
    ["unbounded-write 1:13", "unbounded-write 2:8", "unbounded-write 3:24"]
  )
  finds("with WHERE", "DELETE FROM t WHERE id = 1; UPDATE t SET a = 1 WHERE id = 2", [])
  finds("INSERT of a whole table", "INSERT INTO t SELECT * FROM u", ["unbounded-insert 1:29"])
  finds("INSERT of a whole table by way of a name", "WITH w AS (SELECT * FROM u) INSERT INTO t SELECT * FROM w", [
    "unbounded-insert 1:26"
  ])
  finds(
    "INSERT of what WITH bounds",
    "WITH w AS (SELECT id FROM u WHERE id = 1 FOR UPDATE) INSERT INTO t SELECT * FROM w",
    []
  )
  finds(
    "INSERT of a part, or of a count",
    "INSERT INTO t SELECT * FROM u LIMIT 9; INSERT INTO t SELECT count(*) FROM u",
    []
  )
})

describe("rules over queries", () => {
  finds("a column of the outer query in a LEFT JOIN LATERAL", lateral("LEFT", "length(p.id)::bigint"), [
    "left-join-lateral 1:60"
  ])
  finds(
    "INNER JOIN LATERAL, or a column of its own",
    `${lateral("INNER", "p.id")}; ${lateral("LEFT", "(SELECT o.x FROM o WHERE o.id = k.id)")}`,
    []
  )
})

describe("rules over tables", () => {
  const parent = "CREATE TABLE p (id uuid PRIMARY KEY);\n"
  finds("a foreign key without an index", `${parent}CREATE TABLE c (id uuid PRIMARY KEY, p uuid REFERENCES p)`, [
    "foreign-key-index 2:45"
  ])
  finds(
    "a foreign key with an index made later",
    `${parent}CREATE TABLE c (id uuid PRIMARY KEY, p uuid REFERENCES p);\nCREATE INDEX ASYNC ON public.c (p, id)`,
    []
  )
  finds(
    "a foreign key that begins the primary key",
    `${parent}CREATE TABLE c (p uuid REFERENCES p, n int, PRIMARY KEY (p, n))`,
    []
  )
  finds(
    "a partial index does not help, nor one on an expression",
    `${parent}CREATE TABLE c (id uuid PRIMARY KEY, p uuid REFERENCES p);\nCREATE INDEX ASYNC ON c (p) WHERE p IS NOT NULL;\nCREATE INDEX ASYNC ON c ((p::text), p)`,
    ["foreign-key-index 2:45"]
  )
  finds(
    "a foreign key that is added later",
    `${parent}CREATE TABLE c (id uuid PRIMARY KEY, a int, b int);\nALTER TABLE c ADD CONSTRAINT f FOREIGN KEY (a, b) REFERENCES p NOT VALID;\nALTER TABLE ASYNC c VALIDATE CONSTRAINT f`,
    ["foreign-key-index 3:19"]
  )
  finds(
    "an index that is dropped again",
    `${parent}CREATE TABLE c (id uuid PRIMARY KEY, p uuid REFERENCES p);\nCREATE INDEX ASYNC i ON c (p);\nDROP INDEX i`,
    ["foreign-key-index 2:45"]
  )
  finds("a json key", "CREATE TABLE t (id jsonb PRIMARY KEY, d json);\nCREATE INDEX ASYNC ON t (d)", [
    "json-key 1:26",
    "json-key 2:23"
  ])
  finds(
    "a primary key's column that is dropped",
    "CREATE TABLE t (id int PRIMARY KEY, x int);\nALTER TABLE t DROP COLUMN x;\nALTER TABLE t DROP COLUMN id",
    ["drop-primary-key-column 3:1"]
  )
  finds(
    "the 25th index",
    `CREATE TABLE t (id int PRIMARY KEY, x int);\n${Array.from({ length: 24 }, () => "CREATE INDEX ASYNC ON t (x);").join("\n")}`,
    ["table-indexes 25:23"]
  )
  finds("the 256th column", `CREATE TABLE t (${Array.from({ length: 256 }, (_, i) => `c${i} int`).join(", ")})`, [
    "table-columns 1:1"
  ])
})

describe("rules over conditions", () => {
  const schema = `CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz, price numeric, f real, name text, v int);
    CREATE INDEX ASYNC ON t (at); CREATE INDEX ASYNC ON t (price); CREATE INDEX ASYNC ON t (f);
    CREATE TABLE u (id uuid PRIMARY KEY, t numeric, day date);
    CREATE INDEX ASYNC ON u (t, day)`
  const asks = (name: string, sql: string, expected: ReadonlyArray<string>) => finds(name, sql, expected, { schema })
  asks(
    "types across which no index is used",
    "SELECT 1 FROM t WHERE id = 1.5;\nUPDATE t SET v = 1 WHERE at > '2026-01-01'::timestamp;\nDELETE FROM t AS x WHERE 1.5::float8 = x.price;\nSELECT 1 FROM t WHERE f = $1::float8",
    ["comparison-type 1:26", "comparison-type 2:29", "comparison-type 3:38", "comparison-type 4:25"]
  )
  asks("a column that is cast", "SELECT 1 FROM t WHERE id::text = $1", ["comparison-type 1:32"])
  asks("columns of a join", "SELECT 1 FROM t JOIN u ON t.id = u.t AND u.day = t.at", [
    "comparison-type 1:32",
    "comparison-type 1:48",
    "comparison-type 1:48"
  ])
  asks(
    "integers of all sizes, numbers that become the column's, literals and parameters",
    "SELECT 1 FROM t WHERE id = 1 AND id < $1::smallint AND price = 1 AND f = 1.5 AND at = '2026-01-01' AND id = $2 AND id = ANY($3::int[])",
    []
  )
  asks(
    "a condition on columns that begin no index",
    "SELECT 1 FROM t WHERE name = $1 AND v > 1;\nDELETE FROM u WHERE (day, id::text) > ($1, $2);\nUPDATE t SET v = 1 WHERE name IS NULL",
    ["filter-index 1:1", "filter-index 2:1", "filter-index 3:1"]
  )
  asks(
    "one that asks for the beginning of one as well, or of a table that is not known",
    "SELECT 1 FROM t WHERE name = $1 AND id > $2;\nSELECT 1 FROM u WHERE (t, day) > ($1, $2);\nSELECT 1 FROM x WHERE name = $1;\nSELECT 1 FROM t WHERE name <> $1 ORDER BY id LIMIT 9;\nWITH t AS (SELECT 1 AS v) SELECT 1 FROM t WHERE v = 1",
    []
  )
  finds("the tables of the script itself", "CREATE TABLE t (id int PRIMARY KEY, v int);\nSELECT 1 FROM t WHERE v = 1", [
    "filter-index 2:1"
  ])
})

describe("silencing comments", () => {
  finds("on the line before", "-- dsql-lint-disable-next-line truncate -- it is a test\nTRUNCATE t", [])
  finds(
    "several, above one another",
    "-- dsql-lint-disable-next-line serial\n/* dsql-lint-disable-next-line array-column */\nCREATE TABLE t (\n id serial,\n a int[]\n)",
    []
  )
  finds("on the same line", "TRUNCATE t; -- dsql-lint-disable-line truncate", [])
  finds("on the same line, and on no other", "CREATE TABLE t ( -- dsql-lint-disable-line serial\n id serial)", [
    "unused-disable 1:18",
    "serial 2:5"
  ])
  finds(
    "from here to there",
    "-- dsql-lint-disable truncate, vacuum\nTRUNCATE a;\nVACUUM;\n-- dsql-lint-enable\nTRUNCATE b",
    ["truncate 5:1"]
  )
  finds("to the end", "-- dsql-lint-disable\nTRUNCATE a;\n\nLISTEN b", [])
  finds("another rule is still found", "-- dsql-lint-disable-next-line truncate\nVACUUM", [
    "unused-disable 1:1",
    "vacuum 2:1"
  ])
  finds("in a literal it is text", "SELECT '-- dsql-lint-disable'; TRUNCATE t", ["truncate 1:32"])
  finds(
    "one that silences nothing, or names no rule, is found",
    "-- dsql-lint-disable-next-line\nSELECT 1;\nTRUNCATE t -- dsql-lint-disable-line truncat, truncate",
    ["unused-disable 1:1", "unused-disable 3:12"]
  )
})
