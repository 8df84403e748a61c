/**
 * What Aurora DSQL would answer to a statement before it runs it.
 *
 * The rules know the statement alone. What depends on the catalogue (dropping a
 * primary key column, an index on a json column) or on the rows is not here.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Option from "effect/Option"
import { alter } from "./internal/rules/alter.ts"
import type { Definition, Finder, Match } from "./internal/rules/definition.ts"
import { indexes } from "./internal/rules/indexes.ts"
import { objects } from "./internal/rules/objects.ts"
import { queries } from "./internal/rules/queries.ts"
import { routines } from "./internal/rules/routines.ts"
import * as Settings from "./internal/settings.ts"
import { session } from "./internal/rules/session.ts"
import { tables } from "./internal/rules/tables.ts"
import { mixtures, transactions } from "./internal/rules/transactions.ts"
import * as ParseTree from "./ParseTree.ts"
import * as Rule from "./Rule.ts"
import type * as Source from "./Source.ts"
import * as Statement from "./Statement.ts"

/**
 * Which of the service's days to ask about.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The service date; the newest one known if left out. */
  readonly at?: Rule.ServiceDate | undefined
}

// The order is the server's: of two constructs in one statement, the earlier rule answers.
const ofStatements: ReadonlyArray<Definition> = [
  ...transactions,
  ...session,
  ...objects,
  ...routines,
  ...tables,
  ...alter,
  ...indexes,
  ...queries
]

/**
 * All rules, of single statements and of statements that share a transaction.
 *
 * @since 0.1.0
 * @category constants
 */
export const rules: ReadonlyArray<Rule.Rule> = [...ofStatements, ...Object.values(mixtures)]

/**
 * The settings that a session may change, by SET, by `set_config` and as its connection begins: these, and the planner's
 * switches, whose names begin with `enable_`. All others are refused.
 *
 * @since 0.1.0
 * @category constants
 */
export const settings: ReadonlySet<string> = Settings.settable

/**
 * Whether a session may change a setting.
 *
 * @since 0.1.0
 * @category conditions
 */
export const isSettable = (name: string): boolean => Settings.isSettable(name)

/** A finder with its rule and the rule's place in the order. */
interface Entry {
  readonly order: number
  readonly definition: Definition
  readonly find: Finder<never>
}

type Index = ReadonlyMap<string, ReadonlyArray<Entry>>

const indexAt = (at: Rule.ServiceDate): Index => {
  const index = new Map<string, Array<Entry>>()
  for (const [order, definition] of ofStatements.entries()) {
    if (!Rule.inForce(definition, at)) continue
    for (const [tag, find] of Object.entries(definition.when)) {
      const entries = index.get(tag) ?? []
      // A finder is kept under the tag of the node that it takes, and called with such nodes only.
      entries.push({ order, definition, find: find as Finder<never> })
      index.set(tag, entries)
    }
  }
  return index
}

const newest = indexAt(Rule.newest)

let last: { readonly at: Rule.ServiceDate; readonly index: Index } = { at: Rule.newest, index: newest }

// A program asks about one day again and again.
const indexOf = (at: Rule.ServiceDate | undefined): Index => {
  if (at === undefined) return newest
  if (last.at !== at) last = { at, index: indexAt(at) }
  return last.index
}

const filled = (message: string, words: Match["with"]): string =>
  Object.entries(words ?? {}).reduce((text, [name, word]) => text.replaceAll(`{${name}}`, () => word), message)

interface Found {
  readonly entry: Entry
  readonly match: Match
  /** The statement itself, or one of those that it runs. */
  readonly statement: Statement.Statement
}

const refusalOf = (
  { entry: { definition: rule }, match, statement }: Found,
  asked: Statement.Statement
): Rule.Refusal => ({
  rule: rule.id,
  sqlstate: rule.sqlstate,
  message: filled(rule.message, match.with),
  hint: rule.hint,
  location: match.place ?? locationOf(match, statement) ?? (statement === asked ? undefined : beginning(statement))
})

const locationOf = ({ location }: Match, statement: Statement.Statement): Source.Place | undefined =>
  // -1 is the tree's way to say that a node was not written.
  location === undefined || location < 0 ? undefined : Statement.at(statement, location)

