/**
 * What a client says, read as far as it has to be understood, and written as
 * the emulator says it to PostgreSQL.
 */
import * as Encoding from "./encoding.ts"
import * as Frame from "./frame.ts"

/** What a client says, as far as it has to be understood. `frame` is the message itself. */
export type ClientMessage =
  | { readonly _tag: "Query"; readonly frame: Frame.Frame; readonly sql: Encoding.Text }
  | {
      readonly _tag: "Parse"
      readonly frame: Frame.Frame
      readonly name: string
      readonly sql: Encoding.Text
      readonly types: Buffer
    }
  | {
      readonly _tag: "Bind"
      readonly frame: Frame.Frame
      readonly portal: string
      readonly name: string
      readonly rest: Buffer
    }
  | {
      readonly _tag: "Describe"
      readonly frame: Frame.Frame
      readonly of: "statement" | "portal"
      readonly name: string
    }
  | { readonly _tag: "Close"; readonly frame: Frame.Frame; readonly of: "statement" | "portal"; readonly name: string }
  | { readonly _tag: "Execute"; readonly frame: Frame.Frame; readonly portal: string; readonly rows: number }
  | { readonly _tag: "Sync" }
  | { readonly _tag: "Flush" }
  | { readonly _tag: "Terminate" }
  | { readonly _tag: "CopyData"; readonly frame: Frame.Frame }
  | { readonly _tag: "CopyDone"; readonly frame: Frame.Frame }
  | { readonly _tag: "CopyFail"; readonly frame: Frame.Frame }
  | { readonly _tag: "Malformed"; readonly problem: string }

const malformed = (problem: string): ClientMessage => ({ _tag: "Malformed", problem })

/** Reads what a client says after its startup. */
export const read = (bytes: Frame.Frame): ClientMessage => {
  const body = Frame.cursor(bytes)
  switch (bytes[0]) {
    case Frame.code.query: {
      const sql = body.raw()
      return sql === undefined
        ? malformed("invalid Query message")
        : { _tag: "Query", frame: bytes, sql: Encoding.read(sql) }
    }
    case Frame.code.parse: {
      const name = body.text()
      const sql = body.raw()
      return name === undefined || sql === undefined
        ? malformed("invalid Parse message")
        : { _tag: "Parse", frame: bytes, name, sql: Encoding.read(sql), types: body.rest() }
    }
    case Frame.code.bind: {
      const portal = body.text()
      const name = body.text()
      return portal === undefined || name === undefined
        ? malformed("invalid Bind message")
        : { _tag: "Bind", frame: bytes, portal, name, rest: body.rest() }
    }
    case Frame.code.describe:
    case Frame.code.close: {
      const kind = body.byte()
      const name = body.text()
      const _tag = bytes[0] === Frame.code.close ? "Close" : "Describe"
      if (name === undefined || (kind !== 0x53 && kind !== 0x50)) return malformed(`invalid ${_tag} message`)
      return { _tag, frame: bytes, of: kind === 0x53 ? "statement" : "portal", name }
    }
    case Frame.code.execute: {
      const portal = body.text()
      const rows = body.int32()
      return portal === undefined || rows === undefined
        ? malformed("invalid Execute message")
        : { _tag: "Execute", frame: bytes, portal, rows }
    }
    case Frame.code.sync:
      return { _tag: "Sync" }
    case Frame.code.flush:
      return { _tag: "Flush" }
    case Frame.code.terminate:
      return { _tag: "Terminate" }
    case Frame.code.copyData:
      return { _tag: "CopyData", frame: bytes }
    case Frame.code.copyDone:
      return { _tag: "CopyDone", frame: bytes }
    case Frame.code.copyFail:
      return { _tag: "CopyFail", frame: bytes }
    default:
      return malformed(`invalid frontend message type ${bytes[0]}`)
  }
}

