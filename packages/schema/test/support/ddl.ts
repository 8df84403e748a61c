/**
 * Schemas as whoever writes one may write it, of parts that can be changed one by one.
 */
import * as fc from "fast-check"

/** A part of a statement, and another one for its place that means something else. */
export interface Part {
  readonly text: string
  readonly other: string
}

type Statement = ReadonlyArray<string | Part>

/** A schema in a few statements. */
export interface Generated {
  readonly statements: ReadonlyArray<Statement>
  /** Whether what an early statement brings about is taken away by a later one, so that only a journal tells that it ran. */
  readonly takesAway: boolean
}

/** The parts of a schema, in their order. */
export const parts = ({ statements }: Generated): ReadonlyArray<Part> =>
  statements.flat().filter((piece) => typeof piece !== "string")

/** A schema as SQL, one of its parts changed where one is given. */
export const render = ({ statements }: Generated, changed?: Part): string =>
  statements
    .map((pieces) =>
      pieces.map((piece) => (typeof piece === "string" ? piece : piece === changed ? piece.other : piece.text)).join("")
    )
    .join(";\n")

/** Two of some texts that all mean something else. */
const either = (texts: ReadonlyArray<string>): fc.Arbitrary<Part> =>
  fc
    .shuffledSubarray([...texts], { minLength: 2, maxLength: 2 })
    .map(([text = "", other = ""]): Part => ({ text, other }))

/** A clause with one of some texts, or without it. */
const perhaps = (clause: string, texts: ReadonlyArray<string>): fc.Arbitrary<Part> =>
  either(["", ...texts.map((text) => ` ${clause.replace("…", () => text)}`)])

interface Kind {
  readonly types: ReadonlyArray<string>
  readonly defaults: ReadonlyArray<string>
  /** Of a column $. */
  readonly conditions: ReadonlyArray<string>
}

const kinds: ReadonlyArray<Kind> = [
  {
    types: ["INT", "BIGINT"],
    defaults: ["1", "-1", "'5'", "1 + 2"],
    conditions: ["$ > 0", "$ IN (1, 2, 3)", "$ BETWEEN 1 AND 9", "$::text <> '1'", "NOT $ = ANY (ARRAY[1, 2])"]
  },
  {
    types: ["BIGINT", "NUMERIC"],
    defaults: ["0", "'7'", "2147483648"],
    conditions: ["$ <> 5000000000", "$ % 2 = 0", "abs($) < 9", "$ IS NOT NULL"]
  },
  {
    types: ["NUMERIC(10)", "NUMERIC(10, 2)", "NUMERIC"],
    defaults: ["1e3", "'1.50'", "-12"],
    conditions: ["$ > 0.5", "round($) = $", "$::int > 0", "nullif($, 0) > 1"]
  },
  { types: ["DOUBLE PRECISION", "REAL"], defaults: ["1", "'1.5'", "0.1"], conditions: ["$ < 1", "$ IS NOT NULL"] },
  {
    types: ["BOOLEAN"],
    defaults: ["'t'", "'off'"],
    conditions: ["$", "$ IS TRUE", "NOT $", "$ IS NOT FALSE OR id > 1"]
  },
  {
    types: ["DATE", "TIMESTAMP"],
    defaults: ["'2020-1-1'", "CURRENT_DATE", "DATE '2021-01-01'"],
    conditions: ["$ > '2020-1-1'", "extract(year from $) > 2000"]
  },
  {
    types: ["TIMESTAMP", "TIMESTAMP(3)"],
    defaults: ["'2020-01-01'", "(now() AT TIME ZONE 'UTC')"],
    conditions: ["$ < '2030-01-01'", "$ > '2020-1-1'::date", "date_trunc('day', $) = $"]
  },
  {
    types: ["TIMESTAMPTZ(3)", "TIMESTAMPTZ", "TIMESTAMPTZ(6)"],
    defaults: ["now()", "now() + INTERVAL '1' DAY", "CURRENT_DATE"],
    conditions: ["($ AT TIME ZONE 'UTC') > '2020-01-01'", "$ <> 'infinity'"]
  },
  {
    types: ["INTERVAL", "INTERVAL DAY TO SECOND"],
    defaults: ["'36 hours'", "INTERVAL '1' DAY"],
    conditions: ["$ < '1 year'", "$ > INTERVAL '1' HOUR"]
  },
  {
    types: ["VARCHAR(9)", "VARCHAR(10)", "TEXT", "VARCHAR"],
    defaults: ["''", "'it''s'", "lower('A')"],
    conditions: ["$ <> ''", "$ IN ('a', 'b')", "$ LIKE 'a%'", "$::varchar(3) = 'x'", "$ SIMILAR TO 'b|c'"]
  },
  {
    types: ["TEXT", "VARCHAR(20)"],
    defaults: [`'"x"'`, "'a' || 'b'", "12"],
    conditions: ["length($) < 9", "$ ~ '^a'", "$ NOT ILIKE 'b%'", "coalesce($, '') > 'a'", "position('a' in $) = 1"]
  },
  { types: ["CHAR(3)", "CHAR"], defaults: ["'a'", "'b'"], conditions: ["$ = 'a'", "$ <> 'b' COLLATE \"C\""] },
  {
    types: ["UUID", "TEXT"],
    defaults: ["'00000000-0000-0000-0000-00000000000a'"],
    conditions: ["$ > '00000000-0000-0000-0000-000000000001'", "CASE WHEN id > 1 THEN $ IS NULL ELSE true END"]
  },
  { types: ["BYTEA", "TEXT"], defaults: ["'\\x00'", "'a'"], conditions: ["octet_length($) < 9"] }
]

