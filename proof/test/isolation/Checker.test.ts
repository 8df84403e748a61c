import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { Name } from "../../src/isolation/Anomaly.ts"
import { check, describe as say, violations } from "../../src/isolation/Checker.ts"
import { append, type History, type Operation, read, readList, write } from "../../src/isolation/History.ts"
import { type Defect, type Plan, run } from "./store.ts"

/** Transactions of sessions of their own, at the same time, that committed unless it says otherwise. */
const history = (
  ...transactions: ReadonlyArray<{
    readonly operations: ReadonlyArray<Operation>
    readonly aborted?: boolean
    readonly session?: number
  }>
): History =>
  transactions.map(({ aborted, operations, session }, id) => ({
    id,
    session: session ?? id,
    outcome: aborted === true ? "Aborted" : "Committed",
    operations
  }))

const names = (of: History): ReadonlyArray<Name> => [...new Set(check(of).map(({ name }) => name))]

/** One history for each anomaly. */
const shown: ReadonlyArray<readonly [Name, string, History]> = [
  ["internal", "a read that lacks its own write", history({ operations: [append("x", 1), readList("x", [])] })],
  [
    "internal",
    "a read that differs from the one before",
    history({ operations: [append("x", 1)] }, { operations: [readList("x", []), readList("x", [1])] })
  ],
  [
    "internal",
    "a register that does not hold what was written",
    history({ operations: [write("x", 1), read("x", undefined)] })
  ],
  ["duplicate", "one value twice", history({ operations: [append("x", 1)] }, { operations: [readList("x", [1, 1])] })],
  ["phantom", "a value of nobody", history({ operations: [readList("x", [9])] })],
  [
    "incompatible-order",
    "two orders of one list",
    history(
      { operations: [append("x", 1)] },
      { operations: [append("x", 2)] },
      { operations: [readList("x", [1, 2])] },
      { operations: [readList("x", [2, 1])] }
    )
  ],
  [
    "G1a",
    "a list read with what was rolled back",
    history({ operations: [append("x", 1)], aborted: true }, { operations: [readList("x", [1])] })
  ],
  [
    "G1a",
    "a register read with what was rolled back",
    history({ operations: [write("x", 1)], aborted: true }, { operations: [read("x", 1)] })
  ],
  [
    "G1b",
    "half of a transaction",
    history({ operations: [append("x", 1), append("x", 2)] }, { operations: [readList("x", [1])] })
  ],
  [
    "G0",
    "two lists in opposite orders",
    history(
      { operations: [append("x", 1), append("y", 1)] },
      { operations: [append("x", 2), append("y", 2)] },
      { operations: [readList("x", [1, 2])] },
      { operations: [readList("y", [2, 1])] }
    )
  ],
  [
    "G1c",
    "each reads the other",
    history({ operations: [append("x", 1), readList("y", [2])] }, { operations: [append("y", 2), readList("x", [1])] })
  ],
  [
    "lost-update",
    "two replace one version",
    history(
      { operations: [write("x", 1)] },
      { operations: [read("x", 1), write("x", 2)] },
      { operations: [read("x", 1), write("x", 3)] }
    )
  ],
  [
    "G-single",
    "a reader sees half of a transfer",
    history({ operations: [append("x", 1), append("y", 1)] }, { operations: [readList("x", [1]), readList("y", [])] })
  ],
  [
    "G-single",
    "a session that does not see its own past",
    history({ operations: [append("x", 1)], session: 7 }, { operations: [readList("x", [])], session: 7 })
  ],
  [
    "G-nonadjacent",
    "two readers see two writers in opposite orders",
    history(
      { operations: [append("x", 1)] },
      { operations: [append("y", 1)] },
      { operations: [readList("x", [1]), readList("y", [])] },
      { operations: [readList("x", []), readList("y", [1])] }
    )
  ],
  [
    "G2-item",
    "each writes what the other has read",
    history({ operations: [readList("x", []), append("y", 1)] }, { operations: [readList("y", []), append("x", 1)] })
  ],
  [
    "G2-item",
    "the same with registers",
    history(
      { operations: [write("x", 1), write("y", 1)] },
      { operations: [read("x", 1), read("y", 1), write("x", 2)] },
      { operations: [read("x", 1), read("y", 1), write("y", 2)] }
    )
  ]
]

