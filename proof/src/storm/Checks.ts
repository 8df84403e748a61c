/**
 * What must hold after a storm, whatever went wrong in it.
 */
import * as Runners from "./checks/Runners.ts"
import * as Shapes from "./checks/Shapes.ts"
import * as Tokens from "./checks/Tokens.ts"
import * as Traces from "./checks/Traces.ts"
import type { Ledger } from "./Ledger.ts"
import type { Stored } from "./Stored.ts"

/** A promise, and what breaks it. */
export interface Check {
  readonly promise: Promised
  readonly broken: ReadonlyArray<string>
}

const promises = {
  "every acknowledged write is there": Traces.missing,
  "no write is there twice": Traces.repeated,
  "nothing is there that was refused": Traces.unasked,
  "no job is given to two workers": Traces.twice,
  "no write has an older token than the newest": Tokens.stale,
  "no token was given twice": Tokens.shared,
  "current executions have their runs": Shapes.currents,
  "histories have no gaps": Shapes.histories,
  "queues lose and repeat no ids": Shapes.numbers,
  "every request has one exit": Runners.exits,
  "no message is lost": Runners.lost,
  "each activity's effect is there once": Runners.effects,
  "no entity is on two runners at one time": Runners.together
} as const satisfies Record<string, (ledger: Ledger, stored: Stored) => ReadonlyArray<string>>

export type Promised = keyof typeof promises | "nothing grows in a process that lives"

/** Holds what is stored against what the workers were told. */
export const checks = (ledger: Ledger, stored: Stored): ReadonlyArray<Check> =>
  (Object.keys(promises) as ReadonlyArray<keyof typeof promises>).map((promise) => ({
    promise,
    broken: promises[promise](ledger, stored)
  }))
