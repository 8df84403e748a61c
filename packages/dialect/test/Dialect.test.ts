import { Dialect, type Rule, Statement } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"

const only = (sql: string) =>
  Effect.map(Statement.parse(sql), ([statement, ...others]) => {
    if (statement === undefined || others.length > 0) return assert.fail(`not one statement: ${sql}`)
    return statement
  })

const ruleOf = (sql: string, at?: Rule.ServiceDate) =>
  Effect.map(only(sql), (statement) => Option.getOrUndefined(Dialect.refusal(statement, { at })))

const columns = (count: number) => Array.from({ length: count }, (_, n) => `c${n} int`).join(", ")

/** A statement for each rule that the recorded answers do not reach, and those whose message has a part of its own. */
const refused: ReadonlyArray<
  readonly [rule: string, sql: string, message?: string | undefined, at?: Rule.ServiceDate]
> = [
  ["truncate", "TRUNCATE a, b"],
  ["vacuum", "VACUUM ANALYZE t"],
  ["cluster", "CLUSTER t"],
  ["reindex", "REINDEX TABLE t"],
  ["checkpoint", "CHECKPOINT"],
  ["load", "LOAD 'x'"],
  ["show-lc-collate", "SHOW lc_collate"],
  ["listen", "LISTEN a"],
  ["notify", "NOTIFY a"],
  ["unlisten", "UNLISTEN *"],
  ["alter-system", "ALTER SYSTEM RESET ALL"],
  [
    "set-parameter",
    "SET LOCAL statement_timeout = 1",
    'setting configuration parameter "statement_timeout" not supported'
  ],
  ["set-parameter", "SET ROLE r", 'setting configuration parameter "role" not supported'],
  ["set-parameter", "SET SESSION AUTHORIZATION r"],
  ["set-parameter", "SET my.own = 'x'"],
  ["set-reserved", "SET dsql.other = on", 'invalid configuration parameter name "dsql.other"'],
  ["deallocate", "DEALLOCATE p"],
  ["discard", "DISCARD ALL"],
  ["prepare", "PREPARE p AS SELECT 1"],
  ["cursor", "DECLARE c CURSOR FOR SELECT 1"],
  ["isolation-level", "BEGIN ISOLATION LEVEL READ COMMITTED", "Unsupported isolation level: READ COMMITTED"],
  ["isolation-level", "SET transaction_isolation = 'serializable'", "Unsupported isolation level: SERIALIZABLE"],
  ["set-transaction", "SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE"],
  ["transaction-chain", "COMMIT AND CHAIN"],
  ["transaction-chain", "ROLLBACK AND CHAIN"],
  [
    "set-parameter",
    "SET transaction_isolation TO 'repeatable read'",
    'setting configuration parameter "transaction_isolation" not supported'
  ],
  ["savepoint", "SAVEPOINT s"],
  ["release-savepoint", "RELEASE s"],
  ["rollback-to-savepoint", "ROLLBACK TO s"],
  ["two-phase-commit", "PREPARE TRANSACTION 'x'", "unsupported transaction statement: PREPARE TRANSACTION"],
  ["two-phase-commit", "COMMIT PREPARED 'x'"],
  ["extension", "CREATE EXTENSION x"],
  ["trigger", "CREATE TRIGGER a BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()"],
  ["database", "CREATE DATABASE d"],
  ["drop-database", "DROP DATABASE d"],
  ["alter-type", "ALTER TYPE t ADD ATTRIBUTE a int"],
  ["rename-type", "ALTER TYPE t RENAME TO u"],
  ["drop-type", "DROP TYPE t"],
  ["drop-object", "DROP MATERIALIZED VIEW v"],
  ["create-table-as", "CREATE TEMP TABLE t AS SELECT 1"],
  ["select-into", "SELECT 1 AS a INTO t"],
  ["refresh-materialized-view", "REFRESH MATERIALIZED VIEW v"],
  ["enum-type", "CREATE TYPE t AS ENUM ('a')"],
  ["composite-type", "CREATE TYPE t AS (a int)"],
  ["range-type", "CREATE TYPE t AS RANGE (subtype = int4)"],
  ["define", "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)"],
  ["sequence-cache", "CREATE SEQUENCE s CACHE 65535"],
  ["tablespace", "CREATE TABLESPACE a LOCATION '/x'"],
  ["foreign-table", "CREATE FOREIGN TABLE f (a int) SERVER s"],
  ["foreign-data", "CREATE SERVER s FOREIGN DATA WRAPPER w", "unsupported statement: CreateForeignServer"],
  ["replication", "CREATE PUBLICATION p FOR ALL TABLES", "unsupported statement: CreatePublication"],
  ["row-security-policy", "CREATE POLICY p ON t USING (true)", "unsupported statement: CreatePolicy"],
  ["rewrite-rule", "CREATE RULE r AS ON INSERT TO t DO NOTHING"],
  ["event-trigger", "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()"],
  ["procedural-language", "CREATE LANGUAGE x HANDLER h"],
  ["default-privileges", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r", undefined, "2026-04-23"],
  ["extended-statistics", "CREATE STATISTICS s ON a, b FROM t", undefined, "2026-08-26"],
  ["drop-index-concurrently", "DROP INDEX CONCURRENTLY i"],
  ["drop-object", "DROP TRIGGER g ON t"],
  ["alter-aggregate", "ALTER AGGREGATE a (int) RENAME TO b", "unsupported object in RENAME statement"],
  ["function-property", "ALTER FUNCTION f() STABLE"],
  ["domain-property", "ALTER DOMAIN d SET NOT NULL", "unsupported ALTER DOMAIN SET NOT NULL statement"],
  ["domain-property", "ALTER DOMAIN d ADD CHECK (VALUE > 0)"],
  ["role-property", "ALTER USER r WITH PASSWORD 'x'", "unsupported ALTER ROLE option: PASSWORD"],
  ["role-setting", "ALTER ROLE r SET search_path = a"],
  ["temporary-view", "CREATE TEMP VIEW v AS SELECT 1"],
  ["view-check-option", "CREATE VIEW v AS SELECT a FROM t WITH LOCAL CHECK OPTION"],
  ["view-size", `CREATE VIEW v AS SELECT '${"x".repeat(131_072)}'`],
  [
    "statistics-target",
    "ALTER STATISTICS s SET STATISTICS 101",
    "statistics target 101 exceeds maximum allowed value of 100"
  ],
  [
    "sequence-type",
    "CREATE SEQUENCE s AS integer CACHE 1",
    "datatype integer not supported, sequence type must be bigint"
  ],
  ["sequence-type", "ALTER SEQUENCE s AS smallint"],
  ["temporary-sequence", "CREATE TEMP SEQUENCE s CACHE 1"],
  [
    "function-result",
    "CREATE FUNCTION f() RETURNS int4range LANGUAGE sql AS 'SELECT 1'",
    "datatype int4range not supported"
  ],
  ["do-block", "DO $$ BEGIN NULL; END $$", undefined, "2026-10-01"],
  ["procedure", "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", undefined, "2026-10-01"],
  [
    "function-plpgsql",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
    "CREATE FUNCTION with language plpgsql not supported",
    "2026-10-01"
  ],
  ["exception-block", "DO $$ BEGIN NULL; EXCEPTION WHEN others THEN NULL; END $$"],
  ["transaction-in-body", "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$"],
  ["transaction-in-body", "DO $$ BEGIN IF true THEN ROLLBACK; END IF; END $$"],
  [
    "function-language",
    "CREATE FUNCTION f() RETURNS int LANGUAGE C AS 'x'",
    "CREATE FUNCTION with language c not supported"
  ],
  ["grant-on-public", "GRANT USAGE ON SCHEMA public TO r"],
  ["grant-on-public", "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM r"],
  ["temporary-table", "CREATE TEMP TABLE t (a serial)"],
  ["unlogged-table", "CREATE UNLOGGED TABLE t (a int)"],
  ["serial", "CREATE TABLE t (a bigserial)", 'type "bigserial" does not exist'],
  ["serial", "ALTER TABLE t ADD a smallserial UNIQUE", 'type "smallserial" does not exist'],
  ["identity-cache", "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY)"],
  ["identity-type", "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY (CACHE 99999999999))"],
  ["add-column-constraint", "ALTER TABLE t ADD a int REFERENCES u"],
  ["add-column-constraint", "ALTER TABLE t ADD a money PRIMARY KEY"],
  ["column-type", "CREATE TABLE t (a varbit(8))", "datatype bit varying not supported"],
  ["array-column", "CREATE TABLE t (a varchar(5)[][])", "datatype character varying[] not supported"],
  ["array-column", "ALTER TABLE t ADD a timestamptz ARRAY", "datatype timestamp with time zone[] not supported"],
  ["json-column", "CREATE TABLE t (a json)", undefined, "2026-05-03"],
  ["jsonb-column", "ALTER TABLE t ADD a jsonb", undefined, "2026-06-04"],
  ["varchar-length", "CREATE TABLE t (a varchar(65536))"],
  ["char-length", "CREATE TABLE t (a char(4097))"],
  ["foreign-key", "CREATE TABLE t (a int REFERENCES u)", undefined, "2026-08-25"],
  ["primary-key-columns", "CREATE TABLE t (a int, PRIMARY KEY (a, b, c, d, e, f, g, h, i))"],
  ["exclusion-constraint", "CREATE TABLE t (a int, EXCLUDE (a WITH =))"],
  ["deferrable-key", "CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)"],
  ["deferrable-key", "CREATE TABLE t (a int, UNIQUE (a) DEFERRABLE)"],
  [
    "partitioned-table",
    "CREATE TABLE t (a int) PARTITION BY RANGE (a)",
    "PARTITION BY clause not supported for CREATE TABLE"
  ],
  ["partitioned-table", "CREATE TABLE t PARTITION OF u DEFAULT", "PARTITION OF clause not supported for CREATE TABLE"],
  ["column-collation", 'CREATE TABLE t (a text COLLATE "C")'],
  ["column-collation", 'ALTER TABLE t ADD a text COLLATE "C"'],
  ["column-compression", "CREATE TABLE t (a text COMPRESSION lz4)"],
  ["column-storage", "CREATE TABLE t (a text STORAGE EXTERNAL)", "STORAGE EXTERNAL not supported"],
  ["column-storage", "ALTER TABLE t ALTER a SET STORAGE main", "STORAGE MAIN not supported"],
  ["table-options", "CREATE TABLE t (a int) WITH (fillfactor = 70)"],
  ["table-on-commit", "CREATE TABLE t (a int) ON COMMIT DROP"],
  ["numeric-precision", "CREATE TABLE t (a numeric(1001))", "NUMERIC precision 1001 must be between 1 and 1000"],
  ["numeric-precision", "SELECT 1::decimal(2000)"],
  ["table-column-limit", `CREATE TABLE t (${columns(257)})`, "tables can have at most 255 columns"],
  [
    "table-column-limit",
    `CREATE TABLE t (id int PRIMARY KEY, ${columns(256)})`,
    "cannot use more than 256 columns in an index"
  ],
  ["key-declared-bytes", "CREATE TABLE t (a varchar(1993), b bigint, PRIMARY KEY (a, b))"],
  ["inherits", "CREATE TABLE t () INHERITS (u)"],
  ["table-tablespace", "CREATE TABLE t (a int) TABLESPACE x"],
  ["table-access-method", "CREATE TABLE t (a int) USING heap"],
  ["alter-column-type", "ALTER TABLE t ALTER a TYPE text"],
  ["alter-column-statistics", "ALTER TABLE t ALTER a SET STATISTICS 10"],
  ["set-not-null", "ALTER TABLE t ALTER a SET NOT NULL"],
  ["add-constraint-not-valid", "ALTER TABLE t ADD CHECK (a > 0)"],
  ["add-deferrable-key", "ALTER TABLE t ADD UNIQUE USING INDEX i DEFERRABLE"],
  ["add-key-constraint", "ALTER TABLE t ADD PRIMARY KEY (a)"],
  ["add-key-constraint", "ALTER TABLE t ADD EXCLUDE (a WITH =)"],
  ["add-constraint", "ALTER TABLE t ADD CHECK (a > 0) NOT VALID", undefined, "2026-08-02"],
  ["add-foreign-key", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u NOT VALID", undefined, "2026-08-25"],
  ["validate-constraint-async", "ALTER TABLE t VALIDATE CONSTRAINT c"],
  ["drop-column", "ALTER TABLE t DROP a", undefined, "2026-08-02"],
  ["drop-constraint", "ALTER TABLE t DROP CONSTRAINT c", undefined, "2026-07-05"],
  ["column-default", "ALTER TABLE t ALTER a DROP DEFAULT", undefined, "2026-07-05"],
  ["drop-not-null", "ALTER TABLE t ALTER a DROP NOT NULL", undefined, "2026-07-05"],
  ["drop-expression", "ALTER TABLE t ALTER a DROP EXPRESSION", undefined, "2026-07-05"],
  ["identity-cache", "ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY"],
  ["add-identity", "ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY (CACHE 1)", undefined, "2026-07-05"],
  [
    "alter-table-action",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "unsupported ALTER TABLE ENABLE ROW SECURITY statement"
  ],
  ["index-concurrently", "CREATE INDEX CONCURRENTLY i ON t USING btree (a)"],
  ["index-using", "CREATE INDEX ASYNC i ON t USING btree (a)"],
  ["index-using", "CREATE INDEX i ON t USING gin (a, b, c, d, e, f, g, h, i)"],
  ["index-columns", "CREATE INDEX i ON t (a, b, c, d, e, f, g, h, i)"],
  ["index-async", "CREATE INDEX i ON t (a DESC)"],
  ["partial-index", "CREATE INDEX ASYNC i ON t (a) WHERE a > 0", undefined, "2026-09-14"],
  ["expression-index", "CREATE INDEX ASYNC i ON t ((a + 1))", undefined, "2026-08-12"],
  ["index-sort-order", "CREATE INDEX ASYNC i ON t (a ASC)"],
  ["index-opclass", "CREATE INDEX ASYNC i ON t (a text_pattern_ops)"],
  ["text-search", "SELECT to_tsvector('german', 'a')", 'text search configuration "german" does not exist'],
  ["text-search", "SELECT plainto_tsquery(x) FROM t", 'text search configuration "english" does not exist'],
  ["geometric-function", "SELECT * FROM t WHERE pg_catalog.polygon(a) IS NULL", "datatype polygon not supported"],
  ["advisory-lock", "SELECT pg_try_advisory_lock(1)", "function pg_try_advisory_lock not supported"],
  ["notify-function", "SELECT pg_notify('c', 'p')"],
  ["set-config", "SELECT set_config('statement_timeout', '1s', false)"],
  ["set-config", "SELECT pg_catalog.set_config('search_path', '', false)"],
  ["locking-clause", "WITH a AS (SELECT 1 FROM t FOR SHARE) SELECT * FROM a"],
  ["locking-clause", "(SELECT 1 FROM t FOR NO KEY UPDATE) UNION ALL SELECT 1", undefined, "2026-08-25"],
  ["key-share", "SELECT 1 FROM t FOR KEY SHARE", undefined, "2026-08-24"],
  ["tablesample", "INSERT INTO u SELECT * FROM t TABLESAMPLE SYSTEM (1)"],
  ["merge", "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE"],
  ["merge", "EXPLAIN MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE"],
  ["lock-table", "LOCK TABLE t"],
  ["copy-file", "COPY t FROM '/x'"],
  ["copy-file", "COPY t TO PROGRAM 'x'"]
]

/** Neighbours of what is refused. */
const accepted = [
  "ANALYZE t",
  "SET search_path = app",
  "SET enable_seqscan = off",
  "RESET work_mem",
  "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
  "BEGIN READ WRITE",
  "DROP DOMAIN d",
  "DROP TABLE IF EXISTS t CASCADE",
  "CREATE SEQUENCE s CACHE 1",
  "CREATE FUNCTION f() RETURNS int RETURN 1",
  "ALTER FUNCTION f() RENAME TO g",
  "ALTER FUNCTION f() OWNER TO admin",
  "ALTER DOMAIN d SET DEFAULT 1",
  "ALTER DOMAIN d DROP NOT NULL",
  "ALTER ROLE r LOGIN",
  "ALTER ROLE r RESET ALL",
  "ALTER TABLE t ENABLE TRIGGER ALL",
  "ALTER TABLE t DISABLE TRIGGER USER",
  "ALTER SEQUENCE s RESTART WITH 5",
  "DROP TRIGGER IF EXISTS g ON t CASCADE",
  "DEALLOCATE ALL",
  "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ",
  "SET SESSION AUTHORIZATION DEFAULT",
  "SET TIME ZONE 'UTC'",
  "SET statement_timeout TO DEFAULT",
  "SET dsql.enable_batched_nestloop = off",
  "RESET ROLE",
  "COMMIT AND NO CHAIN",
  "SELECT set_config('application_name', 'x', false)",
  "SELECT to_tsvector('simple', 'a')",
  "SELECT 1 FOR SHARE",
  "CREATE TABLE t (a int) WITHOUT OIDS",
  `CREATE TABLE t (${columns(256)})`,
  "CREATE TABLE t (a varchar(1992), b bigint, c text, PRIMARY KEY (a, b, c))",
  "CREATE VIEW v AS SELECT 1",
  "CREATE TABLE t (a int UNIQUE REFERENCES u DEFERRABLE, b varchar(65535), c json, d jsonb, e numeric(1000), f inet_note)",
  "CREATE TABLE t (a app.money, b app.serial)",
  "CREATE TABLE t (a int, PRIMARY KEY (a, b, c, d, e, f, g, h))",
  "ALTER TABLE t ADD a int NULL",
  "ALTER TABLE t ADD a int, ADD b text STORAGE PLAIN",
  "ALTER TABLE t ADD UNIQUE USING INDEX i",
  "ALTER TABLE t ALTER a SET DEFAULT 1, ALTER b DROP NOT NULL, DROP c",
  "ALTER TABLE t RENAME a TO b",
  "ALTER TABLE t SET SCHEMA app",
  "ALTER TABLE t OWNER TO r",
  "ALTER TABLE ASYNC t VALIDATE CONSTRAINT c",
  "ALTER INDEX i RENAME TO j",
  "CREATE INDEX ASYNC i ON t (a NULLS FIRST, (lower(b))) INCLUDE (c) WHERE a IN (SELECT x FROM y JOIN z USING (x))",
  'CREATE INDEX ASYNC "using" ON "USING" (a)',
  "SELECT app.line(1), '{1}'::int[], '1.1.1.1'::inet, '(1,2)'::point",
  "SELECT 1 FROM t FOR UPDATE SKIP LOCKED",
  "SELECT 1 FROM t FOR KEY SHARE",
  "GRANT SELECT ON t TO r",
  "GRANT USAGE ON SCHEMA app TO r",
  "COPY t FROM STDIN",
  "CREATE STATISTICS s ON a, b FROM t",
  "EXPLAIN (ANALYZE, VERBOSE) SELECT 1",
  "DO $$ $$"
]

describe("Dialect.refusal", () => {
  it.effect.each(refused)("%s: %s", ([rule, sql, message, at]) =>
    Effect.gen(function* () {
      const refusal = yield* ruleOf(sql, at)
      assert.strictEqual(refusal?.rule, rule)
      if (message !== undefined) assert.strictEqual(refusal?.message, message)
      assert.notInclude(refusal?.message ?? "", "{")
    })
  )

  it.effect.each(accepted)("accepts %s", (sql) => Effect.map(ruleOf(sql), (refusal) => assert.isUndefined(refusal)))

  it("has a statement for every rule that asks one", () => {
    const spanning = new Set([
      "multiple-ddl",
      "ddl-and-dml",
      "aborted-transaction",
      "transaction-rows",
      "transaction-age"
    ])
    const all = new Set(refused.map(([rule]) => rule))
    assert.deepStrictEqual(
      Dialect.rules.filter(({ id }) => !all.has(id)).map(({ id }) => id),
      [...spanning]
    )
    assert.strictEqual(new Set(Dialect.rules.map(({ id }) => id)).size, Dialect.rules.length)
  })

  it.effect("lifts a restriction on the day that the service did", () =>
    Effect.gen(function* () {
      for (const [rule, sql, , at] of refused) {
        const until = Dialect.rules.find(({ id }) => id === rule)?.until
        if (until === undefined) continue
        assert.isBelow(Date.parse(at ?? ""), Date.parse(until))
        assert.isUndefined(yield* ruleOf(sql, until), `${sql} on ${until}`)
        assert.isUndefined(yield* ruleOf(sql), `${sql} today`)
      }
    })
  )

  it.effect("points at the same construct behind statements and comments of any characters", () =>
    Effect.gen(function* () {
      const before = "-- é😀\nSELECT '😀;' AS \"ü\";/* CREATE INDEX ASYNC é */ "
      for (const [, sql, , at] of refused) {
        const alone = yield* ruleOf(sql, at)
        const [, behind] = yield* Statement.parse(before + sql)
        if (behind === undefined) return assert.fail(sql)
        const moved = Option.getOrUndefined(Dialect.refusal(behind, { at }))
        assert.strictEqual(moved?.rule, alone?.rule)
        assert.strictEqual(
          moved?.location?.offset,
          alone?.location === undefined ? undefined : alone.location.offset + before.length,
          sql
        )
      }
    })
  )

  it.effect("points at the construct", () =>
    Effect.gen(function* () {
      const refusal = yield* ruleOf("-- é\nSELECT 'é', to_tsvector('english', a) FROM t")
      assert.deepStrictEqual(refusal?.location, { offset: 17, line: 2, column: 13 })
    })
  )
})

describe("Dialect.refusals", () => {
  it.effect("finds everything, in the order of the text", () =>
    Effect.map(only("CREATE TEMP TABLE t (a text[], b serial, c xml)"), (statement) =>
      assert.deepStrictEqual(
        Dialect.refusals(statement).map(({ rule }) => rule),
        ["temporary-table", "array-column", "serial", "column-type"]
      )
    )
  )
})
