/**
 * What a body in PL/pgSQL runs: the queries in it, as PL/pgSQL's own parser takes them apart.
 *
 * Its tree says on which line of the body a query stands, not where on it, and
 * leaves INTO out; the place is looked for in the text.
 */
import type { Procedural } from "../engine.ts"

/** A query or an expression of a body. */
export interface Piece {
  /** As it can be parsed: INTO is blank, PERFORM is SELECT. */
  readonly query: string
  readonly mode: "statement" | "expression" | "assignment" | "dynamic"
  /** Whether it is written with PERFORM. */
  readonly performed: boolean
  /** The line of the body, from 1. */
  readonly line: number
  /** Whether every run of the body runs it: under no condition, in no loop, after nothing that may return. */
  readonly always: boolean
}

/** What a body holds that is no SQL, and of which it is not known what a cluster makes of it. */
export interface Part {
  readonly kind: "exception" | "commit" | "rollback"
  readonly line: number
}

/** A body, taken apart, in the order of its text. */
export interface Pieces {
  readonly pieces: ReadonlyArray<Piece>
  readonly parts: ReadonlyArray<Part>
}

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Statements whose own statements need not run. */
const conditional: ReadonlySet<string> = new Set([
  "PLpgSQL_stmt_if",
  "PLpgSQL_stmt_case",
  "PLpgSQL_stmt_loop",
  "PLpgSQL_stmt_while",
  "PLpgSQL_stmt_fori",
  "PLpgSQL_stmt_fors",
  "PLpgSQL_stmt_forc",
  "PLpgSQL_stmt_foreach_a",
  "PLpgSQL_stmt_dynfors",
  "PLpgSQL_exception_block"
])

/** Statements after which the next one need not run. An error that is raised undoes what ran before, too. */
const leaving: ReadonlySet<string> = new Set(["PLpgSQL_stmt_return", "PLpgSQL_stmt_exit"])

const parts: Readonly<Record<string, Part["kind"]>> = {
  PLpgSQL_exception_block: "exception",
  PLpgSQL_stmt_commit: "commit",
  PLpgSQL_stmt_rollback: "rollback"
}

// RAW_PARSE_DEFAULT and RAW_PARSE_PLPGSQL_EXPR of PostgreSQL; what is above are the kinds of assignment.
const modeOf = (mode: unknown): Piece["mode"] => (mode === 0 ? "statement" : mode === 2 ? "expression" : "assignment")

/** Fields that stand before the body of the statement that has them, wherever the tree lists them. */
const before: ReadonlySet<string> = new Set(["var", "lower", "upper", "step", "query", "expr", "cond", "t_expr"])

const inOrder = (fields: Fields): ReadonlyArray<readonly [name: string, value: unknown]> => {
  const entries = Object.entries(fields)
  const early = entries.filter(([name]) => before.has(name))
  return [...early, ...entries.filter(([name]) => !before.has(name))]
}

/** Takes the body of the tree apart. */
export const pieces = ({ tree }: Extract<Procedural, { readonly _tag: "Tree" }>): Pieces => {
  const found: { readonly pieces: Array<Piece>; readonly parts: Array<Part> } = { pieces: [], parts: [] }
  let left = false
  let performed = false
  const visit = (value: unknown, line: number, runs: boolean, dynamic: boolean): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, line, runs, dynamic)
    if (!isFields(value)) return
    for (const [name, fields] of inOrder(value)) {
      if (!isFields(fields) || !name.startsWith("PLpgSQL_")) {
        visit(fields, line, runs, dynamic || name === "dynquery")
        continue
      }
      const own = typeof fields["lineno"] === "number" ? fields["lineno"] : line
      if (name === "PLpgSQL_expr") {
        const { query, parseMode } = fields
        // CASE is parsed as comparisons with a variable that the parser made up.
        if (typeof query === "string" && !query.startsWith('"__Case__')) {
          const mode = dynamic ? "dynamic" : modeOf(parseMode)
          found.pieces.push({ query, mode, performed, line: own, always: runs && !left })
        }
        continue
      }
      performed = name === "PLpgSQL_stmt_perform"
      const part = parts[name]
      if (part !== undefined) found.parts.push({ kind: part, line: own })
      const inner = runs && !conditional.has(name)
      if (name === "PLpgSQL_stmt_dynexecute" || name === "PLpgSQL_stmt_dynfors") {
        const { query, ...others } = fields
        visit(query, own, inner, true)
        visit(others, own, inner, false)
      } else visit(fields, own, inner, false)
      performed = false
      if (leaving.has(name)) left = true
    }
  }
  visit(tree, 1, true, false)
  return found
}

const matches = (body: string, at: number, query: string): boolean => {
  for (let i = 0; i < query.length; i++) {
    // Blanks stand for INTO and its variables too.
    if (query[i] !== " " && query[i] !== body[at + i]) return false
  }
  return true
}

/** The offset at which a line of a body begins. */
export const lineStart = (body: string, line: number): number => {
  let at = 0
  for (let i = 1; i < line; i++) at = body.indexOf("\n", at) + 1 || at
  return at
}

/** Finds the pieces of a body in its text: the offset at which each one's first character stands. */
export const locator = (body: string): ((piece: Piece) => number | undefined) => {
  const taken = new Set<number>()
  const find = (text: string, from: number): number | undefined => {
    for (let at = body.indexOf(text, from); at !== -1; at = body.indexOf(text, at + 1)) if (!taken.has(at)) return at
    for (let at = from; at < body.length; at++) if (!taken.has(at) && matches(body, at, text)) return at
    return undefined
  }
  return ({ line, performed, query }) => {
    // PERFORM is one character longer than the SELECT that is parsed.
    const written = performed ? query.slice("SELECT".length) : query
    const at = find(written, lineStart(body, line))
    if (at === undefined) return undefined
    taken.add(at)
    return performed ? at - "SELECT".length : at
  }
}
