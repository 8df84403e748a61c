/**
 * One client's conversation after its startup, in units: a unit is what ends with Query, Sync or Flush.
 */
import { Limits, type Statement } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type * as Encoding from "../protocol/encoding.ts"
import type * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepare, Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import { status } from "./block.ts"
import type { Client } from "./client.ts"

/** A client with what its protocol remembers. */
export interface Session extends Client {
  readonly prepare: Prepare
  /** Writes to the client; the effect is over when more may be written. */
  readonly write: (frames: ReadonlyArray<Frame.Frame>) => Effect.Effect<void>
  /** Counts the end of a unit that was answered. */
  readonly answered: () => void
  /** Logs a statement that is about to run. */
  readonly arrive: (prepared: Prepared) => void
  readonly statements: Map<string, Named>
  readonly portals: Map<string, Portal>
}

/** What Parse made. */
export interface Named {
  /** Undefined for an empty text. */
  readonly prepared: Prepared | undefined
  readonly types: Buffer
}

/** What Bind made. */
export interface Portal {
  readonly named: Named
  readonly rest: Buffer
}

const notSql = (error: Statement.SyntaxError): Frame.Frame =>
  ServerMessage.error({ sqlstate: error.sqlstate, message: error.message, position: error.offset + 1 })

/** The statements of a text, or what one is answered with that has none. */
export const read = (session: Session, sql: Encoding.Text): Effect.Effect<ReadonlyArray<Prepared>, Frame.Frame> =>
  sql._tag === "Unreadable"
    ? Effect.fail(ServerMessage.error(Refusal.unreadable(sql.bytes)))
    : Effect.mapError(session.prepare(sql.text), notSql)

/** Ends a unit: what it is answered with, and how the transaction stands. */
export const finish = (session: Session, frames: ReadonlyArray<Frame.Frame>, error: Frame.Frame | undefined) =>
  Effect.suspend(() => {
    session.answered()
    return session.write([...frames, ...(error === undefined ? [] : [error]), ServerMessage.ready(status(session))])
  })

/** Whether the connection is older than the service lets it be, and not in a transaction. */
export const isOver = (session: Session): boolean =>
  session.transaction === undefined &&
  session.desk.now() - session.connection.opened > Limits.connectionMinutes * 60_000
