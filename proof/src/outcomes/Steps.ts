/**
 * Where a write is cut.
 */
import type { Faults } from "@effect-dsql/emulator"

/** What the emulator does at each step; the last one takes more than a fault. */
export const steps = {
  "before the statement": { on: "statement", fault: "cut" },
  "in the statement": { on: "statement", fault: "unavailable" },
  "before COMMIT": { on: "commit", fault: "cut" },
  "in COMMIT": { on: "commit", fault: "unavailable" },
  "after COMMIT": { on: "commit", fault: "cut-after" },
  "after COMMIT, XX000": { on: "commit", fault: "unavailable-after" },
  "COMMIT under way": "held"
} as const satisfies Record<string, Pick<Faults.Rule, "fault" | "on"> | "held">

export type Step = keyof typeof steps

export const names = Object.keys(steps) as ReadonlyArray<Step>
