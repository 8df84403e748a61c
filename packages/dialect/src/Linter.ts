/**
 * Reads SQL text and says what Aurora DSQL will refuse, and what will go wrong later.
 *
 * Every rule of the dialect is a rule of the linter, of severity `error`; on
 * top come rules over several statements. A comment silences a rule:
 *
 * - `-- dsql-lint-disable-next-line truncate, serial -- why`: on the next line with code, for a statement that begins
 *   there as a whole;
 * - `-- dsql-lint-disable-line truncate`: on the comment's own line;
 * - `-- dsql-lint-disable truncate` until `-- dsql-lint-enable truncate`, or to the end.
 *
 * Without names, it silences all rules but `syntax-error`. One that silences nothing is itself found.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Effect from "effect/Effect"
import * as Dialect from "./Dialect.ts"
import type { Finding, LintRule, Severity } from "./Finding.ts"
import type { Token } from "./internal/engine.ts"
import * as Engine from "./internal/engine.ts"
import { bodyChecks } from "./internal/lint/bodies.ts"
import type { Directive } from "./internal/lint/directives.ts"
import { directives, names } from "./internal/lint/directives.ts"
import { jobChecks } from "./internal/lint/jobs.ts"
import { planChecks } from "./internal/lint/plans.ts"
import { queryChecks } from "./internal/lint/queries.ts"
import { read } from "./internal/lint/reading.ts"
import type { Region } from "./internal/lint/regions.ts"
import { schemaChecks } from "./internal/lint/schema.ts"
import type { Check } from "./internal/lint/script.ts"
import { script } from "./internal/lint/script.ts"
import { transactionChecks } from "./internal/lint/transactions.ts"
import { writeChecks } from "./internal/lint/writes.ts"
import type { ServiceDate } from "./Rule.ts"
import * as Source from "./Source.ts"
import type * as Statement from "./Statement.ts"

/**
 * How a text is linted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The name of the text in findings; `<sql>` if left out. */
  readonly file?: string | undefined
  /** The service date whose rules apply; the newest one known if left out. */
  readonly at?: ServiceDate | undefined
  /** `statement`: each statement commits by itself unless BEGIN says otherwise (the default); `file`: all is one message. */
  readonly transaction?: "statement" | "file" | undefined
  /** SQL that made the tables which the text works on: rules that ask for types and indexes know them. It is not linted. */
  readonly schema?: string | undefined
  /** Ids of rules that are not asked. */
  readonly disable?: ReadonlyArray<string> | undefined
}

const checks: ReadonlyArray<Check> = [
  ...transactionChecks,
  ...jobChecks,
  ...writeChecks,
  ...queryChecks,
  ...schemaChecks,
  ...bodyChecks,
  ...planChecks
]

const includeRule: LintRule = {
  id: "included-file",
  severity: "info",
  description: "a command of psql that reads another file",
  hint: "Lint that file too.",
  source: "https://www.postgresql.org/docs/16/app-psql.html"
}

const syntaxRule: LintRule = {
  id: "syntax-error",
  severity: "error",
  description: "text that PostgreSQL 16's parser refuses",
  hint: "Write it as PostgreSQL 16 and DSQL's ASYNC allow.",
  source: "https://www.postgresql.org/docs/16/sql-commands.html"
}

const unusedRule: LintRule = {
  id: "unused-disable",
  severity: "warning",
  description: "a silencing comment that silences nothing",
  hint: "Remove the comment, or correct the name of the rule.",
  source: "effect-dsql"
}

/** Rules of the dialect that a check of the linter applies, or that only a running transaction knows. */
const elsewhere: ReadonlySet<string> = new Set([
  ...checks.map(({ id }) => id),
  ...Object.values(Dialect.answers).map(({ rule }) => rule)
])

/**
 * All rules of the linter, those of the dialect included.
 *
 * @since 0.1.0
 * @category constants
 */
