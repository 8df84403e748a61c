import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as Shared from "./shared.ts"
import { ask, conflict, gives, said, tells, type WireClient } from "./wireClient.ts"

const data = (text: string | Buffer) => Frame.make(Frame.code.copyData, Buffer.from(text))
const done = Frame.make(Frame.code.copyDone)

/** Copies rows in with one message, as psql and pg-copy-streams do. */
const copy = (client: WireClient, sql: string, ...rows: ReadonlyArray<string | Buffer>) =>
  client.send(Buffer.concat([ClientMessage.query(sql), ...rows.map(data), done]))

layer(Shared.layer(), { excludeTestServices: true })("COPY", (it) => {
  let tables = 0
  const table = Effect.gen(function* () {
    const client = yield* Shared.wire()
    const name = `t${++tables}`
    yield* tells(client, `CREATE TABLE ${name} (id int PRIMARY KEY, note text)`, "CREATE TABLE")
    return { client, name }
  })

  it.effect("takes rows as text, as CSV and as binary, and gives them back", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      assert.strictEqual(said(yield* copy(client, `COPY ${name} FROM STDIN`, "1\ta", "\n2\t\\N\n")), "COPY 2")
      assert.strictEqual(said(yield* copy(client, `COPY ${name} (id) FROM STDIN WITH (FORMAT csv)`, "3\n")), "COPY 1")
      const out = yield* client.query(`COPY ${name} TO STDOUT (FORMAT binary)`)
      const rows = out.frames.filter((frame) => frame[0] === Frame.code.copyData).map((frame) => frame.subarray(5))
      yield* tells(client, `DELETE FROM ${name}`, "DELETE 3")
      assert.strictEqual(said(yield* copy(client, `COPY ${name} FROM STDIN (FORMAT binary)`, ...rows)), "COPY 3")
      const text = yield* client.query(`COPY (SELECT id, note FROM ${name} ORDER BY id) TO STDOUT (FORMAT csv)`)
      const lines = text.frames
        .filter((frame) => frame[0] === Frame.code.copyData)
        .map((frame) => String(frame.subarray(5)))
      assert.deepStrictEqual(lines, ["1,a\n", "2,\n", "3,\n"])
    })
  )

  it.effect("takes rows by the extended protocol, too", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const answer = yield* client.send(
        Buffer.concat([
          ClientMessage.parse("", `COPY ${name} FROM STDIN`, Frame.int16(0)),
          ClientMessage.bind("", "", Buffer.alloc(6)),
          ClientMessage.execute("", 0),
          ClientMessage.sync,
          data("1\ta\n"),
          done,
          ClientMessage.sync
        ])
      )
      assert.strictEqual(said(answer), "COPY 1")
      yield* gives(client, `SELECT * FROM ${name}`, [["1", "a"]])
    })
  )

  it.effect("counts its rows, and fails as a whole", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const lines = (to: number) => Array.from({ length: to }, (_, n) => `${n}\tx\n`).join("")
      const sql = `COPY ${name} FROM STDIN`
      assert.strictEqual(said(yield* copy(client, sql, lines(3001))), "54000 transaction row limit exceeded")
      assert.match(said(yield* copy(client, sql, "1\ta\n1\tb\n")), /^23505 /)
      assert.match(said(yield* copy(client, sql, "x\ta\n")), /^22P02 /)
      assert.match(yield* ask(client, "COPY nowhere FROM STDIN"), /^42P01 /)
      const failed = yield* client.send(
        Buffer.concat([ClientMessage.query(sql), data("1\ta\n"), ClientMessage.copyFail("no more")])
      )
      assert.strictEqual(said(failed), "57014 COPY from stdin failed: no more")
      yield* gives(client, `SELECT count(*) FROM ${name}`, [["0"]])
      assert.strictEqual(said(yield* copy(client, sql, lines(3000))), "COPY 3000")
    })
  )

  it.effect("survives in a transaction that was in another's way, and conflicts like any insert", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const other = yield* Shared.wire()
      yield* tells(client, `INSERT INTO ${name} VALUES (0, '')`, "INSERT 0 1")
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `UPDATE ${name} SET note = 'mine' WHERE id = 0`, "UPDATE 1")
      assert.strictEqual(said(yield* copy(client, `COPY public.${name} FROM STDIN`, "1\ta\n")), "COPY 1")
      yield* tells(other, "BEGIN", "BEGIN")
      yield* tells(other, `UPDATE ${name} SET note = 'yours' WHERE id = 0`, "UPDATE 1")
      yield* tells(client, "COMMIT", "COMMIT")
      yield* tells(other, "COMMIT", conflict)
      yield* gives(client, `SELECT note FROM ${name} ORDER BY id`, [["mine"], ["a"]])
    })
  )
})
