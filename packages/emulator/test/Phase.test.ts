import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Phase from "../src/internal/concurrency/phase.ts"

const begun: Phase.Event = { _tag: "Begun", snapshot: 7 }
const event = fc.constantFrom<Phase.Event>(
  begun,
  { _tag: "RolledToBase" },
  { _tag: "Restored" },
  { _tag: "Beaten" },
  { _tag: "Copied", tables: ["t"] },
  { _tag: "Failed" }
)
const after = (events: ReadonlyArray<Phase.Event>) => events.reduce(Phase.after, Phase.unbegun)

/** That a transaction that has been in this phase is in one of those, whatever happens next. */
const stays = (phase: Phase.Phase["_tag"], within: ReadonlyArray<Phase.Phase["_tag"]>) =>
  fc.assert(
    fc.property(fc.array(event), fc.array(event), (before, next) => {
      fc.pre(after(before)._tag === phase)
      assert.include(within, after([...before, ...next])._tag)
    })
  )

describe("the phase of a transaction", () => {
  it("never leaves failure", () => stays("Failed", ["Failed"]))

  it("leaves doom for failure only", () => stays("Doomed", ["Doomed", "Failed"]))

  it("is unbegun again never once it has begun", () => stays("Live", ["Live", "Parked", "Doomed", "Failed"]))

  it("keeps the first snapshot for as long as it has one", () =>
    fc.assert(
      fc.property(fc.array(event), (events) => {
        assert.include([undefined, 7], Phase.snapshotOf(after([begun, ...events, { _tag: "Begun", snapshot: 8 }])))
      })
    ))

  it("comes back from being parked", () =>
    assert.deepStrictEqual(after([begun, { _tag: "RolledToBase" }, { _tag: "Restored" }]), after([begun])))

  it("forgets private copies when they are rolled back", () => {
    const copied = [
      begun,
      { _tag: "Beaten" },
      { _tag: "Copied", tables: ["a"] },
      { _tag: "Copied", tables: ["b"] }
    ] as const
    assert.deepStrictEqual(after(copied), { _tag: "Doomed", snapshot: 7, copies: new Set(["a", "b"]) })
    assert.deepStrictEqual(after([...copied, { _tag: "RolledToBase" }]), {
      _tag: "Doomed",
      snapshot: 7,
      copies: undefined
    })
  })
})
