/**
 * How a comparison takes what is written in several ways: one's own objects are always found the same, and what means
 * something else is found different.
 */
import { Difference, Migrator, Verify } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execute, PlainMigrator, TestMigrator } from "./support/database.ts"
import { sourceOf } from "./support/schemas.ts"

/** Sets a schema up, and gives what verify finds then. */
const verifiedAfter = (text: string) =>
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    const source = yield* sourceOf(text)
    yield* migrator.setup({ source })
    const { differences } = yield* Verify.verify({ source })
    return differences.map(Difference.line)
  })

/** What a setup says of what is there already. */
const problemOf = (there: ReadonlyArray<string>, text: string) =>
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    yield* execute(...there)
    return (yield* Effect.flip(migrator.setup({ source: yield* sourceOf(text) }))).message
  })

describe("verify", () => {
  const spelled: ReadonlyArray<readonly [text: string]> = [
    ["CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC(10));"],
    ["CREATE TABLE t (id INT PRIMARY KEY, b BOOLEAN NOT NULL DEFAULT 'true', c BOOLEAN DEFAULT 'f');"],
    ["CREATE TABLE t (id INT PRIMARY KEY, b BOOLEAN CHECK (b = 'true'), CHECK (t.id > 0));"],
    ["CREATE TABLE t (id INT PRIMARY KEY, d DATE CHECK (d > '2020-1-1'));"],
    ["CREATE TABLE t (id INT PRIMARY KEY, a TIMESTAMPTZ, CHECK ((a AT TIME ZONE 'UTC') > '2020-01-01'));"],
    ["CREATE TABLE t (id INT PRIMARY KEY, a TIMESTAMP, b TIMESTAMP, CHECK (b > a - INTERVAL '1' DAY));"],
    ["CREATE TABLE t (id INT PRIMARY KEY, a INT, CHECK ((id, a) > (1, 2) AND id NOT BETWEEN SYMMETRIC 5 AND 3));"],
    ["CREATE SEQUENCE s CACHE 1; CREATE TABLE t (id BIGINT PRIMARY KEY DEFAULT nextval('public.s'));"],
    ["CREATE DOMAIN dom AS INT; CREATE TABLE t (id INT PRIMARY KEY, d public.dom);"],
    [
      `CREATE TABLE o (id INT PRIMARY KEY, a INT DEFAULT 1, CHECK (a > 0));
       CREATE INDEX ASYNC o_a ON o (a);
       CREATE TABLE t (LIKE o INCLUDING ALL);`
    ],
    [`CREATE TABLE t ("order" TEXT PRIMARY KEY, s TEXT, CHECK (s <> '"x\\"' AND s <> 'it''s' AND "order" <> ''));`],
    ["CREATE TABLE t (id INT PRIMARY KEY, s TEXT, CHECK (position('a' in s) > 0 AND trim(s) SIMILAR TO 'b'));"],
    ["CREATE TABLE t (id INT PRIMARY KEY, a INT, CHECK (CASE WHEN a IS NULL THEN true ELSE nullif(a, 1) > 0 END));"],
    ["CREATE SEQUENCE s INCREMENT BY -2 CACHE 1; ALTER SEQUENCE s MINVALUE -9 CYCLE;"],
    ["CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1 START 7) PRIMARY KEY);"],
    ["CREATE TABLE t (id INT, a TIMESTAMPTZ(3) DEFAULT now() + INTERVAL '1' DAY, PRIMARY KEY (id) INCLUDE (a));"],
    [
      `CREATE TABLE o (id INT PRIMARY KEY, a INT, b TEXT); CREATE TABLE p (id INT PRIMARY KEY, o INT);
       CREATE VIEW v AS SELECT *, 'x' AS x FROM o WHERE b IN ('y', 'z') ORDER BY a;
       CREATE VIEW w (n, m) WITH (security_barrier) AS
         WITH q AS (SELECT * FROM o) SELECT count(*), max(q.a) FROM q LEFT JOIN o AS r USING (id);
       CREATE RECURSIVE VIEW r (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 3;
       CREATE VIEW u AS SELECT v.b, p.* FROM v, public.p /* all */ WHERE p.id = v.id;
       ALTER TABLE o RENAME COLUMN a TO c;
       ALTER TABLE o ADD COLUMN d INT;
       ALTER TABLE p RENAME TO s;
       ALTER TABLE s RENAME COLUMN id TO key;
       ALTER VIEW w SET (security_barrier = false);`
    ]
  ]
  it.live.each(spelled)("finds nothing after setting up %s", ([text]) =>
    Effect.provide(
      Effect.map(verifiedAfter(text), (found) => assert.deepStrictEqual(found, [])),
      PlainMigrator
    )
  )

  it.live("finds nothing where Aurora DSQL carries more with a primary key than was written", () =>
    Effect.gen(function* () {
      const text =
        "CREATE TABLE t (id INT, a INT, b INT, PRIMARY KEY (id) INCLUDE (a)); CREATE TABLE u (id INT PRIMARY KEY, a INT);"
      assert.deepStrictEqual(yield* verifiedAfter(text), [])
    }).pipe(Effect.provide(TestMigrator))
  )
})

