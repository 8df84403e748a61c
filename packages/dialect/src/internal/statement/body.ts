/**
 * Reads the program in a statement: as SQL, or as PL/pgSQL, whose queries are SQL again.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ParseTree from "../../ParseTree.ts"
import * as Source from "../../Source.ts"
import * as Engine from "../engine.ts"
import * as Tokens from "../tokens.ts"
import type { Body, Inside, Statement, SyntaxError } from "./model.ts"
import { syntaxError } from "./model.ts"
import * as PlPgSql from "./plpgsql.ts"
import type { Routine } from "./routine.ts"

/** `Statement.parse`, which reads the statements in a body too. */
type Parse = (sql: string, inside: Inside) => Effect.Effect<ReadonlyArray<Statement>, SyntaxError>

/** Where the text of the body stands: as it is in its literal, or as a whole at it where quotes are doubled. */
const placed = Effect.fnUntraced(function* (statement: Statement, { location, text }: Routine) {
  const own = Source.make(statement.text)
  const written = statement.source.fromByte(location) - statement.offset
  const literal = (yield* Engine.scan(statement.text))?.find(
    ({ start, tokenName }) => tokenName === "SCONST" && own.fromByte(start) >= written
  )
  const from = literal === undefined ? written : own.fromByte(literal.start)
  const shown = statement.text.indexOf(text, from)
  const offset = statement.offset + (shown === -1 ? from : shown)
  return { source: statement.source, at: (inner: number) => (shown === -1 ? offset : offset + inner) }
})

/** Reads what a statement runs. Never fails: what could not be read is in the result. */
export const readBody = Effect.fnUntraced(function* (
  statement: Statement,
  routine: Routine,
  parse: Parse
): Effect.fn.Return<Body> {
  const { language, text } = routine
  const none: Body = { language, statements: [], always: [], parts: [], unread: [] }
  if (language !== "sql" && language !== "plpgsql") return none
  const inside = yield* placed(statement, routine)
  if (language === "plpgsql") return yield* procedural(statement.postgres, text, inside, none, parse)
  const parsed = yield* Effect.result(parse(text, inside))
  return Result.isFailure(parsed)
    ? { ...none, unread: [parsed.failure] }
    : { ...none, statements: parsed.success, always: parsed.success }
})

const procedural = Effect.fnUntraced(function* (
  routine: string,
  body: string,
  inside: Inside,
  none: Body,
  parse: Parse
): Effect.fn.Return<Body> {
  const source = Source.make(body)
  const tokens = Tokens.mentions(body, Tokens.async) ? yield* Engine.scan(body) : undefined
  const asyncs = Tokens.certainAsyncs(tokens ?? []).map(({ start }) => source.fromByte(start))
  // PL/pgSQL's parser has no ASYNC either.
  const plain = Tokens.withoutAsync(body, asyncs)
  const parsed = yield* Engine.parsePlPgSql(routine.replace(body, () => plain))
  if (parsed._tag === "Refused") {
    return { ...none, unread: [syntaxError(inside.source, "42601", parsed.message, inside.at(0))] }
  }
  const { parts, pieces } = PlPgSql.pieces(parsed)
  const locate = PlPgSql.locator(plain)
  const place = (offset: number) => inside.source.place(inside.at(offset))
  const read = yield* Effect.forEach(pieces, (piece) => {
    const found = locate(piece)
    const start = found ?? PlPgSql.lineStart(body, piece.line)
    const sql =
      found === undefined
        ? piece.query
        : Tokens.withAsync(
            piece.query,
            asyncs.map((at) => at - found)
          )
    return Effect.map(statements(piece.mode, sql, start, inside, parse), (result) => ({ piece, result, start }))
  })
  const succeeded = read.flatMap(({ piece, result }) =>
    result !== "unknown" && Result.isSuccess(result) ? [{ always: piece.always, statements: result.success }] : []
  )
  return {
    language: none.language,
    statements: succeeded.flatMap(({ statements }) => statements),
    always: succeeded.flatMap(({ always, statements }) => (always ? statements : [])),
    parts: [
      ...parts.map(({ kind, line }) => ({ kind, place: place(PlPgSql.lineStart(body, line)) })),
      ...read.flatMap(({ result, start }) =>
        result === "unknown" ? [{ kind: "execute" as const, place: place(start) }] : []
      )
    ],
    unread: read.flatMap(({ result }) => (result !== "unknown" && Result.isFailure(result) ? [result.failure] : []))
  }
})

const select = "SELECT "

/** The statements of a piece: `unknown` for an EXECUTE of a text that is put together when it runs. */
const statements = Effect.fnUntraced(function* (
  mode: PlPgSql.Piece["mode"],
  sql: string,
  start: number,
  { at, source }: Inside,
  parse: Parse
): Effect.fn.Return<Result.Result<ReadonlyArray<Statement>, SyntaxError> | "unknown"> {
  if (mode === "statement") return yield* Effect.result(parse(sql, { source, at: (offset) => at(start + offset) }))
  // What neither calls nor selects cannot be refused.
  if (mode !== "dynamic" && !sql.includes("(")) return Result.succeed([])
  const from = mode === "assignment" ? yield* behindAssignment(sql) : 0
  const shift = start + from - select.length
  const inside = { source, at: (offset: number) => at(shift + Math.max(offset, select.length)) }
  const expression = yield* Effect.result(parse(select + sql.slice(from), inside))
  if (mode !== "dynamic" || Result.isFailure(expression)) return expression
  const [target] = ParseTree.as(expression.success[0]?.node, "SelectStmt")?.targetList ?? []
  const text = ParseTree.text(ParseTree.as(target, "ResTarget")?.val)
  return text === undefined ? "unknown" : yield* Effect.result(parse(text, { source, at: () => at(start) }))
})

const behindAssignment = Effect.fnUntraced(function* (sql: string) {
  const operator = (yield* Engine.scan(sql))?.find(({ text }) => text === ":=" || text === "=")
  return operator === undefined ? 0 : Source.make(sql).fromByte(operator.end)
})
