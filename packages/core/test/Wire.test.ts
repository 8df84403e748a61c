/**
 * What is written to the wire and read from it here, beside what the driver makes of the same.
 */
import { PgConnection, PgTypes } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Redacted, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"
import * as fc from "fast-check"
import { createServer, type Socket } from "node:net"
import { database } from "../../../test/database.ts"
import { addressOf, encryptionOf } from "../src/internal/connection/address.ts"
import { type Encryption, Transport } from "../src/internal/wire/transport.ts"
import { Wire } from "../src/internal/wire/wire.ts"
import type { Answer, Cycle, Form } from "../src/internal/wire/cycle.ts"

/** A session of ours and one of the driver's, on one database. */
const both = (types?: PgTypes.Registry) =>
  Effect.gen(function* () {
    const url = yield* database
    return { ours: yield* opened(Redacted.value(url), types), theirs: yield* PgConnection.make({ url, types }) }
  })

const opened = (url: string, types?: PgTypes.Registry, encryption: Encryption | undefined = encryptionOf(url)) => {
  let transport: Transport | undefined
  const stream = () => (transport = new Transport(addressOf(url), encryption)).stream
  return Effect.map(
    PgConnection.make({ url: Redacted.make(url), ssl: false, stream, types }),
    (driver) => new Wire(transport as Transport, driver, types)
  )
}

/** Asks one statement, alone in its segment. */
const ask = (
  wire: Wire,
  sql: string,
  params: ReadonlyArray<unknown> = [],
  form: Form = "rows",
  prepare = true
): Effect.Effect<Answer, SqlError.SqlError> =>
  Effect.callback((resume) => {
    const cycle: Cycle = wire.cycle(sql, params, form, prepare, resume)
    if (cycle.failure === undefined) wire.write({ cycles: [cycle], answered: () => undefined })
    else cycle.withhold(cycle.failure)
  })

/** What an error says, whatever the toolkit and the driver call it, and their names for what they prepare. */
const said = (exit: Exit.Exit<unknown, SqlError.SqlError>): Readonly<Record<string, unknown>> => {
  assert(Exit.isFailure(exit))
  const error = Cause.squash(exit.cause)
  assert(isSqlError(error) && error.reason.cause instanceof Error)
  const { _tag, cause, isRetryable } = error.reason
  const message = cause.message.replace(/"(?:effect|dsql)_[0-9a-f]+_\d+"/, "its name")
  return { ...cause, tag: _tag, isRetryable, message }
}

const values: ReadonlyArray<readonly [type: string, value: unknown]> = [
  ["boolean", true],
  ["smallint", 7],
  ["integer", -2147483648],
  ["bigint", 9_007_199_254_740_993n],
  ["bigint", 2_147_483_648],
  ["double precision", 1.5],
  ["double precision", Number.MAX_SAFE_INTEGER + 3],
  ["double precision", Number.NaN],
  ["real", 0.25],
  ["numeric", "12345678901234567890.123456789"],
  ["text", "grün \u{1f333}"],
  ["varchar(3)", "abc"],
  ["bytea", new Uint8Array([0, 255, 7])],
  ["bytea", new Int8Array([-1, 1])],
  ["uuid", "0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11"],
  ["timestamptz", new Date("2026-11-29T00:00:00.123Z")],
  ["timestamp", "2026-11-29 00:00:00.123456"],
  ["date", "2026-11-29"],
  ["time", "12:34:56.789"],
  ["interval", "1 day 02:03:04"],
  ["json", '{"a":[1,null]}'],
  ["jsonb", '{"a":[1,null]}'],
  ["inet", "10.0.0.1/8"],
  ["text", null],
  ["text", undefined],
  ["integer[]", [1, 2, null]],
  ["bigint[]", [1n, 2n]],
  ["text[]", ["a", null, "b"]],
  ["boolean[]", [true, false]],
  ["bytea[]", [new Uint8Array([1]), new Uint8Array([])]],
  ["timestamptz[]", [new Date(0)]],
  ["uuid[]", ["0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11"]],
  ["text[]", []]
]