const beginning = ({ column, line, offset }: Statement.Statement): Source.Place => ({ column, line, offset })

const answerOf = ({ hint, id, message, sqlstate }: Rule.Rule): Rule.Refusal => ({ rule: id, sqlstate, message, hint })

// What a body runs is refused when the function is made, as a cluster was seen to do with one in SQL.
const search = (statement: Statement.Statement, index: Index): ReadonlyArray<Found> => {
  const found: Array<Found> = []
  ParseTree.each(statement.node, (tag, fields) => {
    for (const entry of index.get(tag) ?? []) {
      for (const match of entry.find(fields as never, statement)) found.push({ entry, match, statement })
    }
  })
  for (const inner of statement.body?.statements ?? []) found.push(...search(inner, index))
  return found
}

/**
 * What the server would answer to this statement alone; none if it would run it.
 *
 * @example
 * ```ts
 * import { Effect, Option } from "effect"
 * import { Dialect, Statement } from "@effect-dsql/dialect"
 *
 * const program = Effect.gen(function* () {
 *   const [statement] = yield* Statement.parse("TRUNCATE t")
 *   if (statement === undefined) return
 *   const refusal = Dialect.refusal(statement) // Some({ sqlstate: "0A000", message: "unsupported statement: Truncate", ... })
 *   return Option.map(refusal, ({ hint }) => hint)
 * })
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const refusal = (statement: Statement.Statement, options?: Options): Option.Option<Rule.Refusal> => {
  let first: Found | undefined
  for (const found of search(statement, indexOf(options?.at))) {
    if (first === undefined || found.entry.order < first.entry.order) first = found
  }
  return first === undefined ? Option.none() : Option.some(refusalOf(first, statement))
}

/**
 * Everything in the statement that the server would refuse, in the order of the text. A linter shows all of them.
 *
 * @since 0.1.0
 * @category checks
 */
export const refusals = (statement: Statement.Statement, options?: Options): ReadonlyArray<Rule.Refusal> =>
  search(statement, indexOf(options?.at))
    .map((found) => refusalOf(found, statement))
    .toSorted((a, b) => (a.location?.offset ?? 0) - (b.location?.offset ?? 0))

/**
 * What a transaction has done so far, as far as it decides what it may still do: `ddl` is one statement that defines,
 * beside which no other may define or change rows; `dml` any number that change rows. What only reads leaves it as it was.
 *
 * @since 0.1.0
 * @category models
 */
export type Mix = "empty" | "ddl" | "dml"

/**
 * Adds a statement to a transaction: what the transaction has then done, or what the server would answer because of
 * what it did before. One DDL statement fills a transaction; GRANT, REVOKE and CREATE INDEX ASYNC count. Of a DO block
 * count the statements that each run of it runs.
 *
 * @since 0.1.0
 * @category checks
 */
export const mix = (
  before: Mix,
  statement: Statement.Statement
): { readonly mix: Mix; readonly refusal: Option.Option<Rule.Refusal> } => {
  const { body, kind, node } = statement
  if ("DoStmt" in node && body !== undefined) {
    return body.always.reduce<ReturnType<typeof mix>>(
      (state, inner) => (Option.isSome(state.refusal) ? state : mix(state.mix, inner)),
      { mix: before, refusal: Option.none() }
    )
  }
  if (kind !== "ddl" && kind !== "dml") return { mix: before, refusal: Option.none() }
  if (before === "empty" || (before === "dml" && kind === "dml")) return { mix: kind, refusal: Option.none() }
  const rule = before === "ddl" && kind === "ddl" ? mixtures.multipleDdl : mixtures.ddlAndDml
  return { mix: before, refusal: Option.some(answerOf(rule)) }
}

/**
 * What the server answers for reasons that only a running transaction knows: a statement after a failed one, the
 * 3,001st changed row, a transaction older than five minutes.
 *
 * @since 0.1.0
 * @category constants
 */
export const answers: {
  readonly aborted: Rule.Refusal
  readonly rows: Rule.Refusal
  readonly age: Rule.Refusal
} = {
  aborted: answerOf(mixtures.aborted),
  rows: answerOf(mixtures.rows),
  age: answerOf(mixtures.age)
}
