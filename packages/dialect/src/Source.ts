/**
 * A text of SQL and the places in it.
 *
 * PostgreSQL's parser counts UTF-8 bytes, its errors count characters, and
 * JavaScript counts UTF-16 units. Every place that this package gives out is in
 * UTF-16 units, so that `text.slice(offset)` is what it says.
 *
 * @since 0.1.0
 * @stability stable
 */

/**
 * A place in a text: `offset` from 0, `line` and `column` from 1, all in UTF-16 units.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly offset: number
  readonly line: number
  readonly column: number
}

/**
 * A text with its lines found and, where it is not all ASCII, its bytes counted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source {
  readonly text: string
  /** The UTF-16 offset of the character at a UTF-8 byte offset. */
  readonly fromByte: (byte: number) => number
  /** The UTF-16 offset of the character with this number, counting code points from 0. */
  readonly fromCharacter: (character: number) => number
  /** The line and column of a UTF-16 offset. */
  readonly place: (offset: number) => Place
}

const width = (codePoint: number): number =>
  codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

const byteOffsets = (text: string): Uint32Array => {
  let bytes = 0
  for (const character of text) bytes += width(character.codePointAt(0) ?? 0)
  const offsets = new Uint32Array(bytes + 1)
  let byte = 0
  let offset = 0
  for (const character of text) {
    const end = byte + width(character.codePointAt(0) ?? 0)
    offsets.fill(offset, byte, end)
    byte = end
    offset += character.length
  }
  offsets[bytes] = text.length
  return offsets
}

const lineStarts = (text: string): ReadonlyArray<number> => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return starts
}

const lastAtOrBefore = (starts: ReadonlyArray<number>, offset: number): number => {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return low
}

/**
 * Makes a source of a text; its tables are built when first asked for.
 *
 * @example
 * ```ts
 * import { Source } from "@effect-dsql/dialect"
 *
 * Source.make("SELECT 'é';\nSELECT 2").place(12) // { offset: 12, line: 2, column: 1 }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (text: string): Source => {
  const ascii = isAscii(text)
  let offsets: Uint32Array | undefined
  let starts: ReadonlyArray<number> | undefined
  return {
    text,
    fromByte: (byte) => {
      if (ascii) return Math.min(byte, text.length)
      offsets ??= byteOffsets(text)
      return offsets[byte] ?? text.length
    },
    fromCharacter: (character) => {
      if (ascii) return Math.min(character, text.length)
      let offset = 0
      for (let i = 0; i < character && offset < text.length; i++) {
        offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1
      }
      return offset
    },
    place: (offset) => {
      starts ??= lineStarts(text)
      const line = lastAtOrBefore(starts, offset)
      return { offset, line: line + 1, column: offset - (starts[line] ?? 0) + 1 }
    }
  }
}
