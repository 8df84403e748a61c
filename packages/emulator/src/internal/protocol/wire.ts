/**
 * The PostgreSQL protocol, version 3, as both its ends need it here: frames are
 * cut out of a byte stream and kept as they came, so that what is forwarded is
 * exact to the byte, and only what has to be understood is decoded.
 */

/** One message: a type byte, a length, a body. */
export type Frame = Buffer

/** The message types that this package reads, by the character that names them. */
export const code = {
  // from a client
  bind: 0x42,
  close: 0x43,
  describe: 0x44,
  execute: 0x45,
  flush: 0x48,
  functionCall: 0x46,
  parse: 0x50,
  password: 0x70,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
  copyData: 0x64,
  copyDone: 0x63,
  copyFail: 0x66,
  // from a server
  authentication: 0x52,
  backendKeyData: 0x4b,
  commandComplete: 0x43,
  copyIn: 0x47,
  copyOut: 0x48,
  copyBoth: 0x57,
  dataRow: 0x44,
  emptyQuery: 0x49,
  error: 0x45,
  notice: 0x4e,
  parameterStatus: 0x53,
  portalSuspended: 0x73,
  ready: 0x5a,
  rowDescription: 0x54
} as const

/** How a transaction stands, as ReadyForQuery tells it. */
export const status = { idle: 0x49, open: 0x54, failed: 0x45 } as const

const empty = Buffer.alloc(0)

/** Cuts a stream of bytes into frames; says what is wrong with one that cannot be a message. */
export const makeFramer = (limit: number) => {
  let pending: Array<Buffer> = []
  let length = 0
  let needed = 5
  return (chunk: Buffer, onFrame: (frame: Frame) => void): string | undefined => {
    pending.push(chunk)
    length += chunk.length
    if (length < needed) return undefined
    let bytes = pending.length === 1 ? chunk : Buffer.concat(pending, length)
    needed = 5
    while (bytes.length >= 5) {
      const size = bytes.readInt32BE(1)
      if (size < 4) return `invalid message length ${size}`
      if (size > limit) return `message of ${size} bytes exceeds the limit of ${limit}`
      if (bytes.length < size + 1) {
        needed = size + 1
        break
      }
      onFrame(bytes.subarray(0, size + 1))
      bytes = bytes.subarray(size + 1)
    }
    pending = bytes.length === 0 ? [] : [bytes]
    length = bytes.length
    return undefined
  }
}

