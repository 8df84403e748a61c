/**
 * A client's socket: messages in, late by the latency that was asked for, answers out, and a last word.
 */
import * as Effect from "effect/Effect"
import type { Duplex } from "node:stream"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Refusal } from "../statement/refusal.ts"
import type { Inbox } from "./inbox.ts"
import { makeLine } from "./line.ts"

const fatal = (refusal: Refusal): Frame.Frame => ServerMessage.error({ ...refusal, severity: "FATAL" })

/** Says why and hangs up. */
export const hangUp = (socket: Duplex, refusal: Refusal): void => {
  if (!socket.destroyed && !socket.writableEnded) socket.end(fatal(refusal))
}

/** Milliseconds that a client has to read the last word. */
const patience = 1_000

/** Closes a socket, at once if nothing is left to say on it. */
export const leave = (socket: Duplex): void => {
  if (!socket.writableEnded) return void socket.destroy()
  socket.resume()
  setTimeout(() => socket.destroy(), patience).unref()
}

/** What is said to a client that does not keep to the protocol. */
export const protocolViolation = (message: string): Refusal => ({ sqlstate: "08P01", message })

/** A message of the extended protocol that waits for the Sync or Flush behind it. */
export type Member = Extract<
  ClientMessage.ClientMessage,
  { readonly _tag: "Parse" | "Bind" | "Describe" | "Execute" | "Close" }
>

/** What comes from a client: messages of the extended protocol together with the one that ends them, others alone. */
export type Incoming =
  | { readonly _tag: "Unit"; readonly messages: ReadonlyArray<Member>; readonly end: "Sync" | "Flush" }
  | Exclude<ClientMessage.ClientMessage, Member | { readonly _tag: "Sync" | "Flush" }>
  | { readonly _tag: "Password"; readonly text: string }

/** Puts what a client says into an inbox, in order, each part after its delay; `first` are bytes that came before. */
export const receive = (
  socket: Duplex,
  first: Buffer,
  maxMessageBytes: number,
  inbox: Inbox<Incoming>,
  onUnit: () => void,
  delay: () => number
) => {
  const framer = Frame.makeFramer(maxMessageBytes)
  let broken = false
  const deliver = makeLine<Incoming>(inbox.offer)
  let messages: Array<Member> = []
  const take = (frame: Frame.Frame, wait: number) => {
    const password = ClientMessage.readPassword(frame)
    if (password !== undefined) return deliver({ _tag: "Password", text: password }, wait)
    const message = ClientMessage.read(frame)
    if (message._tag === "Query" || message._tag === "Sync") onUnit()
    switch (message._tag) {
      case "Parse":
      case "Bind":
      case "Describe":
      case "Execute":
      case "Close":
        messages.push(message)
        return undefined
      case "Sync":
      case "Flush":
        deliver({ _tag: "Unit", messages, end: message._tag }, wait)
        messages = []
        return undefined
      default:
        return deliver(message, wait)
    }
  }
  const onData = (chunk: Buffer) => {
    if (broken) return
    const wait = delay()
    const problem = framer(chunk, (frame) => take(frame, wait))
    if (problem !== undefined) {
      broken = true
      // A cluster was seen to hang up without a word on a message that is too long.
      deliver(problem === Frame.tooLong ? { _tag: "Terminate" } : { _tag: "Malformed", problem }, wait)
    } else if (inbox.size() > 1_000) socket.pause()
  }
  const gone = () => {
    broken = true
    inbox.offer({ _tag: "Terminate" })
  }
  socket.on("data", onData).on("close", gone).on("end", gone).on("error", gone)
  if (first.length > 0) onData(first)
  socket.resume()
}

/** Writes to a client; the effect is over when more may be written. */
export const writer =
  (socket: Duplex) =>
  (frames: ReadonlyArray<Frame.Frame>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (socket.destroyed || frames.length === 0) return Effect.void
      const [only] = frames
      if (socket.write(frames.length === 1 && only !== undefined ? only : Buffer.concat(frames))) return Effect.void
      return Effect.callback<void>((resume) => {
        const done = () => {
          socket.off("drain", done).off("close", done)
          resume(Effect.void)
        }
        socket.on("drain", done).on("close", done)
      })
    })

/** Ends when the client's socket is gone, whatever is under way for it. */
export const closed = (socket: Duplex): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })
