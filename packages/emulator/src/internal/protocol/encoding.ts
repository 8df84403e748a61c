/**
 * Text as clients send it: UTF-8, or what cannot be read.
 */
import { isUtf8 } from "node:buffer"

/** A text, or the first bytes of it that are none. */
export type Text =
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Unreadable"; readonly bytes: Buffer }

/** Bytes that a character has by its first one. */
const lengthOf = (first: number): number => {
  if (first < 0xc0 || first >= 0xf8) return 1
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
}

const unreadable = (bytes: Buffer): Buffer => {
  let at = 0
  let character: Buffer
  do {
    character = bytes.subarray(at, at + lengthOf(bytes[at] ?? 0))
    at += character.length
  } while (isUtf8(character))
  return character
}

/** Reads bytes as UTF-8, which they need not be. */
export const read = (bytes: Buffer): Text =>
  isUtf8(bytes) ? { _tag: "Text", text: bytes.toString("utf8") } : { _tag: "Unreadable", bytes: unreadable(bytes) }
