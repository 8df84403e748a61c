/**
 * Linting goes on behind a syntax error: the statement that has it is blanked, and the rest is parsed again.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Source from "../../Source.ts"
import type { Statement, SyntaxError } from "../../Statement.ts"
import { parse } from "../../Statement.ts"
import * as Engine from "../engine.ts"

/** What could be parsed of a text, and each syntax error in it. */
export interface Recovered {
  readonly statements: ReadonlyArray<Statement>
  readonly errors: ReadonlyArray<SyntaxError>
}

/** A file with more errors than this is not SQL; the rest of them says nothing new. */
const mostErrors = 20

const semicolons = Effect.fnUntraced(function* (text: string) {
  const source = Source.make(text)
  const tokens = yield* Engine.scan(text)
  return tokens?.filter(({ tokenName }) => tokenName === "ASCII_59").map(({ start }) => source.fromByte(start))
})

const blanked = (text: string, from: number, to: number): string => {
  const lines = text.slice(from, to).split("\n")
  return text.slice(0, from) + lines.map((line) => " ".repeat(line.length)).join("\n") + text.slice(to)
}

// The text up to the error could be scanned, for the parser came that far; what follows may not be.
const withoutStatementAt = Effect.fnUntraced(function* (text: string, offset: number) {
  const before = yield* semicolons(text.slice(0, offset))
  const all = yield* semicolons(text)
  const from = before?.at(-1) ?? -1
  const to = all?.find((at) => at >= offset) ?? text.length
  return blanked(text, from + 1, to)
})

/** Parses what can be parsed of a text. Places are those of the text. */
export const recover = Effect.fnUntraced(function* (sql: string): Effect.fn.Return<Recovered> {
  const errors: Array<SyntaxError> = []
  let text = sql
  while (errors.length < mostErrors) {
    const parsed = yield* Effect.result(parse(text))
    if (Result.isSuccess(parsed)) return { statements: parsed.success, errors }
    errors.push(parsed.failure)
    const rest = yield* withoutStatementAt(text, parsed.failure.offset)
    if (rest === text) break
    text = rest
  }
  return { statements: [], errors }
})