const conditionOn = (name: string, { conditions }: Kind) => conditions.map((text) => text.replaceAll("$", () => name))

/** A column of one kind, with what is said of it. */
const column = (name: string): fc.Arbitrary<Statement> =>
  fc
    .constantFrom(...kinds)
    .chain((kind) =>
      fc
        .tuple(
          kind.types.length > 1 ? either(kind.types) : fc.constant(kind.types[0] ?? ""),
          either(["", " NOT NULL"]),
          perhaps("DEFAULT …", kind.defaults),
          perhaps("CHECK (…)", conditionOn(name, kind))
        )
        .map((pieces): Statement => [[`, ${name} `], pieces].flat())
    )

const computed: fc.Arbitrary<Statement> = either(["id * 2", "id + k", "coalesce(k, 0)"]).map((value) => [
  ", made INT GENERATED ALWAYS AS (",
  value,
  ") STORED"
])

const identity: fc.Arbitrary<Statement> = fc
  .tuple(either(["ALWAYS", "BY DEFAULT"]), either(["", " START 7", " INCREMENT -2", " MAXVALUE 99 CYCLE"]))
  .map(([when, options]) => [", row BIGINT GENERATED ", when, " AS IDENTITY (CACHE 1", options, ")"])

const unique: fc.Arbitrary<Statement> = either([
  "",
  ", UNIQUE (id)",
  ", UNIQUE NULLS NOT DISTINCT (id)",
  ", UNIQUE (id) INCLUDE (k)",
  ", UNIQUE (k, id)"
]).map((clause) => [clause])

/** CREATE TABLE. Every table has the columns id, k and a. */
const table = (name: string): fc.Arbitrary<Statement> =>
  fc
    .tuple(
      either(["id, k", "k, id", "id"]),
      column("a"),
      fc.option(column('"Odd name"'), { nil: [] }),
      fc.oneof(fc.constant([]), computed, identity),
      unique,
      perhaps(", CONSTRAINT c CHECK (…)", ["id > 0", "id > k", "(id, k) > (1, 2)"])
    )
    .map(([key, a, b, filled, more, check]): Statement =>
      [
        [`CREATE TABLE ${name} (id INT NOT NULL, k INT NOT NULL DEFAULT 3`],
        a,
        b,
        filled,
        more,
        [check, ", PRIMARY KEY (", key, "))"]
      ].flat()
    )

const index = (table: string): fc.Arbitrary<Statement> =>
  fc
    .tuple(
      either(["", "UNIQUE "]),
      either(["id", "k NULLS FIRST", "(id + k)", "id, k", "k, id", "abs(k)"]),
      either(["", " INCLUDE (a)", " INCLUDE (id)"]),
      perhaps("WHERE …", ["id > 1", "k IS NOT NULL", "id = ANY (ARRAY[1, 2])"])
    )
    .map(([unique, keys, include, where]) => [
      "CREATE ",
      unique,
      `INDEX ASYNC ${table}_i ON ${table} (`,
      keys,
      ")",
      include,
      where
    ])

const view = (table: string): fc.Arbitrary<Statement> =>
  fc
    .tuple(
      either(["", " WITH (security_barrier)"]),
      either(["*", "id, a", "a, id", "t.*, 1 AS one", "id AS a, k AS id"]),
      perhaps("WHERE …", ["id > 1", `k IN (SELECT id FROM ${table})`, "id > '2'"])
    )
    .map(([options, columns, where]) => [
      `CREATE VIEW ${table}_v`,
      options,
      " AS SELECT ",
      columns,
      ` FROM ${table} AS t`,
      where
    ])

