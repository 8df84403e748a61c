/**
 * `CALL sys.wait_for_job`: PostgreSQL says which job its argument names, and is asked again when that has ended.
 */
import * as Effect from "effect/Effect"
import type * as Outcome from "../concurrency/outcome.ts"
import * as Parking from "../concurrency/parking.ts"
import type { Call } from "../concurrency/transaction.ts"
import * as Jobs from "../database/jobs.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Client } from "./client.ts"

/** The job that a notice calls unfinished. */
const unfinished = (frame: Frame.Frame): string | undefined => {
  if (frame[0] !== Frame.code.notice) return undefined
  const notice = ServerMessage.readError(frame)
  return notice.sqlstate === Jobs.unfinished ? notice.message : undefined
}

/** Waits for the job that a call names. */
export const wait = Effect.fnUntraced(function* (
  client: Client,
  call: Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  const first = yield* Parking.send(client, [...preamble, ...execution])
  const job = first.frames.flatMap((frame) => unfinished(frame) ?? [])[0]
  const prepared = first.frames.filter((frame) => call.bound !== undefined && !ServerMessage.answersExecute(frame))
  if (job !== undefined) yield* client.database.finished(job)
  const answer = job === undefined ? first : yield* Parking.rerun(client, call, call.prepared.sql, "free")
  // Whoever waited for the job has seen what it did.
  client.catalogue = client.database.version
  const frames = job === undefined ? answer.frames : [...prepared, ...answer.frames]
  return { frames: frames.filter((frame) => unfinished(frame) === undefined), error: answer.error }
})
