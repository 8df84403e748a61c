/**
 * Jobs as they are claimed, and what becomes of them.
 */

/** Names a job of a queue. */
export interface Key {
  readonly queue: string
  readonly bucket: number
  readonly id: string
}

/** A job that a worker has, until its lease ends. */
export interface Claimed extends Key {
  /** Proves that it is this claim, and not a later one. */
  readonly claim: string
  /** How often it has been claimed, this time included. */
  readonly attempts: number
  /** As it was stored: JSON. */
  readonly element: string
}

/** What becomes of a claim. */
export type Outcome =
  | { readonly _tag: "Completed" }
  /** A dead letter. */
  | { readonly _tag: "Failed"; readonly failure: string }
  /** It may be claimed again after some milliseconds. */
  | { readonly _tag: "Retried"; readonly delay: number; readonly failure: string }
  /** As if it had not been claimed. */
  | { readonly _tag: "Released" }

/** A claim, and what becomes of it. */
export interface Settlement {
  readonly job: Claimed
  readonly outcome: Outcome
}

/** What of a failure is kept: so many UTF-16 code units of its text, which are three bytes each at most. */
export const failureLength = 2_000

export const failureBytes = 3 * failureLength
