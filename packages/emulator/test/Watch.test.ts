import { assert, describe, it, layer } from "@effect/vitest"
import { type Control, Watch } from "@effect-dsql/emulator"
import { Effect, Schema } from "effect"
import { heldBytes } from "../../../test/heldBytes.ts"
import * as Log from "../src/internal/watch/log.ts"
import * as Trace from "../src/internal/watch/trace.ts"
import { conflict as conflictAnswer, schemaConflict, ask, rows, tells } from "./wireClient.ts"
import * as Shared from "./shared.ts"

const table = "CREATE TABLE accounts (region text, id int, balance int NOT NULL, PRIMARY KEY (region, id))"

/** Two sessions that meet: what the first does and commits after the second's snapshot, and what the second does. */
interface Meeting {
  readonly wins: string
  readonly loses: string
  readonly key: NonNullable<Watch.Conflict["key"]>
  readonly table?: string
  readonly more?: true
}

const own = (balance: number) => `UPDATE accounts SET balance = ${balance} WHERE region = 'eu' AND id = 7`
const lock = (strength: string) => `SELECT balance FROM accounts WHERE region = 'eu' AND id = 7 FOR ${strength}`
const eu7 = { region: "eu", id: "7" }

const meetings: Readonly<Record<string, Meeting>> = {
  "two updates by primary key": { wins: own(1), loses: own(2), key: eu7 },
  "an update and one by another column": {
    wins: own(1),
    loses: "UPDATE accounts SET balance = 9 WHERE balance < 200",
    key: eu7
  },
  "an update by another column and one by primary key": {
    wins: "UPDATE accounts SET balance = 9 WHERE balance = 107",
    loses: own(1),
    key: eu7
  },
  "a deletion and an update": { wins: "DELETE FROM accounts WHERE region = 'eu' AND id = 7", loses: own(1), key: eu7 },
  "a deletion by another column and an update by another": {
    wins: "DELETE FROM accounts WHERE balance = 107",
    loses: "UPDATE accounts SET balance = 9 WHERE balance < 200",
    key: eu7
  },
  "an update and a lock": { wins: own(1), loses: lock("UPDATE"), key: eu7 },
  "a lock and an update": { wins: lock("UPDATE"), loses: own(1), key: eu7 },
  "a lock inside another statement and an update": {
    wins: `WITH guard AS MATERIALIZED (${lock("UPDATE")}) SELECT * FROM guard`,
    loses: own(1),
    key: eu7
  },
  "two insertions": {
    wins: "INSERT INTO accounts VALUES ('us', 1, 1)",
    loses: "INSERT INTO accounts VALUES ('us', 1, 2)",
    key: { region: "us", id: "1" }
  },
  "a guarded statement and another": {
    wins: `WITH guard AS MATERIALIZED (${lock("UPDATE")}), w AS (UPDATE accounts SET balance = 0 WHERE id = 8 AND EXISTS (SELECT FROM guard)) SELECT 1`,
    loses:
      "WITH w AS (UPDATE accounts SET balance = 5 WHERE id = 8 RETURNING *), v AS (INSERT INTO audit SELECT id FROM w) SELECT 1",
    key: { region: "eu", id: "8" }
  },
  "several rows": {
    wins: "UPDATE accounts SET balance = 1",
    loses: "UPDATE accounts SET balance = 2",
    key: eu7,
    more: true
  }
}

