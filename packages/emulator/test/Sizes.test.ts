import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { gives, tells } from "./wireClient.ts"

const tooLong = (type: string) => `0A000 datatype limit greater than 1048576 bytes not supported for ${type}`
const tooLarge = "54000 row size limit 2mb exceeded"
const keyTooLong = (index: string) => `54000 index row size exceeds maximum 1024 for index "${index}"`

layer(Shared.layer(), { excludeTestServices: true, timeout: "60 seconds" })("sizes", (it) => {
  const table = (name: string) =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      yield* tells(client, `CREATE TABLE ${name} (k text PRIMARY KEY, a text, b text, c bytea, d json)`, "CREATE TABLE")
      return client
    })

  it.effect("a value has 1 MiB at most, and fails its statement", () =>
    Effect.gen(function* () {
      const client = yield* table("v")
      yield* tells(client, "INSERT INTO v (k, a) VALUES ('most', repeat('x', 1048576))", "INSERT 0 1")
      yield* tells(client, "INSERT INTO v (k, a) VALUES ('more', repeat('x', 1048577))", tooLong("text"))
      yield* tells(client, `INSERT INTO v (k, a) VALUES ('sent', '${"x".repeat(1_048_577)}')`, tooLong("text"))
      yield* tells(client, "UPDATE v SET a = a || 'x'", tooLong("text"))
      yield* tells(client, "UPDATE v SET c = decode(repeat('00', 1048577), 'hex')", tooLong("bytea"))
      yield* tells(client, `UPDATE v SET d = ('"' || a || '"')::json`, tooLong("json"))
      yield* tells(client, "INSERT INTO v (k, a) SELECT 'copy', a || a FROM v", tooLong("text"))
      const conflict = "ON CONFLICT (k) DO UPDATE SET a = v.a || excluded.a"
      yield* tells(client, `INSERT INTO v (k, a) VALUES ('most', 'x') ${conflict}`, tooLong("text"))
      const cte = "WITH w AS (UPDATE v SET b = a || 'x' RETURNING k) SELECT k FROM w"
      yield* tells(client, cte, tooLong("text"))
      yield* gives(client, "SELECT k, length(a), b, c, d FROM v", [["most", "1048576", null, null, null]])
    })
  )

  it.effect("a row has 2 MiB at most, whatever it is compressed to", () =>
    Effect.gen(function* () {
      const client = yield* table("r")
      yield* tells(client, "INSERT INTO r (k, a) VALUES ('k', repeat('x', 1000000))", "INSERT 0 1")
      yield* tells(client, "UPDATE r SET b = a", "UPDATE 1")
      yield* tells(client, "UPDATE r SET c = decode(repeat('00', 97151), 'hex')", "UPDATE 1")
      yield* tells(client, "UPDATE r SET c = decode(repeat('00', 97152), 'hex')", tooLarge)
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, "UPDATE r SET d = '1'", tooLarge)
      yield* tells(client, "COMMIT", "ROLLBACK")
      yield* tells(client, "INSERT INTO r SELECT 'other', a, b, c FROM r", tooLarge)
      yield* tells(client, "INSERT INTO r SELECT 'o', a, b, c FROM r", "INSERT 0 1")
    })
  )

  it.effect("a primary key has 1 KiB at most, all columns together", () =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      yield* tells(client, "CREATE TABLE p (t text, u uuid, b bytea, n int, PRIMARY KEY (t, u, b))", "CREATE TABLE")
      const insert = (text: number, bytes: number) =>
        `INSERT INTO p VALUES (repeat('x', ${text}), gen_random_uuid(), decode(repeat('00', ${bytes}), 'hex'))`
      yield* tells(client, insert(1_000, 8), "INSERT 0 1")
      yield* tells(client, insert(1_000, 9), keyTooLong("p_pkey"))
      yield* tells(client, "UPDATE p SET t = t || 'x'", keyTooLong("p_pkey"))
      yield* tells(client, "UPDATE p SET n = 1", "UPDATE 1")
    })
  )

  it.effect("parameters and prepared statements are no way around", () =>
    Effect.gen(function* () {
      yield* table("q")
      const client = yield* Shared.client()
      const insert = (k: string, a: string) =>
        Effect.promise(() =>
          client.query({ name: "put", text: "INSERT INTO q (k, a) VALUES ($1, $2)", values: [k, a] }).then(
            () => "ok",
            (error: unknown) => (error instanceof Error ? error.message : error)
          )
        )
      assert.strictEqual(yield* insert("a", "x".repeat(1_048_576)), "ok")
      assert.strictEqual(yield* insert("b", "ä".repeat(524_289)), tooLong("text").slice(6))
      assert.strictEqual(yield* insert("k".repeat(1_025), ""), keyTooLong("q_pkey").slice(6))
      assert.strictEqual(yield* insert("c", ""), "ok")
    })
  )

  it.effect("columns come and go, and nothing of it shows in the catalogue", () =>
    Effect.gen(function* () {
      const client = yield* table("w")
      yield* tells(client, "ALTER TABLE w DROP COLUMN b", "ALTER TABLE")
      yield* tells(client, "ALTER TABLE w ADD COLUMN e text", "ALTER TABLE")
      yield* tells(client, "ALTER TABLE w RENAME COLUMN k TO key", "ALTER TABLE")
      yield* tells(client, "ALTER TABLE w RENAME TO x", "ALTER TABLE")
      yield* tells(client, "INSERT INTO x (key, e) VALUES ('k', repeat('x', 1048577))", tooLong("text"))
      yield* tells(client, "INSERT INTO x (key) VALUES (repeat('x', 1025))", keyTooLong("w_pkey"))
      yield* gives(client, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", [["0"]])
      yield* gives(client, "SELECT count(*) FROM information_schema.triggers", [["0"]])
      yield* gives(client, "SELECT contype, conname FROM pg_constraint WHERE conrelid = 'x'::regclass", [
        ["p", "w_pkey"]
      ])
      yield* tells(client, "DROP TABLE x", "DROP TABLE")
    })
  )
})
