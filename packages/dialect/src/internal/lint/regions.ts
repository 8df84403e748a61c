/**
 * What of a file is SQL: psql's commands, which begin with a backslash, and the rows behind COPY FROM STDIN are not.
 *
 * A line that begins with a backslash may stand in a literal or a comment: it is a command where PostgreSQL's lexer is
 * through with all that stands before it.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ParseTree from "../../ParseTree.ts"
import type { Token } from "../engine.ts"
import { parse } from "../../Statement.ts"
import { lex, nextLine } from "./lexing.ts"

/** A part of a text, from one offset to another. */
export interface Region {
  readonly from: number
  readonly to: number
}

/** The parts of a text. */
export interface Regions {
  readonly sql: ReadonlyArray<Region>
  readonly commands: ReadonlyArray<Region>
}

const commandLines = /^[ \t]*\\/gm
const endOfData = /^\\\.\r?$/gm
const standardInput = /\bstdin\b/gi

/** Places at which SQL may end: lines that begin with a backslash, ends of statements that may be COPY FROM STDIN. */
const candidates = (text: string): ReadonlyArray<number> => {
  const lines = [...text.matchAll(commandLines)].map(({ index }) => index)
  const copies = [...text.matchAll(standardInput)].map(({ index }) => {
    const semicolon = text.indexOf(";", index)
    return semicolon === -1 ? text.length : nextLine(text, semicolon)
  })
  return [...new Set([...lines, ...copies])].toSorted((a, b) => a - b)
}

/** Where the rows that begin at a place end, if anything ends them. */
const dataEnd = (text: string, from: number): number | undefined => {
  const [end] = text.slice(from).matchAll(endOfData)
  return end === undefined ? undefined : nextLine(text, from + end.index)
}

const isSemicolon = ({ text }: Token): boolean => text === ";"

/** Whether the last statement before a place takes rows from the lines behind it. */
const takesRows = Effect.fnUntraced(function* (text: string, from: number, tokens: ReadonlyArray<Token>) {
  const [previous, last] = [undefined, ...tokens.filter(isSemicolon)].slice(-2)
  if (last === undefined) return false
  const parsed = yield* Effect.result(parse(text.slice(previous?.end ?? from, last.start)))
  const copy = Result.isSuccess(parsed) ? ParseTree.as(parsed.success[0]?.node, "CopyStmt") : undefined
  return copy?.is_from === true && copy.filename === undefined
})

/** So many places in a row that are in a literal are in one that was not meant. */
const mostInside = 16

const isCommand = (text: string, at: number): boolean => text.slice(at, nextLine(text, at)).trimStart().startsWith("\\")

/** Finds the parts of a text. */
export const regions = Effect.fnUntraced(function* (text: string): Effect.fn.Return<Regions> {
  const sql: Array<Region> = []
  const commands: Array<Region> = []
  let from = 0
  let inside = 0
  const cut = (at: number, to: number) => {
    if (at > from) sql.push({ from, to: at })
    from = to
    inside = 0
  }
  const command = (at: number) => {
    commands.push({ from: at, to: nextLine(text, at) })
    cut(at, nextLine(text, at))
  }
  const readTo = Effect.fnUntraced(function* (end: number): Effect.fn.Return<void> {
    if (from > end || !text.includes("\\", from)) return
    const { faults, tokens } = yield* lex(text, from, end)
    const [fault] = faults
    if (fault !== undefined) {
      if (++inside > mostInside && fault.resume < end) cut(fault.resume, fault.resume)
      return
    }
    const within = tokens.find(({ text }) => text === "\\")
    if (within !== undefined) {
      command(within.start)
      // There may be another one behind it that does not begin its line either.
      return yield* readTo(end)
    }
    const data = (yield* takesRows(text, from, tokens)) ? dataEnd(text, end) : undefined
    if (data !== undefined) cut(end, data)
    else if (isCommand(text, end)) command(end)
  })
  for (const end of [...candidates(text), text.length]) yield* readTo(end)
  cut(text.length, text.length)
  return { sql, commands }
})
