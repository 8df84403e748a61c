/**
 * Where a write is cut.
 */
import type { Faults } from "@effect-dsql/emulator"

/**
 * A message that is on its way until the outcome has been settled, and with `putBack` until somebody else has put back
 * what the write had found; or a statement that was run and is committed then.
 */
type Delay =
  | { readonly late: "statement"; readonly putBack?: true }
  | { readonly late: "COMMIT" }
  | { readonly underWay: "COMMIT" }

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
} as const satisfies Record<string, Pick<Faults.Rule, "fault" | "on"> | Delay>

export type Step = keyof typeof steps

export const names = Object.keys(steps) as ReadonlyArray<Step>
