import { BranchToken, HistoryBranch, Identifiers } from "@effect-dsql/persistence"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"

const id = (digit: string) => `${digit.repeat(8)}-0000-0000-0000-${digit.repeat(12)}`
const root = HistoryBranch.root(Identifiers.TreeId.make(id("1")), Identifiers.BranchId.make(id("2")))
const branch = HistoryBranch.fork(root, 300n, Identifiers.BranchId.make(id("3")))

const hex = (text: string) => Buffer.from(text).toString("hex")

/** Tree id, branch id, and one ancestor from node 1 to node 300. */
const token = Buffer.from(`0a24${hex(id("1"))}1224${hex(id("3"))}1a2b0a24${hex(id("2"))}100118ac02`, "hex")

const decode = Schema.decodeEffect(BranchToken.BranchToken)

describe("a branch token", () => {
  it.effect("is the message that Temporal names a branch by, and is read back", () =>
    Effect.gen(function* () {
      const made = Schema.encodeSync(BranchToken.BranchToken)(branch)
      assert.strictEqual(Buffer.from(made).toString("hex"), token.toString("hex"))
      assert.deepStrictEqual(yield* decode(Uint8Array.from(token)), branch)
    })
  )

  it.effect("is read without the fields that are not known, and refused where it is cut or names no branch", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* decode(Uint8Array.from([...token, 0x22, 0x01, 0x78])), branch)
      for (const bytes of [[], [0x0a], [...token.subarray(0, 50)], [0x0a, 0x01, 0x78]]) {
        assert.strictEqual((yield* Effect.flip(decode(Uint8Array.from(bytes))))._tag, "SchemaError")
      }
    })
  )
})
