/**
 * What transactions did and saw, as their clients know it: the input of the checker.
 *
 * Two kinds of object: lists, to which transactions append values, and
 * registers, which they overwrite. Each value is written once per key in a
 * history, so a read says whose write it saw. Lists tell more: a read of one
 * shows the order of all writes before it.
 */

/** One operation of a transaction, in the order in which it ran. */
export type Operation =
  | { readonly _tag: "Append"; readonly key: string; readonly value: number }
  | { readonly _tag: "ReadList"; readonly key: string; readonly values: ReadonlyArray<number> }
  | { readonly _tag: "Write"; readonly key: string; readonly value: number }
  /** Undefined where the register had never been written. */
  | { readonly _tag: "Read"; readonly key: string; readonly value: number | undefined }

/** A transaction as its client knows it. */
export interface Transaction {
  readonly id: number
  /** Who ran it: the transactions of one session follow each other. */
  readonly session: number
  /** Unknown where the answer to COMMIT was lost. */
  readonly outcome: "Committed" | "Aborted" | "Unknown"
  readonly operations: ReadonlyArray<Operation>
  /** When it began and when its client heard the outcome, on one counter for the whole history. */
  readonly began?: number | undefined
  readonly ended?: number | undefined
}

export type History = ReadonlyArray<Transaction>

export const append = (key: string, value: number): Operation => ({ _tag: "Append", key, value })

export const readList = (key: string, values: ReadonlyArray<number>): Operation => ({ _tag: "ReadList", key, values })

export const write = (key: string, value: number): Operation => ({ _tag: "Write", key, value })

export const read = (key: string, value: number | undefined): Operation => ({ _tag: "Read", key, value })

/** Whether the operation changes its object. */
export const isWrite = (
  operation: Operation
): operation is Extract<Operation, { readonly value: number }> & {
  readonly _tag: "Append" | "Write"
} => operation._tag === "Append" || operation._tag === "Write"
