/**
 * Where a write is cut.
 */
import type { Faults } from "@effect-dsql/emulator"
import { Array as Arr } from "effect"

/**
 * A message that is on its way until the outcome has been settled, and with `putBack` until somebody else has put back
 * what the write had found; or a statement that was run and is committed then.
 */
type Delay =
  | { readonly late: "statement"; readonly putBack?: true }
  | { readonly late: "COMMIT" }
  | { readonly underWay: "COMMIT" }

type How = Pick<Faults.Rule, "fault" | "on"> | Delay

/** What the emulator does at each step, or the network. */
export const steps = {
  "before the statement": { on: "statement", fault: "cut" },
  "in the statement": { on: "statement", fault: "unavailable" },
  "before COMMIT": { on: "commit", fault: "cut" },
  "in COMMIT": { on: "commit", fault: "unavailable" },
  "after COMMIT": { on: "commit", fault: "cut-after" },
  "after COMMIT, XX000": { on: "commit", fault: "unavailable-after" },
  "COMMIT under way": { underWay: "COMMIT" },
  "the statement is late": { late: "statement" },
  "the statement is late, all put back": { late: "statement", putBack: true },
  "COMMIT is late": { late: "COMMIT" }
} as const satisfies Record<string, How>

export type Step = keyof typeof steps

export const names = Object.keys(steps) as ReadonlyArray<Step>

/** What a step falls on: messages that are counted by the emulator, or by the network. */
const placeOf = (how: How): string =>
  "fault" in how ? how.on : "late" in how ? `late ${how.late}` : `${how.underWay} under way`

/**
 * The steps that fall on the same messages, in their order. A write has as many of these for one step as for another:
 * what is done to a message changes nothing of what came before it.
 */
export const places: ReadonlyArray<Arr.NonEmptyReadonlyArray<Step>> = Object.values(
  Arr.groupBy(names, (step) => placeOf(steps[step]))
)
