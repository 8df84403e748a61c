import { Emulator, Postgres } from "@effect-dsql/emulator"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Client } from "pg"
import { inject } from "vitest"
import * as Shared from "./shared.ts"
import * as WireClient from "./wireClient.ts"

/** A database that goes with the scope. */
const database = Effect.fnUntraced(function* (name: string, template?: string) {
  const { emulator } = yield* Shared.Shared
  const own = `${name}_${process.pid}_${Math.random().toString(36).slice(2)}`
  yield* Effect.acquireRelease(emulator.createDatabase(own, template), () => Effect.orDie(emulator.dropDatabase(own)))
  return own
})

/** Runs statements in a database beneath an emulator, which hears nothing of them. */
const run = (url: Redacted.Redacted, sql: string) =>
  Effect.promise(async () => {
    const client = new Client(Redacted.value(url))
    await client.connect()
    await client.query(sql)
    await client.end()
  })

const beneath = (name: string, sql: string) => {
  const url = new URL(inject("postgresUrl"))
  url.pathname = `/${name}`
  return run(Redacted.make(url.href), sql)
}

const answerOf = Effect.fnUntraced(function* (emulator: Emulator.Emulator, name: string, sql: string) {
  const client = yield* WireClient.make(emulator.connect, name)
  const { error, results } = yield* client.query(sql)
  return error?.message ?? results.at(-1)?.tag
}, Effect.scoped)

const answer = (name: string, sql: string) =>
  Effect.flatMap(Shared.Shared, ({ emulator }) => answerOf(emulator, name, sql))

/** One row of each key, of which the emulator need not count what is changed by a key. */
const template = Effect.gen(function* () {
  const name = yield* database("template")
  assert.strictEqual(yield* answer(name, "CREATE TABLE t (id int NOT NULL, n int, UNIQUE (id))"), "CREATE TABLE")
  assert.strictEqual(yield* answer(name, "INSERT INTO t VALUES (1, 0)"), "INSERT 0 1")
  return name
})

/** Leaves more rows of one key than a transaction may change. */
const grown = "ALTER TABLE t DROP CONSTRAINT t_id_key; INSERT INTO t SELECT 1, i FROM generate_series(1, 3000) i"

const update = "UPDATE t SET n = 1 WHERE id = 1"
const refused = "transaction row limit exceeded"

layer(Shared.layer(), { excludeTestServices: true })("copies of a database", (it) => {
  it.effect("have what it has, one after the other", () =>
    Effect.gen(function* () {
      const original = yield* template
      for (const name of ["first", "second", "third"]) {
        const copy = yield* database(name, original)
        assert.strictEqual(yield* answer(copy, update), "UPDATE 1")
        yield* beneath(copy, grown)
      }
      assert.strictEqual(yield* answer(original, update), "UPDATE 1")
    }).pipe(Effect.scoped)
  )

  it.effect("have what has changed in it since the last one", () =>
    Effect.gen(function* () {
      const original = yield* template
      assert.strictEqual(yield* answer(yield* database("before", original), update), "UPDATE 1")
      yield* beneath(original, grown)
      assert.strictEqual(yield* answer(yield* database("after", original), update), refused)
    }).pipe(Effect.scoped)
  )

  it.effect("have what has changed in them before anybody came through the emulator", () =>
    Effect.gen(function* () {
      const original = yield* template
      assert.strictEqual(yield* answer(yield* database("first", original), update), "UPDATE 1")
      const second = yield* database("second", original)
      yield* beneath(second, grown)
      assert.strictEqual(yield* answer(second, update), refused)
    }).pipe(Effect.scoped)
  )

  it.effect("are what is there, where one of their name was dropped beneath the emulator", () =>
    Effect.gen(function* () {
      const original = yield* template
      yield* answer(yield* database("first", original), update)
      const second = yield* database("second", original)
      yield* beneath("postgres", `DROP DATABASE ${second}`)
      yield* beneath("postgres", `CREATE DATABASE ${second} OWNER admin`)
      assert.strictEqual(yield* answer(second, "SELECT count(*) FROM sys.jobs"), "SELECT 1")
      assert.strictEqual(yield* answer(second, update), 'relation "t" does not exist')
    }).pipe(Effect.scoped)
  )

  it.effect("are asked nothing that the first one has answered", () =>
    Effect.gen(function* () {
      const original = yield* template
      yield* answer(yield* database("first", original), update)
      const second = yield* database("second", original)
      assert.strictEqual(yield* answer(second, update), "UPDATE 1")
      // The emulator has no session there, which PostgreSQL would wait for in vain.
      yield* beneath("postgres", `DROP DATABASE ${second}`)
      yield* beneath("postgres", `CREATE DATABASE ${second}`)
    }).pipe(Effect.scoped)
  )

  it.effect("have nobody in them until somebody comes", () =>
    Effect.gen(function* () {
      const original = yield* template
      for (const name of ["first", "second"]) {
        const copy = yield* database(name, original)
        // PostgreSQL copies a database that nobody is in.
        yield* beneath("postgres", `CREATE DATABASE ${copy}_2 TEMPLATE ${copy}`)
        yield* beneath("postgres", `DROP DATABASE ${copy}_2`)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("are prepared where it is not", () =>
    Effect.gen(function* () {
      for (const name of ["first", "second", "third"]) {
        const copy = yield* database(name)
        assert.strictEqual(yield* answer(copy, "SELECT count(*) FROM sys.jobs"), "SELECT 1")
      }
    }).pipe(Effect.scoped)
  )
})

describe("databases of two servers", () => {
  it.live("have nothing in common, however alike they are", () =>
    Effect.gen(function* () {
      // Both servers are copies of one that was initialised once, and number their databases alike.
      for (const [constraint, rows, expected] of [
        ["UNIQUE (id)", 1, "UPDATE 1"],
        ["CHECK (id > 0)", 3001, refused]
      ] as const) {
        const postgres = yield* Postgres.make()
        const emulator = yield* Emulator.make({ postgres })
        yield* emulator.createDatabase("original")
        yield* answerOf(emulator, "original", `CREATE TABLE t (id int NOT NULL, n int, ${constraint})`)
        yield* run(postgres.url("original"), `INSERT INTO t SELECT 1, i FROM generate_series(1, ${rows}) i`)
        for (const copy of ["first", "second"]) {
          yield* emulator.createDatabase(copy, "original")
          assert.strictEqual(yield* answerOf(emulator, copy, update), expected)
        }
      }
    }).pipe(Effect.scoped)
  )
})
