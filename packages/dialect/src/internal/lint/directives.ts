/**
 * Comments that silence the linter.
 */
import type * as Source from "../../Source.ts"
import type { Token } from "../engine.ts"
import * as Tokens from "../tokens.ts"

/** One silencing comment: the lines that it is about, and the rules, or all of them if none is named. */
export interface Directive {
  readonly place: Source.Place
  readonly end: Source.Place
  readonly rules: ReadonlyArray<string>
  readonly firstLine: number
  /** Whether it is about all of a statement that begins on these lines. */
  readonly whole: boolean
  /** Unbounded for a `dsql-lint-disable` that nothing ends. */
  readonly lastLine: number
}

const nextLine = "dsql-lint-disable-next-line"
const sameLine = "dsql-lint-disable-line"
const from = "dsql-lint-disable"
const until = "dsql-lint-enable"

const body = ({ text, tokenName }: Token): string =>
  (tokenName === "C_COMMENT" ? text.slice(2, -2) : text.slice(2)).trim()

/** The word that a comment begins with, and the rules behind it; what follows ` -- ` is a reason for people. */
const words = (token: Token): readonly [command: string, rules: ReadonlyArray<string>] => {
  const [said = ""] = body(token).split(" -- ")
  const [command = "", ...rules] = said.split(/[\s,]+/).filter((word) => word !== "")
  return [command, rules]
}

/** Whether a directive is about a rule. */
export const names = (directive: Directive, rule: string): boolean =>
  directive.rules.length === 0 || directive.rules.includes(rule)

/** The directives among the comments of a text, whose tokens are placed by UTF-16 units. */
export const directives = (tokens: ReadonlyArray<Token>, source: Source.Source): ReadonlyArray<Directive> => {
  const found: Array<Directive> = []
  const lineOf = (offset: number) => source.place(offset).line
  for (const [i, token] of tokens.entries()) {
    if (!Tokens.isComment(token)) continue
    const [command, rules] = words(token)
    const place = source.place(token.start)
    const end = source.place(token.end)
    const at = (firstLine: number, lastLine: number, whole: boolean) =>
      found.push({ place, end, rules, firstLine, lastLine, whole })
    if (command === sameLine) at(place.line, place.line, false)
    if (command === nextLine) {
      const next = tokens.slice(i + 1).find((token) => !Tokens.isComment(token))
      const line = next === undefined ? end.line + 1 : lineOf(next.start)
      at(line, line, true)
    }
    if (command === from) at(place.line, Number.POSITIVE_INFINITY, false)
    if (command === until) {
      for (const [i, open] of found.entries()) {
        const ends =
          open.lastLine === Number.POSITIVE_INFINITY && (rules.length === 0 || rules.join() === open.rules.join())
        if (ends) found[i] = { ...open, lastLine: end.line }
      }
    }
  }
  return found
}