const plans: fc.Arbitrary<ReadonlyArray<Plan>> = fc.array(
  fc.record({
    session: fc.nat(3),
    operations: fc.array(fc.record({ key: fc.constantFrom("x", "y", "z"), write: fc.boolean() }), {
      minLength: 1,
      maxLength: 4
    }),
    abort: fc.integer({ min: 0, max: 9 }).map((number) => number === 0)
  }),
  { maxLength: 16 }
)

/** Which session goes next, as often as there are steps. */
const choices = fc.infiniteStream(fc.nat(11)).map((numbers) => (among: number) => {
  const { value } = numbers.next()
  return typeof value === "number" && among > 0 ? value % among : 0
})

/** Every anomaly that a broken store shows in some of many histories. */
const foundWith = (defect: Defect): Set<Name> => {
  const found = new Set<Name>()
  fc.assert(
    fc.property(plans, choices, (planned, choose) => {
      for (const { name } of violations(run(planned, choose, defect))) found.add(name)
    }),
    { numRuns: 300 }
  )
  return found
}

describe("the isolation checker", () => {
  it.each(shown)("finds %s: %s", (name, _, broken) => {
    // The gravest comes first; one broken thing may break others.
    assert.strictEqual(names(broken)[0], name)
  })

  it("finds a write that a later reader does not see, by the time at which both were", () => {
    const late = history({ operations: [append("x", 1)] }, { operations: [readList("x", [])] })
    assert.deepStrictEqual(names(late), [])
    const at = (transaction: History[number], began: number) => ({ ...transaction, began, ended: began + 1 })
    const [first, second] = late
    assert.isDefined(first)
    assert.isDefined(second)
    const timed = [at(first, 1), at(second, 3)]
    assert.deepStrictEqual(names(timed), ["G-single"])
  })

  it("takes a transaction of unknown outcome for what others saw of it", () => {
    const [writer] = history({ operations: [append("x", 1), append("y", 1)] })
    assert.isDefined(writer)
    const unknown = { ...writer, outcome: "Unknown" as const }
    const reader = (...operations: ReadonlyArray<Operation>): History => [
      unknown,
      { id: 1, session: 1, outcome: "Committed", operations }
    ]
    assert.deepStrictEqual(names(reader(readList("x", []), readList("y", []))), [])
    assert.deepStrictEqual(names(reader(readList("x", [1]), readList("y", [1]))), [])
    assert.deepStrictEqual(names(reader(readList("x", [1]), readList("y", []))), ["G-single"])
  })

  it("says which transactions, and what connects them", () => {
    const [anomaly] = check(
      history({ operations: [append("x", 1), append("y", 1)] }, { operations: [readList("x", [1]), readList("y", [])] })
    )
    assert.isDefined(anomaly)
    assert.match(say(anomaly), /^G-single \(read skew: .*\) of transactions 0, 1: T0 -wr-> T1 .*T1 -rw-> T0/)
  })

  it("finds nothing in thousands of histories of snapshot isolation", () => {
    fc.assert(
      fc.property(plans, choices, (planned, choose) => {
        assert.deepStrictEqual(violations(run(planned, choose)), [])
      }),
      { numRuns: 3_000 }
    )
  })

  it("finds write skew in some of them", () => {
    let skews = 0
    fc.assert(
      fc.property(plans, choices, (planned, choose) => {
        skews += check(run(planned, choose)).length
      }),
      { numRuns: 300 }
    )
    assert.isAbove(skews, 0)
  })

  it("finds what a store does that does not look for conflicts", () => {
    assert.includeMembers([...foundWith("no-conflicts")], ["incompatible-order"])
  })

  it("finds what a store does that shows what is not committed", () => {
    assert.includeMembers([...foundWith("dirty-reads")], ["G1a", "internal"])
  })

  it("finds what a store does that takes a snapshot for each read", () => {
    assert.includeMembers([...foundWith("read-committed")], ["internal", "G-single"])
  })
})
