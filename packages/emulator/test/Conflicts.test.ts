import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { ask, conflict, rows, tells } from "./wireClient.ts"

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

layer(Shared.layer(), { excludeTestServices: true, timeout: "60 seconds" })("conflicts", (it) => {
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
})