const sequence = (table: string): fc.Arbitrary<ReadonlyArray<Statement>> =>
  fc
    .tuple(
      either(["", " INCREMENT 2", " MINVALUE -5 START 3", " START 7", " CYCLE"]),
      fc.option(either(["INCREMENT 3", "MAXVALUE 50", "CACHE 70000"]), { nil: undefined })
    )
    .map(([options, later]) => {
      const created: Statement = [`CREATE SEQUENCE ${table}_s CACHE 1`, options]
      return later === undefined ? [created] : [created, [`ALTER SEQUENCE ${table}_s `, later]]
    })

/** A table like another one, as that one is by then. */
const copy = (table: string): fc.Arbitrary<ReadonlyArray<Statement>> =>
  either(["", " INCLUDING DEFAULTS", " INCLUDING ALL"]).map((what) => [
    [`CREATE TABLE ${table}_l (LIKE ${table}`, what, ")"]
  ])

/** A table that refers to another one. */
const reference = (table: string): fc.Arbitrary<ReadonlyArray<Statement>> =>
  fc
    .tuple(
      either(["", " (j)"]),
      either(["", " ON DELETE CASCADE", " ON DELETE SET NULL ON UPDATE RESTRICT", " ON UPDATE CASCADE"])
    )
    .map(([to, actions]) => [
      [`CREATE TABLE ${table}_p (id INT PRIMARY KEY, j INT UNIQUE)`],
      [`CREATE TABLE ${table}_c (id INT PRIMARY KEY, p INT REFERENCES ${table}_p`, to, actions, ")"]
    ])

/** What is altered later, and leaves all names as they are. */
const alteration = (table: string): fc.Arbitrary<ReadonlyArray<Statement>> =>
  fc.oneof(
    either(["INT", "BIGINT", "TEXT", "NUMERIC"]).map((type) => [[`ALTER TABLE ${table} ADD COLUMN z `, type]]),
    either(["id > 1", "k <> 3", "a IS NULL"]).map((condition) => [
      [`ALTER TABLE ${table} ADD CONSTRAINT d CHECK (`, condition, ") NOT VALID"]
    ]),
    either(["id > 1", "k <> 3"]).map((condition) => [
      [`ALTER TABLE ${table} ADD CONSTRAINT d CHECK (`, condition, ") NOT VALID"],
      [`ALTER TABLE ASYNC ${table} VALIDATE CONSTRAINT d`]
    ]),
    either(["aa", '"A"']).map((name) => [[`ALTER TABLE ${table} RENAME COLUMN a TO `, name]]),
    either(["SET DEFAULT 4", "SET DEFAULT '5'", "DROP DEFAULT"]).map((default_) => [
      [`ALTER TABLE ${table} ALTER COLUMN k `, default_]
    ]),
    fc.constant([[`COMMENT ON TABLE ${table} IS 'one of many'`]])
  )

/** What takes something away that an early statement has made. */
const removal = (table: string): fc.Arbitrary<ReadonlyArray<Statement>> =>
  fc.constantFrom<ReadonlyArray<Statement>>(
    [[`ALTER TABLE ${table} RENAME TO ${table}_moved`]],
    [[`DROP VIEW IF EXISTS ${table}_v`], [`ALTER TABLE ${table} DROP COLUMN a`]],
    [[`DROP VIEW IF EXISTS ${table}_v`]],
    [[`ALTER VIEW IF EXISTS ${table}_v RENAME TO ${table}_w`]],
    [[`ALTER INDEX IF EXISTS ${table}_i RENAME TO ${table}_j`]],
    [[`ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS c`]]
  )

/** Schemas of a table and what may stand beside it, their names beginning with a prefix. */
export const schemas = (prefix: string): fc.Arbitrary<Generated> => {
  const one = (statement: fc.Arbitrary<Statement>) => statement.map((each): ReadonlyArray<Statement> => [each])
  /** So many times in four. */
  const some = (times: number, statements: fc.Arbitrary<ReadonlyArray<Statement>>) =>
    fc.oneof({ weight: times, arbitrary: statements }, { weight: 4 - times, arbitrary: fc.constant([]) })
  return fc
    .tuple(
      one(table(prefix)),
      some(2, sequence(prefix)),
      some(2, one(index(prefix))),
      some(1, copy(prefix)),
      some(1, reference(prefix)),
      some(2, one(view(prefix))),
      some(3, alteration(prefix)),
      some(1, removal(prefix))
    )
    .map((all): Generated => ({ statements: all.flat(), takesAway: all[7].length > 0 }))
}
