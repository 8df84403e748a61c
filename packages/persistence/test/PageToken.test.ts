import { PageToken } from "@effect-dsql/persistence"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import fc from "fast-check"
import { crc32 } from "node:zlib"
import * as Tokens from "../src/internal/page/tokens.ts"

const position = Schema.Struct({ id: Schema.BigInt, name: Schema.String })

const tasks = Tokens.codec("tasks", position)

describe("PageToken", () => {
  it.effect("gives back the position that it was made of", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.bigInt(), fc.string({ unit: "binary" }), async (id, name) => {
          assert.deepStrictEqual(await Effect.runPromise(tasks.decode(tasks.encode({ id, name }))), { id, name })
        })
      )
    )
  )

  it.effect("refuses the token of another list, with the same shape of position", () =>
    Effect.gen(function* () {
      const foreign = Tokens.codec("shards", position).encode({ id: 1n, name: "a" })
      const error = yield* Effect.flip(tasks.decode(foreign))
      assert.strictEqual(error._tag, "PageTokenInvalid")
      assert.strictEqual(error.list, "tasks")
    })
  )

  it.effect("refuses the token of another part of its own list", () =>
    Effect.gen(function* () {
      const first = tasks.of("shard 1")
      const token = first.encode({ id: 1n, name: "a" })
      assert.deepStrictEqual(yield* first.decode(token), { id: 1n, name: "a" })
      for (const other of [tasks.of("shard 2"), tasks]) {
        assert.strictEqual((yield* Effect.flip(other.decode(token)))._tag, "PageTokenInvalid")
      }
    })
  )

  it.effect("refuses the token of a part whose name has the same CRC", () =>
    Effect.gen(function* () {
      const [one, other] = [1_758_104_715_314_145n, 1_758_180_111_540_333n].map((max) =>
        tasks.of(`timer_tasks (shard_id = 7) from 0 to ${max}`)
      )
      assert.isDefined(one)
      assert.isDefined(other)
      assert.strictEqual(crc32(one.list), crc32(other.list))
      const refused = yield* Effect.flip(other.decode(one.encode({ id: 1n, name: "a" })))
      assert.strictEqual(refused._tag, "PageTokenInvalid")
    })
  )

  it.effect("refuses a token that was cut anywhere, altered anywhere, or never was one", () =>
    Effect.gen(function* () {
      const token = tasks.encode({ id: 7n, name: "seven" })
      const broken = [
        ...Array.from({ length: token.length - 1 }, (_, length) => token.slice(0, length + 1)),
        ...Array.from(token, (letter, at) => token.slice(0, at) + (letter === "x" ? "y" : "x") + token.slice(at + 1)),
        "nonsense",
        `${token}.more`
      ]
      for (const text of broken) {
        const error = yield* Effect.flip(tasks.decode(PageToken.PageToken.make(text)))
        assert.strictEqual(error._tag, "PageTokenInvalid", text)
      }
    })
  )
})