layer(Shared.layer({ watch: true }), { excludeTestServices: true })("a conflict", (it) => {
  const reset = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    yield* ask(admin, "DROP TABLE IF EXISTS accounts")
    yield* ask(admin, "DROP TABLE IF EXISTS audit")
    yield* tells(admin, table, "CREATE TABLE")
    yield* tells(admin, "CREATE TABLE audit (id int PRIMARY KEY)", "CREATE TABLE")
    yield* tells(admin, "INSERT INTO accounts VALUES ('eu', 7, 107), ('eu', 8, 108)", "INSERT 0 2")
    const { emulator } = yield* Shared.Shared
    yield* emulator.control.reset
    return emulator.control
  })

  for (const [name, { key, loses, more, wins }] of Object.entries(meetings)) {
    for (const way of ["before", "after"] as const) {
      it.effect(`of ${name}, where the loser acts ${way} the winner, names both, the row and the statements`, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const control = yield* reset
            const winner = yield* Shared.wire({ application_name: "winner" })
            const loser = yield* Shared.wire({ application_name: "loser" })
            yield* tells(loser, "BEGIN", "BEGIN")
            if (way === "before") yield* ask(loser, loses)
            yield* ask(winner, wins)
            if (way === "after") yield* ask(loser, loses)
            assert.strictEqual(yield* ask(loser, "COMMIT"), conflictAnswer)
            const [met, ...others] = yield* control.conflicts("loser")
            assert.deepStrictEqual(others, [])
            assert.deepInclude(met, {
              code: "OC000",
              injected: false,
              table: "accounts",
              key,
              statement: loses,
              label: "loser"
            })
            assert.strictEqual(met?.more, more)
            assert.deepInclude(met?.rival, { label: "winner", statement: wins })
          })
        )
      )
    }
  }
})