describe("setting up", () => {
  const numbers = "CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC, CONSTRAINT c CHECK (n > 0));"
  const different: ReadonlyArray<readonly [what: string, there: string, text: string, problem: string]> = [
    [
      "a CHECK with a cast",
      "CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC, CONSTRAINT c CHECK (n::integer > 0))",
      numbers,
      "table t lacks CHECK (n > 0)"
    ],
    [
      "a CHECK with a cast that shortens",
      "CREATE TABLE t (id INT PRIMARY KEY, s TEXT, CONSTRAINT c CHECK (s::varchar(3) = 'abc'))",
      "CREATE TABLE t (id INT PRIMARY KEY, s TEXT, CONSTRAINT c CHECK (s = 'abc'));",
      "table t lacks CHECK (s = 'abc')"
    ],
    [
      "a default of other digits",
      "CREATE TABLE t (id INT PRIMARY KEY, s TIMESTAMPTZ(3) DEFAULT now())",
      "CREATE TABLE t (id INT PRIMARY KEY, s TIMESTAMPTZ(3) DEFAULT now() + INTERVAL '1' DAY);",
      "column t.s has default"
    ],
    [
      "a default with a cast",
      "CREATE TABLE t (id INT PRIMARY KEY, s TIMESTAMPTZ DEFAULT now()::date)",
      "CREATE TABLE t (id INT PRIMARY KEY, s TIMESTAMPTZ DEFAULT now());",
      "column t.s has default"
    ],
    [
      "an index on another cast",
      "CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC, CONSTRAINT c CHECK (n > 0)); CREATE INDEX i ON t (CAST(n AS integer))",
      `${numbers} CREATE INDEX ASYNC i ON t (CAST(n AS bigint));`,
      "index i on t is (CAST(n AS integer)), expected (CAST(n AS bigint))"
    ],
    [
      "another sequence",
      "CREATE SEQUENCE q AS INTEGER INCREMENT 10 START 7",
      "CREATE SEQUENCE q CACHE 1;",
      "sequence q is AS integer INCREMENT 10"
    ],
    [
      "an identity column that begins elsewhere",
      "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1 START 1000) PRIMARY KEY)",
      "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY);",
      "column t.id has default GENERATED ALWAYS AS IDENTITY"
    ],
    [
      "a primary key that carries a column",
      "CREATE TABLE t (id INT, a INT, PRIMARY KEY (id) INCLUDE (a))",
      "CREATE TABLE t (id INT, a INT, PRIMARY KEY (id));",
      "table t has primary key (id) INCLUDE (a), expected (id)"
    ],
    [
      "a UNIQUE that carries a column",
      "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, UNIQUE (a) INCLUDE (b))",
      "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, UNIQUE (a));",
      "table t lacks UNIQUE (a)"
    ],
    [
      "another collation",
      `CREATE TABLE t (id INT PRIMARY KEY, s TEXT COLLATE "POSIX")`,
      "CREATE TABLE t (id INT PRIMARY KEY, s TEXT);",
      `column t.s has type text COLLATE "POSIX", expected text`
    ],
    [
      "a view of other rows",
      "CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE VIEW v AS SELECT id FROM t WHERE n > 1",
      "CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE VIEW v AS SELECT id FROM t WHERE n > 2;",
      "view v is SELECT id FROM t WHERE (n > 1), expected SELECT id FROM t WHERE n > 2"
    ],
    [
      "a view of other columns",
      "CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE VIEW v AS SELECT id FROM t",
      "CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE VIEW v AS SELECT * FROM t;",
      "view v is SELECT id FROM t, expected SELECT * FROM t"
    ],
    [
      "a view with other names of columns",
      "CREATE TABLE t (id INT PRIMARY KEY); CREATE VIEW v (b) AS SELECT id FROM t",
      "CREATE TABLE t (id INT PRIMARY KEY); CREATE VIEW v (a) AS SELECT id FROM t;",
      "view v is SELECT id AS b FROM t, expected SELECT id FROM t"
    ],
    [
      "a view with other options",
      "CREATE TABLE t (id INT PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t",
      "CREATE TABLE t (id INT PRIMARY KEY); CREATE VIEW v WITH (security_barrier) AS SELECT id FROM t;",
      "view v is SELECT id FROM t, expected WITH (security_barrier=true) SELECT id FROM t"
    ],
    [
      "another view of a table that changes later",
      "CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE VIEW v AS SELECT * FROM t WHERE n > 1; ALTER TABLE t RENAME n TO m",
      `CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE VIEW v AS SELECT * FROM t WHERE n > 2;
       ALTER TABLE t RENAME n TO m;`,
      "view v is SELECT id, m AS n FROM t WHERE (m > 1), expected SELECT * FROM t WHERE n > 2"
    ],
    [
      "a CHECK under another name than a later statement drops",
      "CREATE TABLE t (id INT PRIMARY KEY, CONSTRAINT other CHECK (id > 0))",
      "CREATE TABLE t (id INT PRIMARY KEY, CONSTRAINT c CHECK (id > 0)); ALTER TABLE t DROP CONSTRAINT c;",
      "table t lacks CONSTRAINT c CHECK (id > 0)"
    ]
  ]
  it.live.each(different)("refuses %s for what the schema says", ([, there, text, problem]) =>
    Effect.gen(function* () {
      assert.include(yield* problemOf(there.split("; "), text), problem)
    }).pipe(Effect.provide(PlainMigrator))
  )
})
