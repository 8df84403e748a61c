/**
 * Whether a client may come in: its token, what was injected for it, and how many have come.
 */
import * as Effect from "effect/Effect"
import type { Desk } from "../control/desk.ts"
import type { Frame } from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Refusal from "../statement/refusal.ts"
import type { Inbox } from "./inbox.ts"
import { type Incoming, protocolViolation } from "./socket.ts"
import type { Opened } from "./startup.ts"

/** Who may come in. */
export interface Door {
  readonly desk: Desk
  /** Whether a password, the token, is good; undefined: none is asked for. */
  readonly authorize: ((token: string, user: string) => "ok" | "expired" | "denied") | undefined
  readonly databases: "any" | "postgres"
  readonly maxConnections: number
  /** Whether one more connection may come now. */
  readonly admits: () => boolean
}

/** Asks for a password if one is needed; gives why the client may not come in. */
export const authenticate = Effect.fnUntraced(function* (
  opened: Opened,
  door: Door,
  label: string,
  inbox: Inbox<Incoming>,
  write: (frames: ReadonlyArray<Frame>) => Effect.Effect<void>
): Effect.fn.Return<Refusal.Refusal | undefined> {
  const user = opened.parameters.get("user") ?? ""
  if (door.authorize !== undefined) {
    yield* write([ServerMessage.passwordRequest])
    const message = yield* inbox.take
    if (message._tag !== "Password") return protocolViolation("expected a password message")
    const verdict = door.authorize(message.text, user)
    if (verdict === "expired") return Refusal.expiredToken
    if (verdict === "denied") return Refusal.accessDenied
  }
  const fault = door.desk.faults.decide("connect", label)
  if (fault === "expired-token") return Refusal.expiredToken
  if (fault === "rate-exceeded" || !door.admits()) return Refusal.rateExceeded
  if (fault === "unavailable") return Refusal.unavailable
  if (fault === "too-many-connections" || door.desk.connections() > door.maxConnections) {
    return Refusal.tooManyConnections
  }
  if (fault === "cut") opened.socket.destroy()
  const database = opened.parameters.get("database") ?? user
  if (door.databases === "postgres" && database !== "postgres") {
    return { sqlstate: "3D000", message: `database "${database}" does not exist` }
  }
  return undefined
})
