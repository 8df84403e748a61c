/**
 * What a step takes for present: what `verify` would find no difference in, and nothing else. On plain PostgreSQL, where
 * an index is there as soon as it is created.
 */
import { Migrator, Verify } from "@effect-dsql/schema"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { execute, PlainMigrator, rows } from "./support/database.ts"
import { sourceOf, version } from "./support/schemas.ts"

const created = `CREATE TABLE t (id INTEGER NOT NULL, name VARCHAR(20) NOT NULL DEFAULT '', born DATE DEFAULT '1970-01-01',
  PRIMARY KEY (id), CONSTRAINT positive CHECK (id > 0));`

const schema = sourceOf(
  `${created}
   CREATE UNIQUE INDEX ASYNC t_name ON t (name);
   CREATE SEQUENCE q CACHE 1;`,
  `ALTER TABLE t ADD COLUMN extra INTEGER;
   ALTER TABLE t ADD CONSTRAINT little CHECK (extra < 9) NOT VALID;
   ALTER TABLE ASYNC t VALIDATE CONSTRAINT little;
   ALTER TABLE t ALTER COLUMN name SET DEFAULT 'x';`
)

/** Means to set the schema up on a database where nothing but these statements ran before. */
const setUpAfter = (...statements: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", ...statements)
    const migrator = yield* Migrator.Migrator
    const source = yield* schema
    const plan = Effect.map(migrator.plan({ source }), ({ steps }) => steps.map(({ action }) => action))
    return { source, plan, setup: (at?: string) => migrator.setup({ source, ...(at && { version: version(at) }) }) }
  })

const table = (columns: string, key = "PRIMARY KEY (id)", check = "id > 0") =>
  `CREATE TABLE t (${columns}, ${key}, CONSTRAINT positive CHECK (${check}))`

const columns = "id INTEGER NOT NULL, name VARCHAR(20) NOT NULL DEFAULT '', born DATE DEFAULT '1970-01-01'"

const differing: ReadonlyArray<readonly [what: string, statements: ReadonlyArray<string>, problem: string]> = [
  [
    "a table with another primary key",
    [table(columns, "PRIMARY KEY (id, name)")],
    "1: a table t is there already, but table t has primary key (id, name), expected (id)"
  ],
  [
    "a table without one",
    [table(columns, "UNIQUE (id)")],
    "1: a table t is there already, but table t has no primary key, expected (id), and 1 more"
  ],
  [
    "a column of another type",
    [table(columns.replace("INTEGER", "BIGINT"))],
    "1: a table t is there already, but column t.id has type bigint, expected integer"
  ],
  [
    "a column of another width",
    [table(columns.replace("20", "21"))],
    "1: a table t is there already, but column t.name has type varchar(21), expected varchar(20)"
  ],
  [
    "a column that may be null",
    [table(columns.replace(") NOT NULL", ")"))],
    "1: a table t is there already, but column t.name is NULL, expected NOT NULL"
  ],
  [
    "a column with another default",
    [table(columns.replace("''", "'y'"))],
    "1: a table t is there already, but column t.name has default 'y', expected ''"
  ],
  [
    "a column too many",
    [table(`${columns}, own INTEGER NOT NULL`)],
    "1: a table t is there already, but column t.own is not of the version: integer NOT NULL"
  ],
  [
    "a column too few",
    [table(columns.replace(/, born.*/, ""))],
    "1: a table t is there already, but column t.born is missing: expected date DEFAULT '1970-01-01'"
  ],
  [
    "a CHECK with another condition",
    [table(columns, "PRIMARY KEY (id)", "id > 1")],
    "1: a table t is there already, but table t lacks CHECK (id > 0), and 1 more"
  ],
  [
    "a table with an index too many",
    [created, "CREATE UNIQUE INDEX own ON t (born)"],
    "1: a table t is there already, but index own on t is not of the version: UNIQUE (born)"
  ],
  [
    "an index that is not UNIQUE",
    [created, "CREATE INDEX t_name ON t (name)"],
    "3: an index t_name is there already, but index t_name on t is (name), expected UNIQUE (name)"
  ],
  [
    "an index on other columns",
    [created, "CREATE UNIQUE INDEX t_name ON t (born)"],
    "3: an index t_name is there already, but index t_name on t is UNIQUE (born), expected UNIQUE (name)"
  ],
  [
    "an index of another table",
    ["CREATE TABLE o (name VARCHAR(20))", "CREATE UNIQUE INDEX t_name ON o (name)"],
    "3: an index t_name is there already, but index t_name on t is of table o: UNIQUE (name), expected UNIQUE (name)"
  ],
  [
    "a view in the place of a table",
    ["CREATE VIEW t AS SELECT 1 AS id"],
    "1: a relation t is there already, but it is a view"
  ],
  [
    "a table in the place of a sequence",
    ["CREATE TABLE q (id INTEGER)"],
    "4: a relation q is there already, but it is a table"
  ]
]

