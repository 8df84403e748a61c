/**
 * Effect's migrations run by this package's migrator: each statement a transaction of its own, once, and the ledger one
 * that Effect's migrator reads.
 */
import { EffectMigrator } from "@effect-dsql/schema"
import { assert, describe, it, layer } from "@effect/vitest"
import { DateTime, Effect, Stream } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { TestCluster, TestDatabase } from "../../../test/database.ts"
import { Control } from "../../../test/emulator.ts"
import { NothingLate } from "../../../test/lifetime.ts"
import { rows } from "./support/database.ts"

type Body = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>

/** Migrations by their names, each of some statements. */
const loaderOf = (migrations: Record<string, Body>) =>
  Migrator.fromRecord(
    Object.fromEntries(
      Object.entries(migrations).map(([name, body]) => [name, Effect.asVoid(SqlClient.SqlClient.use(body))])
    )
  )

const inTurn =
  (...bodies: ReadonlyArray<Body>): Body =>
  (sql) =>
    Effect.forEach(bodies, (body) => body(sql), { discard: true })

/** The transactions in which statements of migrations were sent: the words of each. */
const transactions = (about: string) =>
  Effect.gen(function* () {
    const control = yield* Control
    const found: Array<Array<string>> = []
    for (const { sql } of yield* control.statements()) {
      if (sql.startsWith("BEGIN")) found.push([])
      else if (sql.includes(about) && !/^(?:WITH|SELECT)/i.test(sql)) found.at(-1)?.push(sql.split(" ")[0] ?? "")
    }
    return found.filter((words) => words.length > 0)
  })

