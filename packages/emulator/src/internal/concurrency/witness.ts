/**
 * Who looks on while a session works, where somebody watches: concurrency tells it what nobody else can.
 */
import * as Effect from "effect/Effect"
import type { RowLocks } from "../database/rowLocks.ts"
import * as Refusal from "../statement/refusal.ts"
import type { Call, Transaction } from "./transaction.ts"

/** How a transaction came to lose, as far as its loser knows. */
export interface Encounter {
  /** Undefined for a statement that PostgreSQL ran by itself. */
  readonly transaction: Transaction | undefined
  /** The statement that met another's row. */
  readonly call: Call | undefined
  /** The lock that stood against it, and the place of the commit that had it. */
  readonly lock?: (RowLocks & { readonly sequence: number }) | undefined
}

/** Who looks on while a session works. */
export interface Witness {
  /** Whether only PostgreSQL can name the rows that the transaction has changed or locked. */
  readonly isHidden: () => boolean
  /** Takes PostgreSQL's ids of the transaction, before it commits. */
  readonly identified: (ids: ReadonlyArray<string>) => void
  /** Hears at which place in the order of commits the transaction has committed, and how many rows it changed, if it counted. */
  readonly committed: (sequence: number, rows: number | undefined) => void
  /** Finds out who was first; gives what the client is told. */
  readonly lost: (encounter: Encounter) => Effect.Effect<Refusal.Refusal>
}

/** What a client is told whose transaction met another's. */
export const conflict = (
  { witness }: { readonly witness: Witness | undefined },
  encounter: Encounter
): Effect.Effect<Refusal.Refusal> =>
  witness === undefined ? Effect.succeed(Refusal.dataConflict) : witness.lost(encounter)
