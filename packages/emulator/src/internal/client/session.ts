/**
 * One client's conversation after its startup, in units: a unit is what ends with Query, Sync or Flush.
 */
import { Limits, type Statement } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type * as Encoding from "../protocol/encoding.ts"
import type * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import { type Prepared, prepare } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import { status } from "./block.ts"
import type { Client } from "./client.ts"

/** A client with what its protocol remembers. */
export interface Session extends Client {
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

/** PostgreSQL's grammar refuses some clauses that it has read well; the parser gives the words alone. */
const isUnsupported = (message: string): boolean => /cannot be marked|not (?:yet )?implemented/.test(message)

const notSql = ({ message, offset, sqlstate }: Statement.SyntaxError): Frame.Frame =>
  ServerMessage.error({ sqlstate: isUnsupported(message) ? "0A000" : sqlstate, message, position: offset + 1 })

/** The statements of a text, or what one is answered with that has none. */
export const read = (sql: Encoding.Text): Effect.Effect<ReadonlyArray<Prepared>, Frame.Frame> =>
  sql._tag === "Unreadable"
    ? Effect.fail(ServerMessage.error(Refusal.unreadable(sql.bytes)))
    : Effect.mapError(prepare(sql.text), notSql)

/** PostgreSQL's word for a query that wants too much room, in the service's. */
const said = (error: Frame.Frame): Frame.Frame =>
  ServerMessage.readError(error).message.startsWith("temporary file size exceeds temp_file_limit")
    ? ServerMessage.error(Refusal.tempSpace)
    : error

/** Ends a unit: what it is answered with, and how the transaction stands. */
export const finish = (session: Session, frames: ReadonlyArray<Frame.Frame>, error: Frame.Frame | undefined) =>
  Effect.suspend(() => {
    session.answered()
    session.witness?.answered(error)
    return session.write([
      ...frames,
      ...(error === undefined ? [] : [said(error)]),
      ServerMessage.ready[status(session)]
    ])
  })

/** Whether the connection is older than the service lets it be, and not in a transaction. */
export const isOver = (session: Session): boolean =>
  session.transaction === undefined &&
  session.desk.now() - session.connection.opened > Limits.connectionMinutes * 60_000