layer(TestCluster(), { excludeTestServices: true })("Effect's migrations on Aurora DSQL", (it) => {
  it.effect("run each statement in a transaction of its own, once, and are told by id and name", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const loader = loaderOf({
        "0001_cats": inTurn(
          (sql) => sql`CREATE TABLE cats (id integer PRIMARY KEY, name text NOT NULL)`,
          (sql) =>
            sql`INSERT INTO cats ${sql.insert([
              { id: 1, name: "Tom's" },
              { id: 2, name: "Kit" }
            ])}`,
          (sql) => sql`CREATE INDEX ASYNC cats_by_name ON cats (name)`
        ),
        "0002_older": (sql) => sql`UPDATE cats SET ${sql.update({ name: "Old" })} WHERE id = ${2}`
      })
      yield* control.reset
      assert.deepStrictEqual(yield* EffectMigrator.run({ loader, table: "cats_ledger" }), [
        [1, "cats"],
        [2, "older"]
      ])
      assert.deepStrictEqual(yield* transactions(" cats"), [["CREATE"], ["INSERT"], ["CREATE"], ["UPDATE"]])
      assert.deepStrictEqual(yield* EffectMigrator.run({ loader, table: "cats_ledger" }), [])
      assert.deepStrictEqual(yield* rows("SELECT * FROM cats ORDER BY id"), [
        { id: 1, name: "Tom's" },
        { id: 2, name: "Old" }
      ])
      assert.deepStrictEqual(yield* rows("SELECT migration_id, name FROM cats_ledger ORDER BY migration_id"), [
        { migration_id: 1, name: "cats" },
        { migration_id: 2, name: "older" }
      ])
    })
  )

  for (const [fault, nth] of [
    ["cut", 4],
    ["cut-after", 5],
    ["cut", 6],
    ["cut-after", 7]
  ] as const) {
    it.effect(`go on after a lost answer, and repeat nothing that took effect: ${fault} at commit ${nth}`, () =>
      Effect.gen(function* () {
        const control = yield* Control
        const dogs = `dogs_${nth}`
        const loader = loaderOf({
          "1_dogs": inTurn(
            (sql) => sql`CREATE TABLE ${sql(dogs)} (id integer PRIMARY KEY, n integer NOT NULL)`,
            (sql) => sql`INSERT INTO ${sql(dogs)} VALUES (1, 0)`,
            (sql) => sql`UPDATE ${sql(dogs)} SET n = n + 1`,
            (sql) => sql`ALTER TABLE ${sql(dogs)} ADD COLUMN name text`
          ),
          "2_more_dogs": (sql) => sql`UPDATE ${sql(dogs)} SET n = n + 10`
        })
        const run = EffectMigrator.run({ loader, table: `${dogs}_ledger` })
        const times = Effect.map(control.happened, (faults) => faults[`${fault}@commit`] ?? 0)
        const before = yield* times
        yield* control.inject({ on: "commit", fault, nth: [nth] })
        yield* Effect.exit(run)
        yield* control.clear
        assert.strictEqual(yield* times, before + 1)
        yield* run
        assert.deepStrictEqual(yield* rows(`SELECT id, n, name FROM ${dogs}`), [{ id: 1, n: 11, name: null }])
      }).pipe(Effect.provide(NothingLate))
    )
  }

  it.effect("run once where four processes begin at once", () =>
    Effect.gen(function* () {
      const loader = loaderOf({
        "1_birds": inTurn(
          (sql) => sql`CREATE TABLE birds (n integer PRIMARY KEY)`,
          (sql) => sql`INSERT INTO birds VALUES (1)`
        ),
        "2_birds": (sql) => sql`UPDATE birds SET n = n + 1`
      })
      const run = EffectMigrator.run({ loader, table: "birds_ledger" })
      const told = yield* Effect.all([run, run, run, run], { concurrency: "unbounded" })
      assert.lengthOf(
        told.filter((ran) => ran.length > 0),
        1
      )
      assert.deepStrictEqual(yield* rows("SELECT n FROM birds"), [{ n: 2 }])
    })
  )

  it.effect("store the values that their parameters would", () =>
    Effect.gen(function* () {
      const values = {
        id: 7,
        big: 2n ** 62n,
        huge: Number.MAX_SAFE_INTEGER,
        float: 0.1 + 0.2,
        is: true,
        none: null,
        text: "it's $1 \\ 'quoted'; --",
        at: new Date("2026-11-28T12:34:56.789Z"),
        bytes: Uint8Array.of(0, 1, 255)
      }
      const loader = loaderOf({
        "1_values": inTurn(
          (sql) =>
            sql`CREATE TABLE kept (id integer PRIMARY KEY, big bigint, huge bigint, "float" float8, "is" boolean, "none" text,
              text text, at timestamptz, bytes bytea)`,
          (sql) => sql`INSERT INTO kept ${sql.insert(values)}`,
          // As text, a minus behind a minus would begin a comment.
          (sql) => sql`UPDATE kept SET id = id -${-1} WHERE id = ${8}`
        )
      })
      yield* EffectMigrator.run({ loader, table: "kept_ledger" })
      assert.deepStrictEqual(yield* rows("SELECT * FROM kept"), [{ ...values, huge: BigInt(values.huge) }])
    })
  )

  it.effect("are found where they have changed since they ran, or were added below what has run", () =>
    Effect.gen(function* () {
      const table = "fish_ledger"
      const first = { "2_fish": (sql: SqlClient.SqlClient) => sql`CREATE TABLE fish (id integer PRIMARY KEY)` }
      yield* EffectMigrator.run({ loader: loaderOf(first), table })
      const changed = loaderOf({ "2_fish": (sql) => sql`CREATE TABLE fish (id bigint PRIMARY KEY)` })
      const error = yield* Effect.flip(EffectMigrator.run({ loader: changed, table }))
      assert.strictEqual(error._tag, "StatementChanged")
      assert.include(error.message, "2_fish, statement 1")
      const late = loaderOf({ ...first, "1_late": (sql) => sql`CREATE TABLE late (id integer PRIMARY KEY)` })
      assert.strictEqual((yield* Effect.flip(EffectMigrator.run({ loader: late, table })))._tag, "VersionGap")
    })
  )

  const refused: ReadonlyArray<readonly [name: string, body: Body, says: RegExp]> = [
    ["a query", (sql) => sql`SELECT 1`, /it can ask the database for nothing/],
    ["RETURNING", (sql) => sql`INSERT INTO nowhere VALUES (1) RETURNING id`, /it can ask the database for nothing/],
    [
      "a query that changes rows",
      (sql) => sql`WITH a AS (DELETE FROM nowhere) SELECT 1`,
      /ask the database for nothing/
    ],
    ["raw results", (sql) => sql`CREATE TABLE nowhere (id integer PRIMARY KEY)`.raw, /ask the database for nothing/],
    ["values", (sql) => sql`DELETE FROM nowhere`.values, /ask the database for nothing/],
    ["a stream", (sql) => Stream.runDrain(sql`DELETE FROM nowhere`.stream), /ask the database for nothing/],
    ["a transaction", (sql) => sql.withTransaction(sql`DELETE FROM nowhere`), /cannot begin a transaction/],
    ["BEGIN", (sql) => sql`BEGIN`, /cannot begin or end a transaction/],
    ["a connection", (sql) => Effect.scoped(sql.reserve), /cannot reserve a connection/],
    ["a parameter of its own", (sql) => sql.unsafe("DELETE FROM nowhere WHERE id = $1", [1]), /place for a parameter/],
    ["a value that has no text", (sql) => sql`DELETE FROM nowhere WHERE id = ${Symbol("x")}`, /cannot be written down/],
    ["an index that is built at once", (sql) => sql`CREATE INDEX i ON nowhere (id)`, /ASYNC/],
    ["a sequence", (sql) => sql`CREATE TABLE nowhere (id serial PRIMARY KEY)`, /serial/i],
    ["what is no SQL", (sql) => sql`CREATE TABEL nowhere ()`, /syntax error/]
  ]
  for (const [name, body, says] of refused) {
    it.effect(`are refused with ${name}, before anything runs, whatever they make of the refusal`, () =>
      Effect.gen(function* () {
        const loader = loaderOf({
          "1_before": (sql) => sql`CREATE TABLE before_refusal (id integer PRIMARY KEY)`,
          "2_refused": (sql) => Effect.exit(body(sql))
        })
        const error = yield* Effect.flip(EffectMigrator.run({ loader, table: "refused_ledger" }))
        assert.strictEqual(error._tag, "InvalidStatement")
        assert.match(error.message, /^2_refused/)
        assert.match(error.message, says)
        assert.deepStrictEqual(yield* rows("SELECT to_regclass('before_refusal')::text AS name"), [{ name: null }])
      })
    )
  }

  const drawn: ReadonlyArray<readonly [name: string, body: Body]> = [
    ["a random id", (sql) => sql`INSERT INTO nowhere VALUES (${randomUUID()})`],
    ["the time", (sql) => sql`INSERT INTO nowhere VALUES (${new Date()})`],
    [
      "the time of Effect's clock",
      (sql) => Effect.flatMap(DateTime.now, (now) => sql`INSERT INTO nowhere VALUES (${DateTime.toDate(now)})`)
    ],
    ["as many statements as it has a mind to", (sql) => Effect.repeat(sql`DELETE FROM nowhere`, { times: many++ })]
  ]
  let many = 1
  for (const [name, body] of drawn) {
    it.effect(`are refused, before anything runs, where they draw ${name}`, () =>
      Effect.gen(function* () {
        const loader = loaderOf({
          "1_before": (sql) => sql`CREATE TABLE before_drawn (id integer PRIMARY KEY)`,
          "2_drawn": inTurn((sql) => sql`DELETE FROM before_drawn`, body)
        })
        const error = yield* Effect.flip(EffectMigrator.run({ loader, table: "drawn_ledger" }))
        assert.strictEqual(error._tag, "InvalidSource")
        assert.match(error.message, /^2_drawn: statement \d is another one each time/)
        assert.deepStrictEqual(yield* rows("SELECT to_regclass('before_drawn')::text AS name"), [{ name: null }])
      })
    )
  }

  it.effect("are refused by the words of Effect's migrator where they cannot be loaded, fail or are there twice", () =>
    Effect.gen(function* () {
      const kindOf = (loader: Migrator.Loader) =>
        Effect.map(Effect.flip(EffectMigrator.run({ loader, table: "broken_ledger" })), (error) =>
          error._tag === "MigrationError" ? error.kind : error._tag
        )
      const one = (load: Effect.Effect<unknown>): Migrator.Loader => Effect.succeed([[1, "one", load]])
      assert.strictEqual(yield* kindOf(one(Effect.die("gone"))), "ImportError")
      assert.strictEqual(yield* kindOf(one(Effect.succeed({}))), "ImportError")
      assert.strictEqual(yield* kindOf(one(Effect.succeed({ default: 1 }))), "ImportError")
      assert.strictEqual(yield* kindOf(one(Effect.succeed({ default: { default: Effect.fail("no") } }))), "Failed")
      const twice = Effect.succeed([
        [1, "a", Effect.succeed(Effect.void)],
        [1, "b", Effect.succeed(Effect.void)]
      ] as const)
      assert.strictEqual(yield* kindOf(twice), "Duplicates")
      assert.strictEqual(yield* kindOf(Effect.succeed([[0, "zero", Effect.succeed(Effect.void)]])), "InvalidSource")
    })
  )
})