/** The text in a password message. */
export const readPassword = (bytes: Frame.Frame): string | undefined =>
  bytes[0] === Frame.code.password ? Frame.cursor(bytes).text() : undefined

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
    return { startup: { _tag: "Malformed", problem: "invalid length of startup packet" }, rest: Buffer.alloc(0) }
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
  const body = Frame.cursor(packet, 8)
  for (let name = body.text(); name !== undefined && name !== ""; name = body.text()) {
    const value = body.text()
    if (value === undefined) break
    parameters.set(name, value)
  }
  return { startup: { _tag: "Startup", parameters }, rest }
}

export const startup = (parameters: Iterable<readonly [string, string]>): Buffer => {
  const pairs = [...parameters].flatMap(([name, value]) => [Frame.text(name), Frame.text(value)])
  const body = Buffer.concat([Frame.int32(196_608), ...pairs, Buffer.from([0])])
  return Buffer.concat([Frame.int32(body.length + 4), body])
}

export const query = (sql: string): Frame.Frame => Frame.make(Frame.code.query, Frame.text(sql))
export const sync: Frame.Frame = Frame.make(Frame.code.sync)
export const terminate: Frame.Frame = Frame.make(Frame.code.terminate)
export const password = (body: Buffer): Frame.Frame => Frame.make(Frame.code.password, body)
export const parse = (name: string, sql: string, types: Buffer): Frame.Frame =>
  Frame.make(Frame.code.parse, Frame.text(name), Frame.text(sql), types)
export const bind = (portal: string, name: string, rest: Buffer): Frame.Frame =>
  Frame.make(Frame.code.bind, Frame.text(portal), Frame.text(name), rest)
export const close = (kind: "S" | "P", name: string): Frame.Frame =>
  Frame.make(Frame.code.close, Buffer.from(kind), Frame.text(name))
export const copyFail = (problem: string): Frame.Frame => Frame.make(Frame.code.copyFail, Frame.text(problem))
export const execute = (portal: string, rows: number): Frame.Frame =>
  Frame.make(Frame.code.execute, Frame.text(portal), Frame.int32(rows))

const ownName = "dsql_aside"
const noParameters = Buffer.concat([Frame.int16(0), Frame.int16(0), Frame.int16(0)])

/** A query of the emulator's own between a client's messages: one in the simple protocol ends what has no name. */
export const aside = (sql: string): ReadonlyArray<Frame.Frame> => [
  close("S", ownName),
  parse(ownName, sql, Frame.int16(0)),
  bind(ownName, ownName, noParameters),
  execute(ownName, 0),
  close("P", ownName),
  sync
]

/** A parameter's value. */
export interface Parameter {
  readonly isBinary: boolean
  /** Null for NULL. */
  readonly bytes: Buffer | null
}

/** Reads the parameters of a Bind message from the rest of it, and where it says in which formats it wants results. */
const readBind = (rest: Buffer): { readonly parameters: ReadonlyArray<Parameter>; readonly formatsAt: number } => {
  let at = 0
  const take = (bytes: 2 | 4): number => {
    const value = at + bytes > rest.length ? 0 : bytes === 2 ? rest.readInt16BE(at) : rest.readInt32BE(at)
    at += bytes
    return value
  }
  const formats: Array<number> = []
  for (let left = take(2); left > 0 && at < rest.length; left--) formats.push(take(2))
  const parameters: Array<Parameter> = []
  for (let left = take(2); left > 0 && at < rest.length; left--) {
    const size = take(4)
    // One format is that of all parameters, none is text.
    const format = formats.length === 1 ? formats[0] : formats[parameters.length]
    parameters.push({ isBinary: format === 1, bytes: size < 0 ? null : rest.subarray(at, at + size) })
    at += Math.max(0, size)
  }
  return { parameters, formatsAt: at }
}

/** The parameters in the rest of a Bind message. */
export const parameters = (rest: Buffer): ReadonlyArray<Parameter> => readBind(rest).parameters

/** The format that the rest of a Bind message asks for in a result's only column: 0 is text, 1 is binary. */
export const resultFormat = (rest: Buffer): number => {
  const { formatsAt: at } = readBind(rest)
  return at + 4 <= rest.length && rest.readInt16BE(at) > 0 ? rest.readInt16BE(at + 2) : 0
}
