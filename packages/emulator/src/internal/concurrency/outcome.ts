/**
 * What a client is told.
 */
import type { Frame } from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Refusal } from "../statement/refusal.ts"

/** Messages, and an error that ends them. */
export interface Outcome {
  readonly frames: ReadonlyArray<Frame>
  readonly error: Frame | undefined
}

export const success = (frames: ReadonlyArray<Frame>): Outcome => ({ frames, error: undefined })

export const failure = (refusal: Refusal): Outcome => ({ frames: [], error: ServerMessage.error(refusal) })

/** Adds messages one by one: as arguments of one call, those of a long answer would overflow the stack. */
export const append = (frames: Array<Frame>, more: ReadonlyArray<Frame>): void => {
  for (const frame of more) frames.push(frame)
}