describe("a statement on the wire", () => {
  it.live("writes and reads each type as the driver does", () =>
    Effect.gen(function* () {
      const { ours, theirs } = yield* both()
      for (const [type, value] of values) {
        const sql = `SELECT $1::${type} AS value, 2 AS two`
        // The first time prepares, the second uses what is known of the columns.
        for (const prepare of [true, true, false]) {
          assert.deepStrictEqual(
            (yield* ask(ours, sql, [value], "rows", prepare)).result,
            yield* theirs.query(sql, [value], prepare)
          )
          assert.deepStrictEqual(
            (yield* ask(ours, sql, [value], "values", prepare)).values,
            yield* theirs.queryValues(sql, [value], prepare)
          )
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live("infers a parameter's type as the driver does, for whatever value", () =>
    Effect.gen(function* () {
      const { ours, theirs } = yield* both()
      const seed = Number(process.env["PROPERTY_SEED"] ?? 1)
      const scalar = fc.oneof(
        fc.integer(),
        fc.double(),
        fc.maxSafeInteger(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.boolean(),
        fc.string().filter((text) => !text.includes("\0")),
        fc.constantFrom(null, undefined, Symbol.iterator, {}, () => 1, new Map()),
        fc.uint8Array({ maxLength: 8 })
      )
      const drawn = fc.sample(fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })), { numRuns: 300, seed })
      for (const value of drawn) {
        const sql = "SELECT pg_typeof($1)::text AS type"
        const answer = yield* Effect.exit(Effect.map(ask(ours, sql, [value]), ({ result }) => result))
        const expected = yield* Effect.exit(theirs.query(sql, [value]))
        if (Exit.isSuccess(answer) || Exit.isSuccess(expected)) assert.deepStrictEqual(answer, expected, String(seed))
        else assert.deepStrictEqual(said(answer), said(expected), String(seed))
      }
    }).pipe(Effect.scoped)
  )

  it.live("answers each kind of command as the driver does", () =>
    Effect.gen(function* () {
      const { ours, theirs } = yield* both()
      // Each session has a table of its own.
      for (const sql of [
        "CREATE TEMPORARY TABLE IF NOT EXISTS t (id integer, n integer)",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 1), (2, 2)",
        "UPDATE t SET n = 3 RETURNING *",
        "DELETE FROM t",
        "SELECT * FROM t WHERE false",
        "SELECT",
        "",
        "-- nothing",
        "SHOW server_version_num",
        'SELECT 1 AS "__proto__", 2 AS b',
        "DO $$ BEGIN RAISE NOTICE 'heard'; END $$",
        "SET application_name = 'other'",
        "BEGIN",
        "COMMIT",
        "VALUES (1, 'a'), (2, 'b')"
      ]) {
        for (let round = 0; round < 2; round++) {
          assert.deepStrictEqual((yield* ask(ours, sql)).result, yield* theirs.query(sql), sql)
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live("fails as the driver does, with all that the server says, and goes on", () =>
    Effect.gen(function* () {
      const { ours, theirs } = yield* both()
      yield* ask(ours, "CREATE TABLE k (id integer PRIMARY KEY CHECK (id > 0), n integer NOT NULL)")
      yield* theirs.query("INSERT INTO k VALUES (1, 1)")
      const raise = (code: string) =>
        `DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${code}', MESSAGE = 'said', HINT = 'do', DETAIL = 'more'; END $$`
      for (const sql of [
        "SELEC",
        "SELECT * FROM missing",
        "SELECT 1 / 0",
        "INSERT INTO k VALUES (1, 1)",
        "INSERT INTO k VALUES (0, 1)",
        "INSERT INTO k VALUES (2, NULL)",
        "SELECT $1::integer",
        ...["40001", "40P01", "42501", "55P03", "57014", "23503", "28000", "54000", "0A000", "XX000", "P0001"].map(
          raise
        )
      ]) {
        const answer = said(yield* Effect.exit(ask(ours, sql)))
        assert.deepStrictEqual(answer, said(yield* Effect.exit(theirs.query(sql))), sql)
      }
      assert.deepStrictEqual((yield* ask(ours, "SELECT 1 AS one")).result.rows, [{ one: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("uses the registry of types that it is given", () =>
    Effect.gen(function* () {
      const { ours, theirs } = yield* both(PgTypes.makeRegistry())
      const sql = "SELECT $1::bigint AS n, now() > 'epoch' AS later"
      assert.deepStrictEqual((yield* ask(ours, sql, [1n])).result, yield* theirs.query(sql, [1n]))
    }).pipe(Effect.scoped)
  )

  it.live("ends the connection at a message that is too long, and says that it did", () =>
    Effect.gen(function* () {
      const { ours, theirs } = yield* both()
      const sql = "SELECT repeat('x', 17 * 1024 * 1024)"
      const answer = said(yield* Effect.exit(ask(ours, sql)))
      assert.deepStrictEqual(answer, said(yield* Effect.exit(theirs.query(sql))))
      assert.strictEqual(answer.tag, "ConnectionError")
      assert.isDefined(ours.dead)
      assert.strictEqual(said(yield* Effect.exit(ask(ours, "SELECT 1"))).tag, "ConnectionError")
    }).pipe(Effect.scoped)
  )

  it.live("keeps as many statements prepared as it is to, whatever was asked at once, or in vain", () =>
    Effect.gen(function* () {
      const { ours } = yield* both()
      const kept = Effect.map(
        ask(
          ours,
          "SELECT count(*)::integer AS n FROM pg_prepared_statements WHERE name LIKE 'dsql_%'",
          [],
          "rows",
          false
        ),
        ({ result }) => result.rows[0]?.["n"]
      )
      for (let n = 0; n < 150; n++) yield* Effect.flip(ask(ours, `SELECT $1, ${n}`, [2n ** 70n]))
      for (let n = 0; n < 10; n++) yield* ask(ours, `SELECT ${n}`)
      assert.strictEqual(yield* kept, 10)
      const cycles = Array.from({ length: 250 }, (_, n) =>
        ours.cycle(`VALUES (${n})`, [], "rows", true, () => undefined)
      )
      ours.write({ cycles, answered: () => undefined })
      yield* ask(ours, "SELECT 'one more'")
      yield* ask(ours, "SELECT 'and another'")
      assert.strictEqual(yield* kept, 100)
    }).pipe(Effect.scoped)
  )

  it.live("writes several segments at once, and an error is the segment's own", () =>
    Effect.gen(function* () {
      const { ours } = yield* both()
      yield* ask(ours, "CREATE TABLE s (id integer PRIMARY KEY)")
      const exits: Array<Exit.Exit<Answer, SqlError.SqlError>> = []
      const cycle = (sql: string) => ours.cycle(sql, [], "rows", true, (exit) => exits.push(exit))
      const statuses: Array<string | undefined> = []
      const segment = (...texts: ReadonlyArray<string>) => ({
        cycles: texts.map(cycle),
        answered: (status: string | undefined) => statuses.push(status)
      })
      ours.write(
        segment("BEGIN", "INSERT INTO s VALUES (1)", "INSERT INTO s VALUES (1)", "SELECT 1"),
        segment("COMMIT")
      )
      yield* Effect.callback<void>((resume) => ours.onIdle(() => resume(Effect.void)))
      assert.deepStrictEqual(statuses, ["E", "I"])
      assert.deepStrictEqual(
        exits.map((exit) => (Exit.isSuccess(exit) ? exit.value.result.command : said(exit)["code"])),
        ["BEGIN", "INSERT", "23505", "25P02", "ROLLBACK"]
      )
      assert.deepStrictEqual((yield* ask(ours, "SELECT * FROM s")).result.rows, [])
    }).pipe(Effect.scoped)
  )

  it.live("would commit by itself behind a BEGIN that is refused, were there a Sync between them", () =>
    Effect.gen(function* () {
      const { ours } = yield* both()
      yield* ask(ours, "CREATE TABLE s (id integer PRIMARY KEY)")
      const cycle = (sql: string) => ours.cycle(sql, [], "rows", true, () => undefined)
      const segment = (...texts: ReadonlyArray<string>) => ({ cycles: texts.map(cycle), answered: () => undefined })
      const refused = "BEGIN ISOLATION LEVEL NONSENSE"
      ours.write(segment(refused), segment("INSERT INTO s VALUES (1)"))
      ours.write(segment(refused, "INSERT INTO s VALUES (2)"))
      assert.deepStrictEqual((yield* ask(ours, "SELECT * FROM s")).result.rows, [{ id: 1 }])
    }).pipe(Effect.scoped)
  )
})

/** A server that answers the request for encryption with these bytes. */
const answering = (bytes: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((socket: Socket) => {
          socket.on("error", () => undefined)
          socket.once("data", () => socket.write(bytes))
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      return `postgres://u@127.0.0.1:${typeof address === "object" ? address?.port : ""}/d`
    }
  )

describe("a connection's encryption", () => {
  it.live("is refused as the driver refuses it", () =>
    Effect.gen(function* () {
      for (const [bytes, mode] of [
        ["N", "require"],
        ["X", "require"],
        ["Sgarbage", "require"],
        ["X", "prefer"]
      ] as const) {
        const url = `${yield* answering(bytes)}?sslmode=${mode}`
        const answer = said(yield* Effect.exit(opened(url)))
        assert.deepStrictEqual(answer, said(yield* Effect.exit(PgConnection.make({ url: Redacted.make(url) }))), bytes)
      }
    }).pipe(Effect.scoped)
  )

  it.live("is not there where the server has none and the mode says that it may", () =>
    Effect.gen(function* () {
      const url = new URL(Redacted.value(yield* database))
      url.searchParams.set("sslmode", "prefer")
      const wire = yield* opened(url.href)
      assert.deepStrictEqual((yield* ask(wire, "SELECT 1 AS one")).result.rows, [{ one: 1 }])
      url.searchParams.set("sslmode", "require")
      const answer = said(yield* Effect.exit(opened(url.href)))
      assert.deepStrictEqual(answer, said(yield* Effect.exit(PgConnection.make({ url: Redacted.make(url.href) }))))
    }).pipe(Effect.scoped)
  )

  it("is what a URL says", () => {
    const modes = {
      disable: undefined,
      prefer: true,
      allow: true,
      require: false,
      "verify-ca": false,
      "verify-full": false
    }
    for (const [mode, isOptional] of Object.entries(modes)) {
      assert.strictEqual(encryptionOf(`postgres://h/d?sslmode=${mode}`)?.isOptional, isOptional, mode)
    }
    assert.isUndefined(encryptionOf("postgres://h/d"))
  })

  it("leads where a URL says", () => {
    for (const [url, address] of [
      ["postgres://u:p@h:1/d", { host: "h", port: 1 }],
      ["postgres://h/d", { host: "h", port: 5432 }],
      ["postgres://[::1]:7/d", { host: "::1", port: 7 }],
      ["postgres:///d", { host: "localhost", port: 5432 }],
      ["postgres:///d?host=/run/pg&port=7", { path: "/run/pg/.s.PGSQL.7" }],
      ["postgres://%2Frun%2Fpg/d", { path: "/run/pg/.s.PGSQL.5432" }],
      ["postgres://a/d?host=b", { host: "b", port: 5432 }]
    ] as const) {
      assert.deepStrictEqual(addressOf(url), address, url)
    }
  })
})
