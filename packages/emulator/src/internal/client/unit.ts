/**
 * A unit of the extended protocol that is being answered: what PostgreSQL has been sent of it, and what it made.
 */
import * as Effect from "effect/Effect"
import { append } from "../concurrency/outcome.ts"
import { prepare } from "../concurrency/run.ts"
import type { BackendLost } from "../postgres/backend.ts"
import type * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Session } from "./session.ts"

/** What the messages of one unit have come to so far. */
export interface Progress {
  readonly frames: Array<Frame.Frame>
  /** Messages for PostgreSQL that nothing has made it answer yet. */
  batch: Array<Buffer>
  /** Statements and portals that the batch makes, to be forgotten where it fails before. */
  made: Array<{ readonly what: "statement" | "portal"; readonly undo: () => void }>
  error: Frame.Frame | undefined
}

/** Lets PostgreSQL answer what prepares statements. */
export const flush = (session: Session, progress: Progress): Effect.Effect<void, BackendLost> =>
  progress.batch.length === 0 ? Effect.void : answered(session, progress)

const answered = Effect.fnUntraced(function* (
  session: Session,
  progress: Progress
): Effect.fn.Return<void, BackendLost> {
  const { batch } = progress
  progress.batch = []
  const outcome = yield* prepare(session, batch)
  append(progress.frames, outcome.frames)
  progress.error ??= outcome.error
  forget(progress, outcome.frames)
})

/**
 * Forgets, where the unit has failed, what its batch did not come to make. A statement that PostgreSQL has parsed is
 * there for good, whatever fails after it.
 */
export const forget = (progress: Progress, answered: ReadonlyArray<Frame.Frame>) => {
  const { made } = progress
  progress.made = []
  if (progress.error === undefined) return
  let parsed = answered.filter((frame) => frame[0] === ServerMessage.parseComplete[0]).length
  for (const { undo, what } of made) if (what === "portal" || parsed-- <= 0) undo()
}
