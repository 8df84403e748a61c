/**
 * What a watched client's side of the emulator tells, beside what concurrency does.
 */
import type * as Exit from "effect/Exit"
import type { Outcome } from "../concurrency/outcome.ts"
import type { Call } from "../concurrency/transaction.ts"
import type { Witness } from "../concurrency/witness.ts"
import type * as Frame from "../protocol/frame.ts"

/** Looks on while a client's statements run. */
export interface Looker extends Witness {
  /** Looks at a statement; what it gives is called with how that went. */
  readonly begins: (call: Call) => (exit: Exit.Exit<Outcome, unknown>) => void
  /** Hears that a message, or several up to Sync, is answered, and with which error. */
  readonly answered: (error: Frame.Frame | undefined) => void
  /** Hears of a fault that was asked for, as `--fault` writes it. */
  readonly struck: (fault: string) => void
  /** Hears that the connection is over. */
  readonly closed: () => void
}
