import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { prepare } from "../src/internal/statement/prepared.ts"
import { unqualified } from "../src/internal/statement/tables.ts"

const one = (sql: string) =>
  Effect.map(prepare(sql), ([prepared]) => {
    assert(prepared !== undefined)
    return prepared
  })

describe("unqualified", () => {
  const cases: Readonly<Record<string, string>> = {
    "SELECT * FROM t": "SELECT * FROM t",
    "SELECT * FROM public.t": "SELECT * FROM        t",
    'UPDATE "Od.d"."t" SET n = 1 WHERE n = $1': 'UPDATE        "t" SET n = 1 WHERE n = $1',
    "SELECT 'é', 'public.t' FROM public . t, s.u": "SELECT 'é', 'public.t' FROM          t,   u",
    "WITH x AS (DELETE FROM a.t RETURNING id) INSERT INTO b.u SELECT id FROM x":
      "WITH x AS (DELETE FROM   t RETURNING id) INSERT INTO   u SELECT id FROM x"
  }
  for (const [sql, expected] of Object.entries(cases)) {
    it.effect(`takes the schemas of tables out of ${sql}`, () =>
      Effect.map(one(sql), (prepared) => assert.strictEqual(unqualified(prepared.sql, prepared.tables), expected))
    )
  }
})

describe("a prepared statement", () => {
  it.effect("knows what a statement changes", () =>
    Effect.gen(function* () {
      const prepared = yield* one(
        "WITH d AS (DELETE FROM a RETURNING id) INSERT INTO b SELECT id FROM d ON CONFLICT (id) DO UPDATE SET n = 1"
      )
      assert.sameDeepMembers(
        [...prepared.writes],
        [
          { table: "a", verb: "delete", columns: [] },
          { table: "b", verb: "insert", columns: ["n"] }
        ]
      )
      assert.deepInclude(prepared.plan, { _tag: "Plain", effects: "write", bound: Infinity, compound: true })
    })
  )

  it.effect("knows how many rows VALUES can change at most", () =>
    Effect.gen(function* () {
      assert.deepInclude((yield* one("INSERT INTO t VALUES (1), (2)")).plan, { bound: 2 })
      assert.deepInclude((yield* one("INSERT INTO t SELECT 1")).plan, { bound: Infinity })
      assert.deepInclude((yield* one("SELECT 1 FROM t FOR UPDATE")).plan, { effects: "lock", bound: 0 })
    })
  )
})
