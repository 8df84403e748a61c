/**
 * What a server says, written as the emulator says it to its clients, and read
 * as far as PostgreSQL has to be understood.
 */
import * as Frame from "./frame.ts"

/** The fields of an ErrorResponse. */
export interface ServerError {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
  readonly hint?: string | undefined
  readonly detail?: string | undefined
}

/** Reads an ErrorResponse. */
export const readError = (bytes: Frame.Frame): ServerError => {
  const fields = new Map<string, string>()
  const body = Frame.cursor(bytes)
  for (let field = body.byte(); field !== undefined && field !== 0; field = body.byte()) {
    const value = body.text()
    if (value !== undefined) fields.set(String.fromCharCode(field), value)
  }
  return {
    severity: fields.get("V") ?? fields.get("S") ?? "ERROR",
    sqlstate: fields.get("C") ?? "XX000",
    message: fields.get("M") ?? "",
    hint: fields.get("H"),
    detail: fields.get("D")
  }
}

/** The command tag of a CommandComplete, for example `INSERT 0 3`. */
export const readTag = (bytes: Frame.Frame): string => bytes.toString("latin1", 5, bytes.length - 1)

/** The number of rows that a command tag counts. */
export const rowsOf = (tag: string): number => {
  const count = Number(tag.slice(tag.lastIndexOf(" ") + 1))
  return Number.isInteger(count) ? count : 0
}

/** A ParameterStatus, as name and value. */
export const readParameter = (bytes: Frame.Frame): readonly [name: string, value: string] => {
  const body = Frame.cursor(bytes)
  return [body.text() ?? "", body.text() ?? ""]
}

/** The columns of a DataRow in text form, or the first few of them. */
export const readRow = (bytes: Frame.Frame, columnsAtMost = Infinity): ReadonlyArray<string | null> => {
  const columns: Array<string | null> = []
  let at = 7
  for (let left = Math.min(bytes.readInt16BE(5), columnsAtMost); left > 0; left--) {
    const size = bytes.readInt32BE(at)
    at += 4
    columns.push(size === -1 ? null : bytes.toString("utf8", at, at + size))
    if (size > 0) at += size
  }
  return columns
}

/** Whether a message answers Execute, and not one that prepared it. */
export const answersExecute = (frame: Frame.Frame): boolean =>
  frame[0] === Frame.code.dataRow ||
  frame[0] === Frame.code.copyOut ||
  frame[0] === Frame.code.copyData ||
  frame[0] === Frame.code.copyDone ||
  frame[0] === Frame.code.commandComplete ||
  frame[0] === Frame.code.emptyQuery ||
  frame[0] === Frame.code.portalSuspended

/** How a transaction stands, as ReadyForQuery tells it. */
export type Status = "idle" | "open" | "failed"

const readyIn = (state: string): Frame.Frame => Frame.make(Frame.code.ready, Buffer.from(state))

/** ReadyForQuery, once for each way in which a transaction stands. */
export const ready: Readonly<Record<Status, Frame.Frame>> = {
  idle: readyIn("I"),
  open: readyIn("T"),
  failed: readyIn("E")
}

export const authenticationOk: Frame.Frame = Frame.make(Frame.code.authentication, Frame.int32(0))
export const passwordRequest: Frame.Frame = Frame.make(Frame.code.authentication, Frame.int32(3))
export const parseComplete: Frame.Frame = Frame.make(0x31)
export const bindComplete: Frame.Frame = Frame.make(0x32)
export const closeComplete: Frame.Frame = Frame.make(0x33)
export const noData: Frame.Frame = Frame.make(0x6e)
export const emptyQuery: Frame.Frame = Frame.make(Frame.code.emptyQuery)
export const noParameters: Frame.Frame = Frame.make(0x74, Frame.int16(0))
export const commandComplete = (tag: string): Frame.Frame => Frame.make(Frame.code.commandComplete, Frame.text(tag))
export const parameterStatus = (name: string, value: string): Frame.Frame =>
  Frame.make(Frame.code.parameterStatus, Frame.text(name), Frame.text(value))
export const backendKeyData = (pid: number, secret: number): Frame.Frame =>
  Frame.make(Frame.code.backendKeyData, Frame.int32(pid), Frame.int32(secret))

/** Columns of type text, whose bytes are the same in either format. */
export const rowDescription = (names: ReadonlyArray<string>, format = 0): Frame.Frame =>
  Frame.make(
    Frame.code.rowDescription,
    Frame.int16(names.length),
    ...names.map((name) =>
      Buffer.concat([
        Frame.text(name),
        Frame.int32(0),
        Frame.int16(0),
        Frame.int32(25),
        Frame.int16(-1),
        Frame.int32(-1),
        Frame.int16(format)
      ])
    )
  )

export const dataRow = (values: ReadonlyArray<string | null>): Frame.Frame =>
  Frame.make(
    Frame.code.dataRow,
    Frame.int16(values.length),
    ...values.map((value) => {
      if (value === null) return Frame.int32(-1)
      const bytes = Buffer.from(value)
      return Buffer.concat([Frame.int32(bytes.length), bytes])
    })
  )

/** Asks for the rows of COPY FROM STDIN. */
export const copyIn = (columns: number, isBinary: boolean): Frame.Frame => {
  const format = isBinary ? 1 : 0
  const formats = Array.from({ length: columns }, () => Frame.int16(format))
  return Frame.make(Frame.code.copyIn, Buffer.from([format]), Frame.int16(columns), ...formats)
}

export const error = (fields: {
  readonly sqlstate: string
  readonly message: string
  readonly hint?: string | undefined
  readonly detail?: string | undefined
  readonly severity?: "ERROR" | "FATAL" | undefined
  /** In characters, from 1. */
  readonly position?: number | undefined
}): Frame.Frame => {
  const severity = fields.severity ?? "ERROR"
  return Frame.make(
    Frame.code.error,
    Frame.text(`S${severity}`),
    Frame.text(`V${severity}`),
    Frame.text(`C${fields.sqlstate}`),
    Frame.text(`M${fields.message}`),
    ...(fields.detail === undefined ? [] : [Frame.text(`D${fields.detail}`)]),
    ...(fields.position === undefined ? [] : [Frame.text(`P${fields.position}`)]),
    ...(fields.hint === undefined ? [] : [Frame.text(`H${fields.hint}`)]),
    Buffer.from([0])
  )
}
