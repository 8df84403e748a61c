/**
 * The tokens of a part of a text, also where the lexer refuses something in it: a quote that is open at the end, a
 * number with letters behind it.
 */
import * as Effect from "effect/Effect"
import * as Source from "../../Source.ts"
import type { Token } from "../engine.ts"
import * as Engine from "../engine.ts"

/** A place at which the lexer gave up, and the one from which it can be read on. */
export interface Fault {
  readonly offset: number
  readonly resume: number
}

/** Tokens, placed by UTF-16 units of the whole text, and what could not be made tokens of. */
export interface Lexed {
  readonly tokens: ReadonlyArray<Token>
  readonly faults: ReadonlyArray<Fault>
}

const placed = (tokens: ReadonlyArray<Token>, text: string, from: number): ReadonlyArray<Token> => {
  const source = Source.make(text)
  return tokens.map((token) => ({
    ...token,
    start: from + source.fromByte(token.start),
    end: from + source.fromByte(token.end)
  }))
}

/** Where the next line begins, or the end of the text. */
export const nextLine = (text: string, offset: number): number => {
  const end = text.indexOf("\n", offset)
  return end === -1 ? text.length : end + 1
}

const near = ' at or near "'

// What is open at the end is shown to its end; the length says where it began.
const opened = (text: string, message: string): number | undefined => {
  const shown = message.indexOf(near)
  return message.startsWith("unterminated") && shown !== -1
    ? Math.max(text.length - (message.length - 1 - shown - near.length), 0)
    : undefined
}

/** The length of the shortest beginning of a text that the lexer refuses for the same reason. */
const refusedAt = Effect.fnUntraced(function* (text: string, message: string) {
  const isRefused = (length: number) =>
    Effect.map(
      Engine.scanned(text.slice(0, length)),
      (scanned) => scanned._tag === "Refused" && scanned.message === message
    )
  let low = 0
  let high = 256
  while (high < text.length && !(yield* isRefused(high))) {
    low = high
    high *= 2
  }
  high = Math.min(high, text.length)
  while (low < high) {
    const middle = (low + high) >> 1
    if (yield* isRefused(middle)) high = middle
    else low = middle + 1
  }
  return low
})

// Dollar quotes and comments go over many lines by nature: what follows is in them. A quote that is open at the end of
// its line was hardly meant to be.
const endsWithLine = (text: string, offset: number) => !text.startsWith("$", offset) && !text.startsWith("/*", offset)

const mostLinesBack = 20

/** The tokens before a place that may be in the middle of one. */
const before = Effect.fnUntraced(function* (text: string, offset: number) {
  let end = offset
  for (let line = 0; line < mostLinesBack && end > 0; line++) {
    const tokens = yield* Engine.scan(text.slice(0, end))
    if (tokens !== undefined) return tokens
    end = text.lastIndexOf("\n", end - 1)
  }
  return []
})

/** Makes tokens of the text between two places. */
export const lex = Effect.fnUntraced(function* (text: string, from: number, to: number): Effect.fn.Return<Lexed> {
  const tokens: Array<Token> = []
  const faults: Array<Fault> = []
  let at = from
  while (at < to) {
    const part = text.slice(at, to)
    const scanned = yield* Engine.scanned(part)
    if (scanned._tag === "Tokens") {
      for (const token of placed(scanned.tokens, part, at)) tokens.push(token)
      break
    }
    const offset = opened(part, scanned.message) ?? (yield* refusedAt(part, scanned.message)) - 1
    const resume = endsWithLine(part, offset) ? nextLine(part, offset) : part.length
    for (const token of placed(yield* before(part, offset), part, at)) tokens.push(token)
    faults.push({ offset: at + offset, resume: at + resume })
    at += resume
  }
  return { tokens, faults }
})