describe("the ledger on plain PostgreSQL", () => {
  const first = {
    "1_cats": inTurn(
      (sql) => sql`CREATE TABLE cats (n integer PRIMARY KEY)`,
      (sql) => sql`INSERT INTO cats VALUES (1)`
    )
  }
  const both = { ...first, "2_more": (sql: SqlClient.SqlClient) => sql`UPDATE cats SET n = n + 1` }
  const three = { ...both, "3_most": (sql: SqlClient.SqlClient) => sql`UPDATE cats SET n = n + 10` }
  const theirs = (migrations: Record<string, Body>) => Migrator.make({})({ loader: loaderOf(migrations) })
  const ours = (migrations: Record<string, Body>) => EffectMigrator.run({ loader: loaderOf(migrations) })
  const n = rows("SELECT n FROM cats")

  it.live("is read by Effect's own migrator, which runs nothing that is in it", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* ours(both), 2)
      assert.deepStrictEqual(yield* theirs(both), [])
      assert.deepStrictEqual(yield* n, [{ n: 2 }])
    }).pipe(Effect.provide(TestDatabase()))
  )

  it.live("is that of Effect's own migrator where there is one, and nothing in it runs again", () =>
    Effect.gen(function* () {
      yield* theirs(first)
      assert.deepStrictEqual(yield* ours(both), [[2, "more"]])
      assert.deepStrictEqual(yield* n, [{ n: 2 }])
      assert.deepStrictEqual(yield* ours(both), [])
    }).pipe(Effect.provide(TestDatabase()))
  )

  it.live("is refused where Effect's own migrator went on after this one", () =>
    Effect.gen(function* () {
      yield* ours(both)
      yield* theirs(three)
      const error = yield* Effect.flip(ours(three))
      assert.strictEqual(error._tag, "InvalidBookkeeping")
      assert.include(error.message, "it has migration 3")
      assert.deepStrictEqual(yield* n, [{ n: 12 }])
    }).pipe(Effect.provide(TestDatabase()))
  )
})
