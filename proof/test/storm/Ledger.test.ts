import { assert, describe, it } from "@effect/vitest"
import * as Ledger from "../../src/storm/Ledger.ts"

const note: Ledger.Deed = { _tag: "Note", shardId: 1, rangeId: 2n }

const lines: ReadonlyArray<Ledger.Entry> = [
  { _tag: "Began", op: "a", at: 1n, deed: note },
  { _tag: "Began", op: "b", at: 2n, deed: { _tag: "Message" } },
  { _tag: "Ended", op: "a", at: 3n, outcome: "Refused", error: "ShardOwnershipLost" },
  { _tag: "Ended", op: "b", at: 2n ** 60n + 1n, outcome: "Applied", value: 7n }
]

const text = lines.map((line) => `${Ledger.encode(line)}\n`).join("")

describe("a ledger", () => {
  it("gives each write with what its worker was told", () => {
    const { attempts } = Ledger.collect(Ledger.parse(text))
    assert.deepStrictEqual(
      attempts.map(({ ended, error, op, outcome, value }) => [op, outcome, error, value, ended]),
      [
        ["a", "Refused", "ShardOwnershipLost", undefined, 3n],
        ["b", "Applied", undefined, 7n, 2n ** 60n + 1n]
      ]
    )
  })

  it("does not know what became of a write whose worker was killed, wherever that was", () => {
    for (let end = text.length - 1; end >= 0; end--) {
      const { attempts } = Ledger.collect(Ledger.parse(text.slice(0, end)))
      assert.isTrue(attempts.every(({ outcome, op }) => outcome === (op === "a" ? outcome : "Unknown")))
    }
  })
})