export const rules: ReadonlyArray<LintRule> = [
  syntaxRule,
  includeRule,
  unusedRule,
  ...checks.map(({ description, hint, id, severity, source, sqlstate }): LintRule => ({
    id,
    severity,
    description,
    hint,
    sqlstate,
    source
  })),
  ...Dialect.rules
    .filter(({ id }) => !elsewhere.has(id))
    .map(({ construct, hint, id, source, sqlstate }): LintRule => ({
      id,
      severity: "error",
      description: construct,
      hint,
      sqlstate,
      source
    }))
]

const known: ReadonlySet<string> = new Set(rules.map(({ id }) => id))

/** A finding, and the line of the statement that it is in. */
interface Placed {
  readonly finding: Finding
  readonly statementLine: number
}

interface Place {
  readonly start: Source.Place
  readonly end: Source.Place
}

const whole = (statement: Statement.Statement): Place => ({
  start: statement,
  end: statement.source.place(statement.offset + statement.text.length)
})

// A place in the tree is a token's first character, and the token is what is underlined; other places stand for a line.
const narrowed = (
  statement: Statement.Statement,
  offset: number | undefined,
  ends: ReadonlyMap<number, number>
): Place => {
  if (offset === undefined) return whole(statement)
  const { place, text } = statement.source
  return { start: place(offset), end: place(ends.get(offset) ?? endOfLine(text, offset)) }
}

const placed = (
  file: string,
  rule: {
    readonly id: string
    readonly severity: Severity
    readonly hint: string
    readonly sqlstate?: string | undefined
  },
  { end, start }: Place,
  message: string,
  statementLine: number
): Placed => ({
  finding: {
    rule: rule.id,
    severity: rule.severity,
    file,
    line: start.line,
    column: start.column,
    endLine: end.line,
    endColumn: end.column,
    message,
    hint: rule.hint,
    sqlstate: rule.sqlstate
  },
  statementLine
})

const endOfLine = (text: string, offset: number): number => {
  const end = text.indexOf("\n", offset)
  return end === -1 ? text.length : end
}

/** The ends of tokens by their beginnings, those in the bodies of functions included. */
const tokenEnds = (tokens: ReadonlyArray<Token>, statements: ReadonlyArray<Statement.Statement>) => {
  const ends = new Map<number, number>()
  const addBody = ({ body }: Statement.Statement): void => {
    for (const inner of body?.statements ?? []) {
      const { fromByte } = Source.make(inner.text)
      for (const { end, start } of Engine.tokensOf(inner.text) ?? []) {
        ends.set(inner.offset + fromByte(start), inner.offset + fromByte(end))
      }
      addBody(inner)
    }
  }
  for (const statement of statements) addBody(statement)
  for (const { end, start } of tokens) ends.set(start, end)
  return ends
}

/** What the parser says, and what was not read because of it. */
const unreadable = (source: Source.Source, { line, shown }: Statement.SyntaxError, to: number): string => {
  const next = source.place(to)
  if (next.line <= line + 1) return shown
  return to === source.text.length
    ? `${shown}: nothing behind it was read`
    : `${shown}: nothing was read up to line ${next.line}`
}

const includes: ReadonlySet<string> = new Set(["i", "ir", "include", "include_relative"])

const included = (file: string, source: Source.Source, commands: ReadonlyArray<Region>): ReadonlyArray<Placed> =>
  commands.flatMap(({ from, to }) => {
    const [command = "", ...words] = source.text.slice(from, to).trim().slice(1).split(/\s+/)
    const place = { start: source.place(from), end: source.place(to) }
    return includes.has(command)
      ? [placed(file, includeRule, place, `${words.join(" ")} was not read`, place.start.line)]
      : []
  })

const silences = (directive: Directive, { finding, statementLine }: Placed): boolean =>
  finding.rule !== syntaxRule.id &&
  names(directive, finding.rule) &&
  [finding.line, ...(directive.whole ? [statementLine] : [])].some(
    (line) => line >= directive.firstLine && line <= directive.lastLine
  )

