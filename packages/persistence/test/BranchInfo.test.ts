import { Identifiers } from "@effect-dsql/persistence"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import fc from "fast-check"
import * as BranchInfo from "../src/internal/history/branchInfo.ts"

const place = { table: "history_tree", key: { branch_id: "b" } }

const treeId = Identifiers.TreeId.make("11111111-2222-4333-8444-555555555555")
const branchId = Identifiers.BranchId.make("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")

/** The message as Temporal's generated code writes it, field by field. */
const golden = Buffer.from(
  [
    // branch_info: 134 bytes
    `0a 86 01`,
    `0a 24 ${Buffer.from(treeId).toString("hex")}`,
    `12 24 ${Buffer.from(branchId).toString("hex")}`,
    // ancestors: branch_id, begin_node_id = 1, end_node_id = 300
    `1a 2b 0a 24 ${Buffer.from(treeId).toString("hex")} 10 01 18 ac 02`,
    // a field 4 that is not known
    `22 0b 6e 6f 74 20 6b 6e 6f 77 6e 20 79`,
    // fork_time: 1758000000 s, 123000000 ns
    `12 0b 08 80 e7 a3 c6 06 10 c0 a9 d3 3a`,
    // info: "order"
    `1a 05 6f 72 64 65 72`
  ]
    .join("")
    .replaceAll(" ", ""),
  "hex"
)

const known = {
  branch: {
    treeId,
    branchId,
    ancestors: [{ branchId: Identifiers.BranchId.make(treeId), beginNodeId: 1n, endNodeId: 300n }]
  },
  forkTime: DateTime.makeUnsafe(1_758_000_000_123),
  info: "order"
}

const uuid = fc.uuid()

const infos = fc.record({
  branch: fc.record({
    treeId: uuid.map((id) => Identifiers.TreeId.make(id)),
    branchId: uuid.map((id) => Identifiers.BranchId.make(id)),
    ancestors: fc.array(
      fc.record({
        branchId: uuid.map((id) => Identifiers.BranchId.make(id)),
        beginNodeId: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        endNodeId: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      })
    )
  }),
  forkTime: fc.option(
    fc.date({ noInvalidDate: true }).map((date) => DateTime.makeUnsafe(date)),
    { nil: undefined }
  ),
  info: fc.string({ unit: "grapheme" })
})

describe("the row of a branch", () => {
  it.effect("is read as Temporal writes it, and fields that are not known are passed over", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.from(golden)
      assert.deepStrictEqual(yield* BranchInfo.decode({ data: bytes, encoding: "Proto3" }, place), known)
    })
  )

  it.effect("is read as it was written, whatever it holds", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(infos, async (info) => {
          const read = await Effect.runPromise(BranchInfo.decode(BranchInfo.encode(info), place))
          assert.deepStrictEqual(read, info)
        })
      )
    )
  )

  it.effect("is refused when it has been cut anywhere, or is noise, and never breaks the reader", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.uint8Array({ maxLength: 60 }),
            fc.tuple(infos, fc.nat()).map(([info, at]) => {
              const { data } = BranchInfo.encode(info)
              return data.slice(0, 38 + (at % 38))
            })
          ),
          async (data) => {
            const refused = await Effect.runPromise(Effect.flip(BranchInfo.decode({ data, encoding: "Proto3" }, place)))
            assert.strictEqual(refused._tag, "MalformedRow")
            assert.strictEqual(refused.table, "history_tree")
          }
        )
      )
    )
  )
})
