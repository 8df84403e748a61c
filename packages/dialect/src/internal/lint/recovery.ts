/**
 * Linting goes on behind a syntax error: the statement that has it is left out, and what follows is parsed again.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Source from "../../Source.ts"
import type { Statement, SyntaxError } from "../../Statement.ts"
import { parse } from "../../Statement.ts"
import type { Token } from "../engine.ts"
import type { Lexed } from "./lexing.ts"
import { lex, nextLine } from "./lexing.ts"
import type { Region } from "./regions.ts"

/** A syntax error, and the place up to which nothing was read because of it. */
export interface Unread {
  readonly error: SyntaxError
  readonly to: number
}

/** What could be parsed of a part of a text, and each syntax error in it. */
export interface Recovered {
  readonly statements: ReadonlyArray<Statement>
  readonly errors: ReadonlyArray<Unread>
  readonly tokens: ReadonlyArray<Token>
}

/** So many characters are parsed at once, or an error at the beginning of a long file would have all of it read again. */
const chunk = 65_536

/** And so many behind an error, where the next one is likely. */
const fewAtOnce = 1_024

/** So many characters may be lexed again, and four times the text: a file with more errors than that is not SQL. */
const fewCharacters = 1_000_000

const semicolons = ({ tokens }: Lexed) => tokens.filter(({ text }) => text === ";")

/** Literals that go over several lines. */
const longLiterals = ({ tokens }: Lexed) =>
  tokens.filter(({ text, tokenName }) => tokenName === "SCONST" && text.includes("\n"))

/** Parses what can be parsed of a part of a text. */
export const recover = Effect.fnUntraced(function* (
  source: Source.Source,
  { from, to }: Region
): Effect.fn.Return<Recovered> {
  const { text } = source
  const statements: Array<Statement> = []
  const errors: Array<Unread> = []
  const tokens: Array<Token> = []
  let lexed = yield* lex(text, from, to)
  let ends = semicolons(lexed)
  let literals = longLiterals(lexed)
  let left = fewCharacters + 4 * (to - from)
  const read = (start: number, end: number) =>
    Effect.result(parse(text.slice(start, end), { source, at: (offset) => start + offset }))
  /** The end of the first statement that ends at a place or behind it; a quote that is not closed ends where it can be read on. */
  const endFrom = (at: number) => {
    const end = ends.find(({ start }) => start >= at)?.end ?? to
    const fault = lexed.faults.find(({ offset, resume }) => resume > at && offset < end)
    return fault === undefined ? end : fault.resume
  }
  let at = from
  let size = chunk
  while (at < to) {
    const end = endFrom(at + size)
    const parsed = yield* read(at, end)
    if (Result.isSuccess(parsed)) {
      for (const statement of parsed.success) statements.push(statement)
      at = end
      size = Math.min(2 * size, chunk)
      continue
    }
    const error = parsed.failure
    // The bodies of BEGIN ATOMIC have semicolons too: the statement may be longer.
    if (error.offset >= end && end < to && size < to - at) {
      size *= 2
      continue
    }
    size = fewAtOnce
    let start = ends.findLast(({ end }) => end > at && end <= error.offset)?.end ?? at
    while (start > at) {
      const good = yield* read(at, start)
      if (Result.isSuccess(good)) {
        for (const statement of good.success) statements.push(statement)
        break
      }
      const shorter = start
      start = ends.findLast(({ end }) => end > at && end < shorter)?.end ?? at
    }
    const next = endFrom(error.offset)
    const line = nextLine(text, error.offset)
    const opened = literals.some(({ start }) => start >= error.offset && start < Math.min(next, line))
    // A literal that is opened in the line of an error and closed in another one was hardly meant.
    const again = opened && left >= to - line
    errors.push({ error, to: again ? line : next })
    at = again ? line : next
    if (!again) continue
    left -= to - at
    for (const token of lexed.tokens) if (token.end <= at) tokens.push(token)
    lexed = yield* lex(text, at, to)
    ends = semicolons(lexed)
    literals = longLiterals(lexed)
  }
  for (const token of lexed.tokens) tokens.push(token)
  return { statements, errors, tokens }
})
