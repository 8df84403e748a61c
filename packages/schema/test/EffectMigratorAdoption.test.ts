/**
 * A ledger of Effect's own migrator that is adopted on the emulated Aurora DSQL, by somebody who may be gone after any
 * step of it, and by several at once. What it has must not run again, and what it has not must run once.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { EffectMigrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Redacted } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { sharedPostgres } from "../../../test/postgres.ts"
import { execute, rows } from "./support/database.ts"
import * as Gone from "./support/gone.ts"
import { everything } from "./support/kinds.ts"
import { atEveryPoint } from "./support/points.ts"

const cats = (...statements: ReadonlyArray<string>) =>
  SqlClient.SqlClient.use((sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true }))

const loader = Migrator.fromRecord({
  "1_cats": cats("CREATE TABLE cats (n integer PRIMARY KEY)", "INSERT INTO cats VALUES (1)"),
  "2_more": cats("UPDATE cats SET n = n + 10", "ALTER TABLE cats ADD COLUMN name text"),
  "3_most": cats("UPDATE cats SET n = n + 100")
})

/** What Effect's migrator leaves behind that was told of the first two. */
const theirs = execute(
  "CREATE TABLE cats (n integer PRIMARY KEY, name text)",
  "INSERT INTO cats VALUES (11)",
  `CREATE TABLE effect_sql_migrations (migration_id integer PRIMARY KEY, name text NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT now())`,
  "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (1, 'cats'), (2, 'more')"
)

const client = (url: Redacted.Redacted) => DsqlClient.layerUrl({ url, maxConnections: 2 })

/** Gives databases that are as Effect's migrator has left them. */
const laboratory = Effect.gen(function* () {
  const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: 0, log: false })
  const make = (template?: string) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const name = `adoption_${randomUUID().replaceAll("-", "")}`
        return Effect.as(emulator.createDatabase(name, template), name)
      }),
      (name) => Effect.ignore(emulator.dropDatabase(name))
    )
  const before = yield* make()
  yield* Effect.provide(theirs, client(emulator.url(before)))
  return Effect.map(make(before), (name) => emulator.url(name))
})

const run = EffectMigrator.run({ loader })

const left = Effect.all({ all: everything, cats: rows("SELECT * FROM cats") })

describe("the adoption of a ledger", () => {
  it.live("may be broken off after any step, and the next run ends where an undisturbed one ends", () =>
    Effect.gen(function* () {
      const database = yield* laboratory
      const undisturbed = yield* database
      const several = yield* Gone.stepsOf(undisturbed, (url) => Effect.provide(run, client(url)))
      const expected = yield* Effect.provide(left, client(undisturbed))
      assert.deepStrictEqual(expected.cats, [{ n: 111, name: null }])
      const at = (n: number) =>
        Effect.gen(function* () {
          const url = yield* database
          const step = yield* Gone.vanished(url, Gone.nth(n, Gone.isStep()), (url) => Effect.provide(run, client(url)))
          const found = yield* Effect.gen(function* () {
            // The lease of the dead would last for a while yet; the database's clock is moved on.
            yield* Effect.ignore(rows("UPDATE schema_lease SET expires_at = now()"))
            yield* run
            return yield* left
          }).pipe(Effect.provide(client(url)))
          assert.deepStrictEqual(found, expected, `gone after ${n}: ${step}`)
          return step !== undefined
        }).pipe(Effect.scoped)
      assert.isAbove(yield* atEveryPoint(Effect.succeed(at), several), 15)
    })
  )

  it.live("is one where six begin at once", () =>
    Effect.gen(function* () {
      const url = yield* yield* laboratory
      // Each of them has a client of its own, as a process has.
      const told = yield* Effect.all(
        Array.from({ length: 6 }, () => Effect.provide(run, Layer.fresh(client(url)))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(told.flat(), [[3, "most"]])
      assert.deepStrictEqual(yield* Effect.provide(rows("SELECT * FROM cats"), client(url)), [{ n: 111, name: null }])
    })
  )
})