const unused = (file: string, directive: Directive, found: ReadonlyArray<Placed>): ReadonlyArray<Placed> => {
  const strangers = directive.rules.filter((rule) => !known.has(rule))
  const message =
    strangers.length > 0
      ? `no rule is named ${strangers.join(", ")}`
      : found.some((placed) => silences(directive, placed))
        ? undefined
        : "the comment silences nothing"
  const place = { start: directive.place, end: directive.end }
  return message === undefined ? [] : [placed(file, unusedRule, place, message, directive.place.line)]
}

const inStatements = (
  file: string,
  statements: ReadonlyArray<Statement.Statement>,
  ends: ReadonlyMap<number, number>,
  options: Options
): ReadonlyArray<Placed> =>
  statements.flatMap((statement) =>
    Dialect.refusals(statement, { at: options.at }).map(({ hint, location, message, rule, sqlstate }) => {
      const place = narrowed(statement, location?.offset, ends)
      return placed(file, { id: rule, severity: "error", hint, sqlstate }, place, message, statement.line)
    })
  )

const acrossStatements = (
  file: string,
  statements: ReadonlyArray<Statement.Statement>,
  ends: ReadonlyMap<number, number>,
  options: Options,
  schema: ReadonlyArray<Statement.Statement>
): ReadonlyArray<Placed> => {
  const steps = script(statements, options.transaction === "file", schema)
  return checks.flatMap((check) =>
    check.find(steps).map(({ hint, location, message, place, statement }) => {
      const offset = place?.offset ?? (location === undefined ? undefined : statement.source.fromByte(location))
      const rule = hint === undefined ? check : { ...check, hint }
      return placed(file, rule, narrowed(statement, offset, ends), message, statement.line)
    })
  )
}

let last: { readonly schema: string; readonly statements: ReadonlyArray<Statement.Statement> } | undefined

// Whoever lints statement by statement gives the same schema again and again.
const statementsOf = Effect.fnUntraced(function* (schema: string) {
  if (last?.schema === schema) return last.statements
  const { statements } = yield* read(schema)
  last = { schema, statements }
  return statements
})

const inOrder = (a: Finding, b: Finding): number => a.line - b.line || a.column - b.column

/**
 * Lints a text. Findings come in the order of the text; there are none in a text that DSQL will run well.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Linter } from "@effect-dsql/dialect"
 *
 * const program = Effect.map(Linter.lint("CREATE INDEX i ON t (x)", { file: "v1.1/index.sql" }), (findings) =>
 *   findings.map(({ rule, line, column }) => `${rule} ${line}:${column}`) // ["index-async 1:1"]
 * )
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const lint = Effect.fnUntraced(function* (
  sql: string,
  options: Options = {}
): Effect.fn.Return<ReadonlyArray<Finding>> {
  const file = options.file ?? "<sql>"
  const { commands, errors, source, statements, tokens } = yield* read(sql)
  const ends = tokenEnds(tokens, statements)
  const schema = options.schema === undefined ? [] : yield* statementsOf(options.schema)
  const syntax = errors.map(({ error, to }): Placed => {
    const end = source.place(ends.get(error.offset) ?? to)
    const message = unreadable(source, error, to)
    return placed(file, { ...syntaxRule, sqlstate: error.sqlstate }, { start: error, end }, message, error.line)
  })
  const found = [
    ...syntax,
    ...included(file, source, commands),
    ...inStatements(file, statements, ends, options),
    ...acrossStatements(file, statements, ends, options, schema)
  ]
  const comments = directives(tokens, source)
  const loud = found.filter((placed) => !comments.some((directive) => silences(directive, placed)))
  return [...loud, ...comments.flatMap((directive) => unused(file, directive, found))]
    .map(({ finding }) => finding)
    .filter(({ rule }) => options.disable?.includes(rule) !== true)
    .toSorted(inOrder)
})
