/**
 * COPY FROM STDIN: the client is asked for its rows, and the statement runs when they are all here.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { Frame } from "../protocol/frame.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Taken } from "../statement/plan.ts"
import { Cut } from "./injection.ts"
import type { Incoming } from "./socket.ts"

/** Asks for rows of so many columns. */
export type CopyIn = (columns: number, taken: Taken, isExtended: boolean) => Effect.Effect<ReadonlyArray<Frame>, Cut>

/** Bytes that are kept of what no transaction can hold. */
const most = 4 * Limits.transactionBytes

const tooMuch = ClientMessage.copyFail("more than a transaction can hold")

/** Makes what asks a client for rows; `answered` counts a Sync that has no answer of its own. */
export const make =
  (
    next: Effect.Effect<Incoming>,
    write: (frames: ReadonlyArray<Frame>) => Effect.Effect<void>,
    answered: () => void
  ): CopyIn =>
  (columns, { isBinary }, isExtended) =>
    Effect.gen(function* () {
      yield* write([ServerMessage.copyIn(columns, isBinary)])
      const rows: Array<Frame> = []
      let bytes = 0
      while (true) {
        const message = yield* next
        switch (message._tag) {
          case "CopyData":
            bytes += message.frame.length
            if (bytes <= most) rows.push(message.frame)
            break
          case "CopyDone":
          case "CopyFail":
            if (isExtended) {
              // The Sync behind the statement came before the rows; another one ends them.
              let end = yield* next
              while (end._tag !== "Unit" || end.end !== "Sync") end = yield* next
              answered()
            }
            return [...rows, bytes <= most ? message.frame : tooMuch]
          case "Unit":
            if (message.messages.length > 0) return yield* new Cut()
            break
          default:
            return yield* new Cut()
        }
      }
    })
