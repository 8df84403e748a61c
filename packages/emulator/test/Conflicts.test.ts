import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as Shared from "./shared.ts"
import { ask, conflict, gives, rows, tells } from "./wireClient.ts"

interface Operation {
  readonly kind: "non-key" | "key" | "for update" | "key share"
  readonly sql: (session: number) => string
  readonly tag: string
}

const increment: Operation = { kind: "non-key", sql: () => "UPDATE m SET v = v + 1 WHERE id = 1", tag: "UPDATE 1" }
const deletion: Operation = { kind: "key", sql: () => "DELETE FROM m WHERE id = 1", tag: "DELETE 1" }

const operations: Readonly<Record<string, Operation>> = {
  "non-key update": increment,
  "key update": { kind: "key", sql: (session) => `UPDATE m SET k = k + ${session} WHERE id = 1`, tag: "UPDATE 1" },
  delete: deletion,
  "for update": { kind: "for update", sql: () => "SELECT * FROM m WHERE id = 1 FOR UPDATE", tag: "SELECT 1" },
  "for key share": { kind: "key share", sql: () => "SELECT * FROM m WHERE id = 1 FOR KEY SHARE", tag: "SELECT 1" },
  "child insert": { kind: "key share", sql: (session) => `INSERT INTO c VALUES (${session}, 1)`, tag: "INSERT 0 1" }
}

/** The matrix of the service's documentation, for one row. */
const conflicts = (a: Operation, b: Operation): boolean =>
  !(a.kind === "key share" && (b.kind === "key share" || b.kind === "non-key")) &&
  !(a.kind === "non-key" && b.kind === "key share")

const schedules = {
  "both before either commits": [0, 1, "commit 0", "commit 1"],
  "both before, the second commits first": [0, 1, "commit 1", "commit 0"],
  "the second after the first committed": [0, "commit 0", 1, "commit 1"]
} as const

