import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import * as Shared from "./shared.ts"
import { gives, tells } from "./wireClient.ts"

/** SQL of bytes, and of characters, that no compression makes fewer. */
const bytes = (length: number) =>
  `(SELECT substr(string_agg(sha256(convert_to(i::text, 'UTF8')), ''::bytea), 1, ${length}) FROM generate_series(1, ${Math.ceil(length / 32)}) i)`
const noise = (length: number) =>
  `left(replace(encode(${bytes(Math.ceil(length * 0.75))}, 'base64'), E'\\n', ''), ${length})`

const random = (length: number) => randomBytes(length).toString("base64").slice(0, length)

const tooLong = (type: string) => `54000 datatype limit greater than 1048576 bytes not supported for ${type}`
const tooLarge = "54000 maximum row size exceeded"
const keyTooLong = (index: string) => `54000 index row size exceeds maximum 1024 for index "${index}"`

layer(Shared.layer(), { excludeTestServices: true })("sizes", (it) => {
  const table = (name: string) =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      yield* tells(client, `CREATE TABLE ${name} (k text PRIMARY KEY, a text, b text, c bytea, d json)`, "CREATE TABLE")
      return client
    })

  it.effect("a value has 1 MiB at most, and fails its statement", () =>
    Effect.gen(function* () {
      const client = yield* table("v")
      yield* tells(client, `INSERT INTO v (k, a) VALUES ('most', ${noise(1_048_576)})`, "INSERT 0 1")
      yield* tells(client, `INSERT INTO v (k, a) VALUES ('more', ${noise(1_048_577)})`, tooLong("text"))
      yield* tells(client, `INSERT INTO v (k, a) VALUES ('sent', '${random(1_048_577)}')`, tooLong("text"))
      yield* tells(client, "UPDATE v SET a = a || 'x'", tooLong("text"))
      yield* tells(client, `UPDATE v SET c = ${bytes(1_048_577)}`, tooLong("bytea"))
      yield* tells(client, `UPDATE v SET d = ('"' || a || '"')::json`, tooLong("json"))
      yield* tells(client, "INSERT INTO v (k, a) SELECT 'copy', a || a FROM v", tooLong("text"))
      const conflict = "ON CONFLICT (k) DO UPDATE SET a = v.a || excluded.a"
      yield* tells(client, `INSERT INTO v (k, a) VALUES ('most', 'x') ${conflict}`, tooLong("text"))
      const cte = "WITH w AS (UPDATE v SET b = a || 'x' RETURNING k) SELECT k FROM w"
      yield* tells(client, cte, tooLong("text"))
      yield* gives(client, "SELECT k, length(a), b, c, d FROM v", [["most", "1048576", null, null, null]])
      yield* tells(client, "INSERT INTO v (k, a) VALUES ('compressed', repeat('x', 2097152))", "INSERT 0 1")
    })
  )

  it.effect("a row has 2 MiB at most, as it is stored", () =>
    Effect.gen(function* () {
      const client = yield* table("r")
      yield* tells(client, `INSERT INTO r (k, a) VALUES ('k', ${noise(1_000_000)})`, "INSERT 0 1")
      yield* tells(client, "UPDATE r SET b = a", "UPDATE 1")
      yield* tells(client, `UPDATE r SET c = ${bytes(97_000)}`, "UPDATE 1")
      yield* tells(client, `UPDATE r SET c = ${bytes(97_152)}`, tooLarge)
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `UPDATE r SET d = to_json(${noise(200)})`, tooLarge)
      yield* tells(client, "COMMIT", "ROLLBACK")
      yield* tells(client, `INSERT INTO r SELECT ${noise(200)}, a, b, c FROM r`, tooLarge)
      yield* tells(client, "INSERT INTO r SELECT 'o', a, b, c FROM r", "INSERT 0 1")
      yield* tells(client, "INSERT INTO r (k, a, b) SELECT 'x', x, x FROM repeat('x', 1048576) x", "INSERT 0 1")
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
      assert.strictEqual(yield* insert("a", random(1_048_576)), "ok")
      assert.strictEqual(yield* insert("b", random(1_048_577)), tooLong("text").slice(6))
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
      yield* tells(client, `INSERT INTO x (key, e) VALUES ('k', ${noise(1_048_577)})`, tooLong("text"))
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