layer(Shared.layer({ watch: true }), { excludeTestServices: true })("what is watched", (it) => {
  const opened = Effect.gen(function* () {
    const { emulator } = yield* Shared.Shared
    const admin = yield* Shared.wire()
    yield* ask(admin, "DROP TABLE IF EXISTS t")
    yield* tells(admin, "CREATE TABLE t (id int PRIMARY KEY, v int, w int)", "CREATE TABLE")
    yield* tells(admin, "INSERT INTO t VALUES (1, 0, 0), (2, 0, 0)", "INSERT 0 2")
    yield* emulator.control.clear
    yield* emulator.control.reset
    return { control: emulator.control, admin }
  })
  const last = (control: Control.Control, label: string) =>
    Effect.map(control.transactions(), (all) => all.filter((each) => each.label === label))

  it.effect("is each transaction with its statements, its tables, its rows and its end", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { control } = yield* opened
        const client = yield* Shared.wire({ application_name: "a" })
        yield* ask(client, "BEGIN")
        yield* ask(client, "SELECT * FROM t")
        yield* ask(client, "UPDATE t SET v = 1")
        const [open] = yield* last(control, "a")
        assert.deepInclude(open, { outcome: "open", explicit: true, roundTrips: 1, rows: 2 })
        yield* tells(client, "COMMIT", "COMMIT")
        const [ended, ...others] = yield* last(control, "a")
        assert.deepStrictEqual(others, [])
        assert.deepInclude(ended, { outcome: "committed", roundTrips: 4, rows: 2, attempt: 1 })
        assert.isAbove(ended?.revision ?? 0, open?.revision ?? 0)
        assert.deepStrictEqual(
          ended?.statements.map(({ rows, sql, tables, writes }) => ({ rows, sql, tables, writes })),
          [
            { rows: 0, sql: "BEGIN", tables: [], writes: [] },
            { rows: 2, sql: "SELECT * FROM t", tables: ["t"], writes: [] },
            { rows: 2, sql: "UPDATE t SET v = 1", tables: ["t"], writes: ["t"] },
            { rows: 0, sql: "COMMIT", tables: [], writes: [] }
          ]
        )
      })
    )
  )

  const ends = {
    "rolled back": ["BEGIN", "UPDATE t SET v = 1", "ROLLBACK"],
    failed: ["BEGIN", "SELECT 1/0", "COMMIT"],
    committed: ["UPDATE t SET v = 1; SELECT 1"]
  } as const
  for (const [outcome, statements] of Object.entries(ends)) {
    it.effect(`tells a transaction that is ${outcome} by ${statements.join("; ")}`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { control } = yield* opened
          const client = yield* Shared.wire({ application_name: "b" })
          for (const sql of statements) yield* ask(client, sql)
          assert.deepStrictEqual(
            (yield* last(control, "b")).map((each) => each.outcome),
            [outcome]
          )
        })
      )
    )
  }

  it.effect("tells a transaction whose connection ended as cut", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { control } = yield* opened
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* Shared.wire({ application_name: "c" })
            yield* tells(client, "BEGIN", "BEGIN")
            yield* tells(client, "UPDATE t SET v = 1 WHERE id = 1", "UPDATE 1")
          })
        )
        const [open] = yield* last(control, "c")
        if (open?.outcome === "open") yield* control.changes(open.revision)
        assert.deepStrictEqual(
          (yield* last(control, "c")).map((each) => each.outcome),
          ["cut"]
        )
      })
    )
  )

  it.effect("joins the attempts of one operation, and no others", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { admin, control } = yield* opened
        const client = yield* Shared.wire({ application_name: "d" })
        const other = yield* Shared.wire({ application_name: "e" })
        for (const isBeaten of [true, true, false]) {
          yield* ask(client, "BEGIN")
          yield* ask(client, "UPDATE t SET v = v + 1 WHERE id = 1")
          if (isBeaten) yield* tells(admin, "UPDATE t SET w = w + 1 WHERE id = 1", "UPDATE 1")
          yield* tells(client, "COMMIT", isBeaten ? conflictAnswer : "COMMIT")
        }
        yield* ask(other, "UPDATE t SET v = v + 1 WHERE id = 1")
        yield* ask(client, "UPDATE t SET v = v + 1 WHERE id = 1")
        const attempts = yield* last(control, "d")
        assert.deepStrictEqual(
          attempts.map(({ attempt, outcome }) => [attempt, outcome]),
          [
            [1, "conflict"],
            [2, "conflict"],
            [3, "committed"],
            [1, "committed"]
          ]
        )
        assert.strictEqual(new Set(attempts.slice(0, 3).map(({ first }) => first)).size, 1)
        assert.deepStrictEqual(
          (yield* last(control, "e")).map(({ attempt }) => attempt),
          [1]
        )
      })
    )
  )

  it.effect("calls a conflict that was asked for by its name, and one of the catalogue by what was defined", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { admin, control } = yield* opened
        yield* control.inject({ on: "commit", fault: "conflict", nth: [1], label: "f" })
        const client = yield* Shared.wire({ application_name: "f" })
        yield* tells(client, "UPDATE t SET v = 1 WHERE id = 1", conflictAnswer)
        yield* ask(client, "BEGIN")
        yield* ask(client, "SELECT * FROM t")
        yield* tells(admin, "CREATE TABLE IF NOT EXISTS u (id int PRIMARY KEY)", "CREATE TABLE")
        yield* tells(client, "COMMIT", schemaConflict)
        const [asked, schema] = yield* control.conflicts("f")
        assert.deepInclude(asked, { code: "OC000", injected: true })
        assert.deepInclude(schema, { code: "OC001", injected: false, statement: "SELECT * FROM t" })
        assert.strictEqual(schema?.rival?.statement, "CREATE TABLE IF NOT EXISTS u (id int PRIMARY KEY)")
        assert.strictEqual((yield* last(control, "f"))[0]?.fault, "conflict@commit")
      })
    )
  )

  it.effect("counts the cost of each transaction by AWS's formulas, and of each statement its part", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { admin, control } = yield* opened
        const [[job = ""] = []] = yield* rows(admin, "CREATE INDEX ASYNC ON t (v)")
        yield* tells(admin, `CALL sys.wait_for_job('${job}')`, "CALL")
        const client = yield* Shared.wire({ application_name: "g" })
        // Ten rows, and ten entries of the index, of 128 bytes at least.
        yield* tells(client, "INSERT INTO t SELECT n, n, n FROM generate_series(11, 20) n", "INSERT 0 10")
        const inserted = yield* control.counts("g")
        assert.closeTo(inserted.cost?.write ?? 0, 20 * 128 * 0.00004883, 1e-9)
        assert.closeTo(inserted.cost?.read ?? 0, 2_048 * 0.00000183105, 1e-9)
        // What the index does not hold costs it nothing; a statement that changes nothing writes nothing.
        yield* tells(client, "UPDATE t SET w = 1 WHERE id = 11", "UPDATE 1")
        yield* tells(client, "UPDATE t SET w = 1 WHERE id = 99", "UPDATE 0")
        const updated = yield* control.counts("g")
        assert.closeTo((updated.cost?.write ?? 0) - (inserted.cost?.write ?? 0), 1_024 * 0.00004883, 1e-9)
        const spent = yield* control.spent("g")
        assert.deepStrictEqual(
          spent.map(({ times }) => times),
          [1, 2]
        )
        assert.closeTo(
          spent.reduce((total, { cost }) => total + cost.write, 0),
          updated.cost?.write ?? 0,
          1e-9
        )
      })
    )
  )

  it.effect("counts statements that differ in their values alone as one", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { control } = yield* opened
        const client = yield* Shared.wire({ application_name: "shapes" })
        yield* ask(client, "CREATE TABLE shapes (id int PRIMARY KEY, name text)")
        for (const n of [1, 2, 3]) yield* ask(client, `INSERT INTO shapes VALUES (${n}, 'n${n}') -- ${n}`)
        assert.deepStrictEqual(
          (yield* control.spent("shapes")).map(({ rows, sql, times }) => ({ rows, sql, times })),
          [{ rows: 3, sql: "INSERT INTO shapes VALUES (?, ?)", times: 3 }]
        )
      })
    )
  )

  it.effect("shows no password", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { control } = yield* opened
        const client = yield* Shared.wire({ application_name: "password" })
        yield* ask(client, "CREATE ROLE app LOGIN PASSWORD 'correct horse'")
        const own = (yield* control.transactions()).filter(({ label }) => label === "password")
        assert.strictEqual(own[0]?.statements[0]?.sql, "CREATE ROLE app LOGIN PASSWORD '***'")
        assert.notInclude(JSON.stringify([own, yield* control.refused]), "correct horse")
      })
    )
  )

  it.effect("keeps what was refused, with the rule and how to write it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { control } = yield* opened
        const client = yield* Shared.wire({ application_name: "h" })
        for (let n = 0; n < 3; n++) yield* ask(client, "CREATE TEMPORARY TABLE x (id int)")
        const refused = (yield* control.refused).find(({ label }) => label === "h")
        assert.deepInclude(refused, { rule: "temporary-table", sqlstate: "0A000", times: 3 })
        assert.isAbove(refused?.hint?.length ?? 0, 10)
      })
    )
  )

  it.effect("holds no parameters before it is asked to", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { control } = yield* opened
        const client = yield* Shared.client({ application_name: "i" })
        const sql = "SELECT * FROM t WHERE id = $1 AND v = $2"
        yield* Effect.promise(() => client.query(sql, [4_242, null]))
        assert.notInclude(JSON.stringify(yield* control.transactions()), "4242")
        yield* control.watch({ parameters: true })
        yield* Effect.promise(() => client.query(sql, [4_242, null]))
        yield* control.watch({ parameters: false })
        assert.deepStrictEqual((yield* last(control, "i")).at(-1)?.statements[0]?.parameters, ["4242", null])
      })
    )
  )

  it.effect("answers the same over SQL, as its schemas say", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { control } = yield* opened
        const client = yield* Shared.wire({ application_name: "j" })
        yield* ask(client, "UPDATE t SET v = 1 WHERE id = 1")
        const [[text = "null"] = []] = yield* rows(client, `CALL emulator.control('{"transactions": {"after": 0}}')`)
        const told = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Watch.Transaction)))(text)
        assert.deepStrictEqual(told, yield* control.transactions())
      })
    )
  )
})

