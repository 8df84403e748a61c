/**
 * Values that a statement is given once: read from the notices that report them, and given again when it is done again.
 */
import * as Draws from "../database/draws.ts"
import type { Batch } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"

/** What drawing does while a statement runs: nothing of note, report, or give what was reported. */
export type Drawing = "free" | "report" | ReadonlyArray<string>

/** How a call is run for the first time. */
export const first = (call: { readonly draws?: boolean }): Drawing => (call.draws === true ? "report" : "free")

/** How a call is run again that was given these values. */
export const again = (drawn: ReadonlyArray<string>): Drawing => (drawn.length === 0 ? "free" : drawn)

const report = ClientMessage.aside(`SELECT ${Draws.report}`)
const stop = ClientMessage.aside(`SELECT ${Draws.stop}`)

/** What is sent before a statement and after it. */
export const around = (drawing: Drawing): { readonly start: Batch | undefined; readonly stop: Batch | undefined } => {
  if (drawing === "free") return { start: undefined, stop: undefined }
  return { start: drawing === "report" ? report : ClientMessage.aside(`SELECT ${Draws.give(drawing)}`), stop }
}

/** Takes the reports out of an answer. */
export const separate = (
  frames: ReadonlyArray<Frame.Frame>
): { readonly frames: ReadonlyArray<Frame.Frame>; readonly drawn: ReadonlyArray<string> } => {
  if (!frames.some((frame) => frame[0] === Frame.code.notice)) return { frames, drawn: [] }
  const drawn: Array<string> = []
  const others = frames.filter((frame) => {
    if (frame[0] !== Frame.code.notice) return true
    const notice = ServerMessage.readError(frame)
    if (notice.sqlstate !== Draws.sqlstate) return true
    drawn.push(notice.message)
    return false
  })
  return { frames: others, drawn }
}
