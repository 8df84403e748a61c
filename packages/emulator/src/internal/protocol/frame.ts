/**
 * Frames of the PostgreSQL protocol, version 3: cut out of a byte stream and
 * kept as they came, so that what is forwarded is exact to the byte.
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

/** Cuts a stream of bytes into frames; says what is wrong with one that cannot be a message. */
export const makeFramer = (limit: number) => {
  let pending: Array<Buffer> = []
  let length = 0
  let needed = 5
  return (chunk: Buffer, onFrame: (frame: Frame) => void): string | undefined => {
    pending.push(chunk)
    length += chunk.length
    if (length < needed) return undefined
    const bytes = pending.length === 1 ? chunk : Buffer.concat(pending, length)
    needed = 5
    let at = 0
    while (bytes.length - at >= 5) {
      const size = bytes.readInt32BE(at + 1) + 1
      if (size < 5) return `invalid message length ${size - 1}`
      if (size - 1 > limit) return tooLong
      if (bytes.length - at < size) {
        needed = size
        break
      }
      onFrame(bytes.subarray(at, at + size))
      at += size
    }
    length = bytes.length - at
    pending = length === 0 ? [] : [bytes.subarray(at)]
    return undefined
  }
}

/** What is wrong with a message that nobody reads to its end. */
export const tooLong = "message is too long"

/** A message of a type and a body. */
export const make = (type: number, ...parts: ReadonlyArray<Buffer>): Frame => {
  const head = Buffer.allocUnsafe(5)
  head[0] = type
  let size = 4
  for (const part of parts) size += part.length
  head.writeInt32BE(size, 1)
  return Buffer.concat([head, ...parts], size + 1)
}

/** A text as the protocol has it, ended by a NUL. */
export const text = (value: string): Buffer => Buffer.from(`${value}\0`)

export const int32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value, 0)
  return bytes
}

export const int16 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeInt16BE(value, 0)
  return bytes
}

/** A cursor over a frame's body; reading past the end gives undefined, never an exception. */
class Cursor {
  readonly #bytes: Frame
  #at: number

  constructor(bytes: Frame, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  /** The bytes up to the next NUL. */
  raw(): Buffer | undefined {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end === -1) return undefined
    const value = this.#bytes.subarray(this.#at, end)
    this.#at = end + 1
    return value
  }

  text(): string | undefined {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end === -1) return undefined
    const value = end === this.#at ? "" : this.#bytes.toString("utf8", this.#at, end)
    this.#at = end + 1
    return value
  }

  byte(): number | undefined {
    return this.#bytes[this.#at++]
  }

  int32(): number | undefined {
    if (this.#at + 4 > this.#bytes.length) return undefined
    const value = this.#bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at)
  }
}

export const cursor = (bytes: Frame, from = 5): Cursor => new Cursor(bytes, from)