layer(Shared.layer(), { excludeTestServices: true })("an emulator that does not watch", (it) => {
  it.effect("keeps nothing until it is asked to", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { emulator } = yield* Shared.Shared
        const client = yield* Shared.wire()
        yield* ask(client, "SELECT 1")
        assert.deepStrictEqual(yield* emulator.control.transactions(), [])
        assert.isUndefined((yield* emulator.control.counts()).cost)
        yield* emulator.control.watch()
        yield* ask(client, "SELECT 2")
        assert.strictEqual((yield* emulator.control.transactions()).length, 1)
      })
    )
  )
})

layer(Shared.layer({ explain: true }), { excludeTestServices: true })("an emulator that explains", (it) => {
  it.effect("says in DETAIL which row it was, and who was first", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const [winner, loser] = [yield* Shared.wire({ application_name: "winner" }), yield* Shared.wire()]
        yield* ask(winner, "CREATE TABLE t (id int PRIMARY KEY, v int)")
        yield* ask(winner, "INSERT INTO t VALUES (1, 0)")
        yield* ask(loser, "BEGIN")
        yield* ask(loser, "UPDATE t SET v = 1 WHERE id = 1")
        yield* ask(winner, "UPDATE t SET v = 2 WHERE id = 1")
        const { error } = yield* loser.query("COMMIT")
        assert.match(
          error?.detail ?? "",
          /^Key \(id\)=\(1\) of table "t" was committed first by transaction \d+ of "winner"\.$/
        )
      })
    )
  )
})