layer(Shared.layer(), { excludeTestServices: true })("conflicts", (it) => {
  const reset = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    yield* ask(admin, "CREATE TABLE IF NOT EXISTS m (id int PRIMARY KEY, k int UNIQUE, v int NOT NULL)")
    yield* ask(admin, "CREATE TABLE IF NOT EXISTS c (id int PRIMARY KEY, m_id int NOT NULL REFERENCES m (id))")
    yield* ask(admin, "DELETE FROM c")
    yield* ask(admin, "DELETE FROM m")
    yield* tells(admin, "INSERT INTO m VALUES (1, 10, 0), (2, 20, 0)", "INSERT 0 2")
    return admin
  })

  for (const [first, a] of Object.entries(operations)) {
    for (const [second, b] of Object.entries(operations)) {
      for (const [name, schedule] of Object.entries(schedules)) {
        it.effect(`${first} and ${second}: ${name}`, () =>
          Effect.scoped(
            Effect.gen(function* () {
              const admin = yield* reset
              const clients = [yield* Shared.wire(), yield* Shared.wire()] as const
              for (const client of clients) {
                yield* tells(client, "BEGIN", "BEGIN")
                yield* tells(client, "SELECT * FROM m WHERE id = 2", "SELECT 1")
              }
              const told: Array<string> = []
              for (const step of schedule) {
                if (step === "commit 0" || step === "commit 1") {
                  told.push(yield* ask(clients[step === "commit 0" ? 0 : 1], "COMMIT"))
                } else {
                  const operation = step === 0 ? a : b
                  yield* tells(clients[step], operation.sql(step + 1), operation.tag)
                }
              }
              assert.deepStrictEqual(told, ["COMMIT", conflicts(a, b) ? conflict : "COMMIT"])
              const [winner, loser] = schedule[2] === "commit 1" ? [b, a] : [a, b]
              const committed = conflicts(a, b) ? [winner] : [winner, loser]
              const expected = committed.includes(deletion)
                ? []
                : [[String(committed.filter((each) => each === increment).length)]]
              assert.deepStrictEqual(yield* rows(admin, "SELECT v FROM m WHERE id = 1"), expected)
            })
          )
        )
      }
    }
  }

  for (const clause of ["SKIP LOCKED", "NOWAIT"]) {
    it.effect(`${clause} gives two transactions one row, and the later COMMIT conflicts`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* reset
          const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
          const take = `UPDATE m SET v = 9 WHERE id = (SELECT id FROM m ORDER BY id LIMIT 1 FOR UPDATE ${clause}) RETURNING id`
          for (const client of [one, two]) {
            yield* tells(client, "BEGIN", "BEGIN")
            assert.deepStrictEqual(yield* rows(client, take), [["1"]])
          }
          yield* tells(one, "COMMIT", "COMMIT")
          yield* tells(two, "COMMIT", conflict)
        })
      )
    )
  }

  const guarded = (id: number) => `WITH held AS MATERIALIZED (SELECT id FROM m WHERE id = ${id} FOR KEY SHARE)
    INSERT INTO plain SELECT 7 WHERE EXISTS (SELECT FROM held)`
  const guards: Readonly<Record<string, { readonly sql: string; readonly tag: string; readonly told: string }>> = {
    "on a row that another transaction shares": { sql: guarded(1), tag: "INSERT 0 1", told: conflict },
    "on a row that is not there": { sql: guarded(9), tag: "INSERT 0 0", told: "COMMIT" },
    "that nothing has come to": {
      sql: guarded(1).replace("WHERE EXISTS", "WHERE false AND EXISTS"),
      tag: "INSERT 0 0",
      told: "COMMIT"
    }
  }
  for (const [which, { sql, tag, told }] of Object.entries(guards)) {
    it.effect(`a guard in a CTE ${which}: ${told} to an older snapshot that deletes the row`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const admin = yield* reset
          yield* ask(admin, "CREATE TABLE IF NOT EXISTS plain (n int)")
          const [sharing, writing, older] = [yield* Shared.wire(), yield* Shared.wire(), yield* Shared.wire()]
          yield* tells(older, "BEGIN", "BEGIN")
          yield* tells(sharing, "BEGIN", "BEGIN")
          yield* tells(sharing, "SELECT v FROM m WHERE id = 1 FOR KEY SHARE", "SELECT 1")
          yield* tells(writing, sql, tag)
          yield* tells(sharing, "ROLLBACK", "ROLLBACK")
          yield* tells(older, "DELETE FROM m WHERE id = 1", "DELETE 1")
          yield* tells(older, "COMMIT", told)
        })
      )
    )
  }

  const lockings = [
    "SELECT * FROM m WHERE id = 1 FOR UPDATE",
    "SELECT k, v FROM m ORDER BY id FOR UPDATE",
    "SELECT * FROM m ORDER BY id FOR UPDATE",
    "SELECT v AS id, k AS v FROM m AS other ORDER BY id FOR UPDATE",
    "SELECT v FROM m WHERE id = 1 AND v = 0 OFFSET 0 FOR UPDATE SKIP LOCKED",
    "TABLE m FOR UPDATE"
  ]
  for (const sql of lockings) {
    it.effect(`${sql} conflicts with a later update by a snapshot that is older`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* reset
          const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
          yield* tells(one, "BEGIN", "BEGIN")
          yield* tells(two, "BEGIN", "BEGIN")
          const [locked] = (yield* one.query(sql)).results
          assert.match(locked?.tag ?? "", /^SELECT [12]$/)
          yield* tells(one, "COMMIT", "COMMIT")
          yield* tells(two, "UPDATE m SET v = 7 WHERE id = 1", "UPDATE 1")
          yield* tells(two, "COMMIT", conflict)
        })
      )
    )
  }

  const actions = { "NO ACTION": false, RESTRICT: false, CASCADE: true, "SET NULL": true, "SET DEFAULT": true }
  const changes = { deleted: "DELETE FROM r_child WHERE id = 1", moved: "UPDATE r_child SET parent = 2 WHERE id = 1" }
  for (const [action, rewrites] of Object.entries(actions)) {
    for (const [what, change] of Object.entries(changes)) {
      for (const first of ["the child", "the parent"]) {
        it.effect(`a parent that goes (${action}) beside a child that is ${what}, ${first} first`, () =>
          Effect.scoped(
            Effect.gen(function* () {
              const admin = yield* Shared.wire()
              yield* ask(admin, "DROP TABLE IF EXISTS r_child")
              yield* ask(admin, "CREATE TABLE IF NOT EXISTS r_parent (id int PRIMARY KEY)")
              const references = `parent int DEFAULT 3 REFERENCES r_parent (id) ON DELETE ${action}`
              yield* tells(admin, `CREATE TABLE r_child (id int PRIMARY KEY, ${references})`, "CREATE TABLE")
              yield* ask(admin, "DELETE FROM r_parent")
              yield* tells(admin, "INSERT INTO r_parent VALUES (1), (2), (3)", "INSERT 0 3")
              yield* tells(admin, "INSERT INTO r_child VALUES (1, 1)", "INSERT 0 1")
              const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
              yield* tells(one, "BEGIN", "BEGIN")
              yield* tells(two, "BEGIN", "BEGIN")
              const [tag] = change.split(" ")
              const remove = ask(one, "DELETE FROM r_parent WHERE id = 1")
              if (first === "the child") {
                yield* tells(two, change, `${tag} 1`)
                yield* tells(two, "COMMIT", "COMMIT")
              }
              const told = yield* remove
              if (!rewrites) return assert.match(told, /^23503 /)
              assert.strictEqual(told, "DELETE 1")
              if (first === "the parent") {
                yield* tells(two, change, `${tag} 1`)
                yield* tells(two, "COMMIT", "COMMIT")
              }
              yield* tells(one, "COMMIT", conflict)
              yield* gives(admin, "SELECT count(*) FROM r_parent", [["3"]])
            })
          )
        )
      }
    }
  }

  it.effect("a parent that goes beside another's deleted child conflicts with nobody", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* reset
        yield* tells(admin, "INSERT INTO c VALUES (5, 2)", "INSERT 0 1")
        const one = yield* Shared.wire()
        yield* tells(one, "BEGIN", "BEGIN")
        yield* tells(admin, "DELETE FROM c WHERE id = 5", "DELETE 1")
        yield* tells(one, "DELETE FROM m WHERE id = 1", "DELETE 1")
        yield* tells(one, "COMMIT", "COMMIT")
      })
    )
  )

  const keys = { int4: 23, int8: 20, uuid: 2950, text: 25, "no type at all": 0 }
  for (const [type, oid] of Object.entries(keys)) {
    for (const isBinary of [false, true]) {
      it.effect(`a lock on a key that is a parameter of ${type}, ${isBinary ? "binary" : "text"}, is remembered`, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
            const column = oid === 0 ? "int8" : type
            const uuid = "01234567-89ab-cdef-0123-456789abcdef"
            const value = column === "uuid" ? uuid : "7"
            const numeric = Buffer.alloc(column === "int4" ? 4 : 8)
            numeric.writeUInt8(7, numeric.length - 1)
            const binary = column === "uuid" ? Buffer.from(uuid.replaceAll("-", ""), "hex") : numeric
            const bytes = isBinary && column !== "text" ? binary : Buffer.from(value)
            const name = `keyed_${column}`
            yield* ask(one, `CREATE TABLE IF NOT EXISTS ${name} (id ${column} PRIMARY KEY, v int)`)
            yield* ask(one, `INSERT INTO ${name} VALUES ('${value}', 0) ON CONFLICT DO NOTHING`)
            yield* tells(two, `SELECT count(*) FROM ${name}`, "SELECT 1")
            yield* tells(one, "BEGIN", "BEGIN")
            yield* tells(two, "BEGIN", "BEGIN")
            const { int16, int32 } = Frame
            const locking = `SELECT v FROM ${name} WHERE id = $1 FOR UPDATE`
            const parameter = [int16(1), int16(isBinary ? 1 : 0), int16(1), int32(bytes.length), bytes, int16(0)]
            const answer = yield* one.send(
              Buffer.concat([
                ClientMessage.parse("", locking, Buffer.concat([int16(1), int32(oid)])),
                ClientMessage.bind("", "", Buffer.concat(parameter)),
                ClientMessage.execute("", 0),
                ClientMessage.sync
              ])
            )
            assert.strictEqual(answer.results[0]?.tag, "SELECT 1")
            yield* tells(one, "COMMIT", "COMMIT")
            yield* tells(two, `UPDATE ${name} SET v = 1`, "UPDATE 1")
            yield* tells(two, "COMMIT", conflict)
          })
        )
      )
    }
  }

  const spellings: Readonly<Record<string, readonly [same: ReadonlyArray<string>, other: string]>> = {
    int8: [["7", "'7'", "' +07 '", "7::int2", "'7'::int4", "7.0", "CAST('7' AS bigint)"], "77"],
    uuid: [
      [
        "'01234567-89ab-cdef-0123-456789abcdef'",
        "'{01234567-89AB-CDEF-0123-456789ABCDEF}'",
        "'0123456789abcdef0123456789abcdef'::uuid"
      ],
      "'01234567-89ab-cdef-0123-456789abcdee'"
    ],
    text: [["'a'", "E'\\x61'", "'ab'::varchar(1)", "U&'\\0061'", "$$a$$"], "'A'"]
  }
  for (const [type, [same, other]] of Object.entries(spellings)) {
    it.effect(`a lock meets a write by the same key of type ${type}, however either spells it, and by no other`, () =>
      Effect.gen(function* () {
        const admin = yield* Shared.wire()
        const table = `spelled_${type}`
        yield* tells(admin, `CREATE TABLE ${table} (id ${type} PRIMARY KEY, v int)`, "CREATE TABLE")
        yield* tells(admin, `INSERT INTO ${table} VALUES (${same[0]}, 0), (${other}, 0)`, "INSERT 0 2")
        const meets = (locked: string, written: string) =>
          Effect.scoped(
            Effect.gen(function* () {
              const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
              yield* tells(one, "BEGIN", "BEGIN")
              yield* tells(two, "BEGIN", "BEGIN")
              yield* tells(one, `SELECT v FROM ${table} WHERE id = ${locked} FOR UPDATE`, "SELECT 1")
              yield* tells(two, `SELECT v FROM ${table} WHERE id = ${written} FOR KEY SHARE`, "SELECT 1")
              yield* tells(two, `UPDATE ${table} SET v = v + 1 WHERE id = ${written}`, "UPDATE 1")
              yield* tells(one, "COMMIT", "COMMIT")
              return yield* ask(two, "COMMIT")
            })
          )
        for (const locked of same) {
          for (const written of same) {
            assert.strictEqual(yield* meets(locked, written), conflict, `${locked} and ${written}`)
          }
          assert.strictEqual(yield* meets(locked, other), "COMMIT", `${locked} and ${other}`)
        }
      })
    )
  }

  it.effect("a locking query that gives no row has locked what its WITH did", () =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* reset
        const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
        yield* tells(one, "BEGIN", "BEGIN")
        yield* tells(two, "BEGIN", "BEGIN")
        const locking =
          "WITH held AS MATERIALIZED (SELECT id FROM m WHERE id = 1 FOR UPDATE) SELECT FROM held WHERE id = 2"
        yield* tells(one, locking, "SELECT 0")
        yield* tells(one, "COMMIT", "COMMIT")
        yield* tells(two, "UPDATE m SET v = 5 WHERE id = 1", "UPDATE 1")
        yield* tells(two, "COMMIT", conflict)
      })
    )
  )
})