const frame = (type: number, ...parts: ReadonlyArray<Buffer>): Frame => {
  const head = Buffer.allocUnsafe(5)
  head[0] = type
  let size = 4
  for (const part of parts) size += part.length
  head.writeInt32BE(size, 1)
  return Buffer.concat([head, ...parts], size + 1)
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`)

const int32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value, 0)
  return bytes
}

const int16 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeInt16BE(value, 0)
  return bytes
}

/** A cursor over a frame's body; reading past the end gives undefined, never an exception. */
const cursor = (bytes: Frame, from = 5) => {
  let at = from
  return {
    text: (): string | undefined => {
      const end = bytes.indexOf(0, at)
      if (end === -1) return undefined
      const value = bytes.toString("utf8", at, end)
      at = end + 1
      return value
    },
    byte: (): number | undefined => bytes[at++],
    int32: (): number | undefined => {
      if (at + 4 > bytes.length) return undefined
      const value = bytes.readInt32BE(at)
      at += 4
      return value
    },
    rest: (): Buffer => bytes.subarray(at)
  }
}

/** What a client says, as far as it has to be understood. `frame` is the message itself. */
export type ClientMessage =
  | { readonly _tag: "Query"; readonly frame: Frame; readonly sql: string }
  | {
      readonly _tag: "Parse"
      readonly frame: Frame
      readonly name: string
      readonly sql: string
      readonly types: Buffer
    }
  | {
      readonly _tag: "Bind"
      readonly frame: Frame
      readonly portal: string
      readonly name: string
      readonly rest: Buffer
    }
  | { readonly _tag: "Describe"; readonly frame: Frame; readonly of: "statement" | "portal"; readonly name: string }
  | { readonly _tag: "Close"; readonly frame: Frame; readonly of: "statement" | "portal"; readonly name: string }
  | { readonly _tag: "Execute"; readonly frame: Frame; readonly portal: string; readonly rows: number }
  | { readonly _tag: "Sync" }
  | { readonly _tag: "Flush" }
  | { readonly _tag: "Terminate" }
  | { readonly _tag: "Ignored" }
  | { readonly _tag: "Malformed"; readonly problem: string }

const malformed = (problem: string): ClientMessage => ({ _tag: "Malformed", problem })

/** Reads what a client says after its startup. */
export const readClient = (bytes: Frame): ClientMessage => {
  const body = cursor(bytes)
  switch (bytes[0]) {
    case code.query: {
      const sql = body.text()
      return sql === undefined ? malformed("invalid Query message") : { _tag: "Query", frame: bytes, sql }
    }
    case code.parse: {
      const name = body.text()
      const sql = body.text()
      return name === undefined || sql === undefined
        ? malformed("invalid Parse message")
        : { _tag: "Parse", frame: bytes, name, sql, types: body.rest() }
    }
    case code.bind: {
      const portal = body.text()
      const name = body.text()
      return portal === undefined || name === undefined
        ? malformed("invalid Bind message")
        : { _tag: "Bind", frame: bytes, portal, name, rest: body.rest() }
    }
    case code.describe:
    case code.close: {
      const kind = body.byte()
      const name = body.text()
      const _tag = bytes[0] === code.close ? "Close" : "Describe"
      if (name === undefined || (kind !== 0x53 && kind !== 0x50)) return malformed(`invalid ${_tag} message`)
      return { _tag, frame: bytes, of: kind === 0x53 ? "statement" : "portal", name }
    }
    case code.execute: {
      const portal = body.text()
      const rows = body.int32()
      return portal === undefined || rows === undefined
        ? malformed("invalid Execute message")
        : { _tag: "Execute", frame: bytes, portal, rows }
    }
    case code.sync:
      return { _tag: "Sync" }
    case code.flush:
      return { _tag: "Flush" }
    case code.terminate:
      return { _tag: "Terminate" }
    case code.copyData:
    case code.copyDone:
    case code.copyFail:
      return { _tag: "Ignored" }
    default:
      return malformed(`invalid frontend message type ${bytes[0]}`)
  }
}

/** The text in a password message. */
export const readPassword = (bytes: Frame): string | undefined =>
  bytes[0] === code.password ? cursor(bytes).text() : undefined

/** What a connection begins with. */
export type Startup =
  | { readonly _tag: "Startup"; readonly parameters: ReadonlyMap<string, string> }
  | { readonly _tag: "SSLRequest" }
  | { readonly _tag: "GSSRequest" }
  | { readonly _tag: "Cancel"; readonly pid: number; readonly secret: number }
  | { readonly _tag: "Malformed"; readonly problem: string }

/** Reads the first packet, which has a length but no type; undefined while it is incomplete. */
export const readStartup = (bytes: Buffer): { readonly startup: Startup; readonly rest: Buffer } | undefined => {
  if (bytes.length < 4) return undefined
  const size = bytes.readInt32BE(0)
  if (size < 8 || size > 10_000) {
    return { startup: { _tag: "Malformed", problem: "invalid length of startup packet" }, rest: empty }
  }
  if (bytes.length < size) return undefined
  const packet = bytes.subarray(0, size)
  const rest = bytes.subarray(size)
  const version = packet.readInt32BE(4)
  if (version === 80877103) return { startup: { _tag: "SSLRequest" }, rest }
  if (version === 80877104) return { startup: { _tag: "GSSRequest" }, rest }
  if (version === 80877102) {
    return size < 16
      ? { startup: { _tag: "Malformed", problem: "invalid cancel request" }, rest }
      : { startup: { _tag: "Cancel", pid: packet.readInt32BE(8), secret: packet.readInt32BE(12) }, rest }
  }
  if (version >> 16 !== 3) {
    const problem = `unsupported frontend protocol ${version >> 16}.${version & 0xffff}: server supports 3.0 to 3.0`
    return { startup: { _tag: "Malformed", problem }, rest }
  }
  const parameters = new Map<string, string>()
  const body = cursor(packet, 8)
  for (let name = body.text(); name !== undefined && name !== ""; name = body.text()) {
    const value = body.text()
    if (value === undefined) break
    parameters.set(name, value)
  }
  return { startup: { _tag: "Startup", parameters }, rest }
}

/** The fields of an ErrorResponse. */
export interface ServerError {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
  readonly hint?: string | undefined
  readonly detail?: string | undefined
}

/** Reads an ErrorResponse. */
export const readError = (bytes: Frame): ServerError => {
  const fields = new Map<string, string>()
  const body = cursor(bytes)
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
export const readTag = (bytes: Frame): string => cursor(bytes).text() ?? ""

/** The number of rows that a command tag counts. */
export const rowsOf = (tag: string): number => {
  const count = Number(tag.slice(tag.lastIndexOf(" ") + 1))
  return Number.isInteger(count) ? count : 0
}

/** A ParameterStatus, as name and value. */
export const readParameter = (bytes: Frame): readonly [name: string, value: string] => {
  const body = cursor(bytes)
  return [body.text() ?? "", body.text() ?? ""]
}

/** The columns of a DataRow in text form, or the first few of them. */
export const readRow = (bytes: Frame, columnsAtMost = Infinity): ReadonlyArray<string | null> => {
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

// What a client sends.

export const startup = (parameters: Iterable<readonly [string, string]>): Buffer => {
  const pairs = [...parameters].flatMap(([name, value]) => [text(name), text(value)])
  const body = Buffer.concat([int32(196_608), ...pairs, Buffer.from([0])])
  return Buffer.concat([int32(body.length + 4), body])
}

export const query = (sql: string): Frame => frame(code.query, text(sql))
export const sync: Frame = frame(code.sync)
export const terminate: Frame = frame(code.terminate)
export const password = (body: Buffer): Frame => frame(code.password, body)
export const parse = (name: string, sql: string, types: Buffer): Frame =>
  frame(code.parse, text(name), text(sql), types)
export const bind = (portal: string, name: string, rest: Buffer): Frame =>
  frame(code.bind, text(portal), text(name), rest)
export const close = (kind: "S" | "P", name: string): Frame => frame(code.close, Buffer.from(kind), text(name))
export const execute = (portal: string, rows: number): Frame => frame(code.execute, text(portal), int32(rows))

// What a server sends.

export const ready = (state: number): Frame => frame(code.ready, Buffer.from([state]))
export const authenticationOk: Frame = frame(code.authentication, int32(0))
export const passwordRequest: Frame = frame(code.authentication, int32(3))
export const parseComplete: Frame = frame(0x31)
export const bindComplete: Frame = frame(0x32)
export const closeComplete: Frame = frame(0x33)
export const noData: Frame = frame(0x6e)
export const emptyQuery: Frame = frame(code.emptyQuery)
export const noParameters: Frame = frame(0x74, int16(0))
export const commandComplete = (tag: string): Frame => frame(code.commandComplete, text(tag))
export const parameterStatus = (name: string, value: string): Frame =>
  frame(code.parameterStatus, text(name), text(value))
export const backendKeyData = (pid: number, secret: number): Frame =>
  frame(code.backendKeyData, int32(pid), int32(secret))

/** Where the rest of a Bind message says in which formats it wants results. */
const formatsAt = (rest: Buffer): number => {
  let at = 0
  const take = (bytes: 2 | 4): number => {
    const value = at + bytes > rest.length ? 0 : bytes === 2 ? rest.readInt16BE(at) : rest.readInt32BE(at)
    at += bytes
    return value
  }
  for (let formats = take(2); formats > 0; formats--) take(2)
  for (let values = take(2); values > 0 && at < rest.length; values--) {
    const size = take(4)
    at += Math.max(0, size)
  }
  return at
}

/** The format that the rest of a Bind message asks for in a result's only column: 0 is text, 1 is binary. */
export const resultFormat = (rest: Buffer): number => {
  const at = formatsAt(rest)
  return at + 4 <= rest.length && rest.readInt16BE(at) > 0 ? rest.readInt16BE(at + 2) : 0
}

/** The rest of a Bind message, asking for text. */
export const inText = (rest: Buffer): Buffer => Buffer.concat([rest.subarray(0, formatsAt(rest)), int16(0)])

/** Columns of type text, whose bytes are the same in either format. */
export const rowDescription = (names: ReadonlyArray<string>, format = 0): Frame =>
  frame(
    code.rowDescription,
    int16(names.length),
    ...names.map((name) =>
      Buffer.concat([text(name), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(format)])
    )
  )

export const dataRow = (values: ReadonlyArray<string | null>): Frame =>
  frame(
    code.dataRow,
    int16(values.length),
    ...values.map((value) => {
      if (value === null) return int32(-1)
      const bytes = Buffer.from(value)
      return Buffer.concat([int32(bytes.length), bytes])
    })
  )

export const error = (fields: {
  readonly sqlstate: string
  readonly message: string
  readonly hint?: string | undefined
  readonly detail?: string | undefined
  readonly severity?: "ERROR" | "FATAL" | undefined
  /** In characters, from 1. */
  readonly position?: number | undefined
}): Frame => {
  const severity = fields.severity ?? "ERROR"
  return frame(
    code.error,
    text(`S${severity}`),
    text(`V${severity}`),
    text(`C${fields.sqlstate}`),
    text(`M${fields.message}`),
    ...(fields.detail === undefined ? [] : [text(`D${fields.detail}`)]),
    ...(fields.position === undefined ? [] : [text(`P${fields.position}`)]),
    ...(fields.hint === undefined ? [] : [text(`H${fields.hint}`)]),
    Buffer.from([0])
  )
}