describe("words about transactions", () => {
  const evil = "\u001b[31mred\u0007\u202E\u0085\nforged"

  it("are one line, in which nothing steers a terminal", () => {
    const conflict: Watch.Conflict = {
      code: "OC000",
      injected: false,
      transaction: 1,
      label: evil,
      statement: evil,
      rival: { transaction: 2, label: evil, statement: evil },
      table: evil,
      key: { [evil]: evil },
      at: 0
    }
    for (const text of [
      Watch.conflictText(conflict),
      Watch.rowText(conflict),
      Watch.rowText({ table: evil }),
      Watch.nameText(conflict),
      Watch.lineText(evil, 100)
    ]) {
      assert.notMatch(text, /[\p{Cc}\u202E]/u)
      assert.include(text, "\\u001b[31mred\\u0007\\u202e")
    }
  })

  it("are short where a name is long", () => {
    assert.isBelow(Watch.nameText({ transaction: 1, label: "x".repeat(10_000) }).length, 70)
  })
})

describe("the log", () => {
  it("keeps of a long text what it shows of it, and no more", () => {
    const log = Log.make()
    const before = heldBytes()
    for (let n = 0; n < 200; n++) {
      const trace = log.begin(
        Trace.make({ database: "d", label: "", connection: 1, explicit: false, began: 0, since: 0 })
      )
      // Nothing else has this text: it was made of bytes, as one that comes over a socket.
      const sql = Buffer.alloc(1_000_000, String(n)).toString("latin1")
      log.join(trace, sql, "")
      const shown = Trace.cut(sql)
      trace.statements.push({ sql: shown, at: 0, millis: 0, rows: 0, sent: 0, received: 0, tables: [], writes: [] })
      trace.outcome = "conflict"
      log.refuse("", sql, { sqlstate: "42601", message: sql })
      log.end(trace)
    }
    assert.strictEqual(log.transactions(0).length, 200)
    assert.isBelow(heldBytes() - before, 40_000_000)
  })

  it("holds so many transactions and characters, and forgets the oldest", () => {
    const log = Log.make()
    const one = (sql: string) => {
      const trace = log.begin(
        Trace.make({ database: "d", label: "", connection: 1, explicit: false, began: 0, since: 0 })
      )
      trace.statements.push({ sql, at: 0, millis: 0, rows: 0, sent: 0, received: 0, tables: [], writes: [] })
      trace.outcome = "committed"
      log.end(trace)
      return trace.id
    }
    for (let n = 0; n < 2 * Log.most.transactions; n++) one("SELECT")
    const kept = log.transactions(0)
    assert.isAtMost(kept.length, Log.most.transactions)
    assert.isAtLeast(kept.length, Log.most.transactions / 2)
    const newest = one("x".repeat(4_000))
    for (let n = 0; n < 12_000; n++) one("y".repeat(4_000))
    assert.isFalse(log.transactions(0).some(({ id }) => id === newest))
    assert.isAtMost(JSON.stringify(log.transactions(0)).length, 2 * Log.most.characters)
    assert.isAtMost(log.spent(undefined).length, Log.most.spent + 1)
  })
})