const altered: ReadonlyArray<readonly [what: string, statements: ReadonlyArray<string>, problem: string]> = [
  [
    "an added column of another type",
    ["ALTER TABLE t ADD COLUMN extra BIGINT"],
    "1: a column t.extra is there already, but column t.extra has type bigint, expected integer"
  ],
  [
    "an added constraint with another condition",
    ["ALTER TABLE t ADD COLUMN extra INTEGER", "ALTER TABLE t ADD CONSTRAINT little CHECK (extra < 10) NOT VALID"],
    "2: a constraint little of t is there already, but table t lacks CHECK (extra < 9) NOT VALID, and 1 more"
  ],
  [
    "a validated constraint with another condition",
    ["ALTER TABLE t ADD COLUMN extra INTEGER", "ALTER TABLE t ADD CONSTRAINT little CHECK (extra < 10)"],
    "2: a constraint little of t is there already, but table t lacks CHECK (extra < 9) NOT VALID, and 1 more"
  ]
]

layer(PlainMigrator, { excludeTestServices: true })("what is there already", (it) => {
  describe("is refused where it is not what the schema makes", () => {
    it.effect.each(differing)("%s", ([, statements, problem]) =>
      Effect.gen(function* () {
        const { setup } = yield* setUpAfter(...statements)
        const error = yield* Effect.flip(setup())
        assert.strictEqual(error.message, `v1.0/a.sql:${problem}: rename or drop it, then run again`)
        assert.deepStrictEqual(yield* rows("SELECT * FROM schema_version"), [])
      })
    )

    it.effect.each(altered)("%s", ([, statements, problem]) =>
      Effect.gen(function* () {
        const { setup } = yield* setUpAfter()
        yield* setup("1.0")
        yield* execute(...statements)
        const error = yield* Effect.flip(setup())
        assert.strictEqual(error.message, `v1.1/a.sql:${problem}: rename or drop it, then run again`)
        assert.deepStrictEqual(yield* rows("SELECT curr_version FROM schema_version"), [{ curr_version: "1.0" }])
      })
    )
  })

  it.effect("is refused by a plan as by the run", () =>
    Effect.gen(function* () {
      const { plan, setup } = yield* setUpAfter(table(columns, "PRIMARY KEY (id, name)"))
      assert.strictEqual((yield* Effect.flip(plan)).message, (yield* Effect.flip(setup())).message)
    })
  )

  describe("is taken for present", () => {
    const same: ReadonlyArray<readonly [what: string, statements: ReadonlyArray<string>]> = [
      ["as the statement spells it", [created]],
      [
        "spelled otherwise",
        [
          `CREATE TABLE t (id INT4 CONSTRAINT positive CHECK (0 < id OR id > 0), name CHARACTER VARYING(20) NOT NULL DEFAULT '',
             born DATE DEFAULT DATE '1970-01-01', PRIMARY KEY (id))`,
          "ALTER TABLE t DROP CONSTRAINT positive",
          "ALTER TABLE t ADD CHECK ((id > 0))"
        ]
      ]
    ]
    it.effect.each(same)("%s, and verify finds no difference then", ([, statements]) =>
      Effect.gen(function* () {
        const { plan, setup, source } = yield* setUpAfter(...statements)
        assert.deepStrictEqual((yield* plan).slice(0, 3), ["present", "run", "run"])
        assert.isAbove((yield* setup()).present, 0)
        assert.deepStrictEqual((yield* Verify.verify({ source })).differences, [])
      })
    )

    it.effect("as statements after it have left it, however far they came", () =>
      Effect.gen(function* () {
        const { source } = yield* setUpAfter()
        const texts = source.versions.flatMap(({ statements }) => statements.map(({ postgres }) => postgres))
        for (let ran = 1; ran <= texts.length; ran++) {
          const { setup } = yield* setUpAfter(...texts.slice(0, ran))
          yield* setup()
          assert.deepStrictEqual((yield* Verify.verify({ source })).differences, [], texts[ran - 1])
        }
      })
    )
  })
})
