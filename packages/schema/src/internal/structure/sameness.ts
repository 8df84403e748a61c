/**
 * Whether two texts of SQL mean the same: the server reads both, and says what it makes of them. It plans them without
 * running them, so nothing is written; casts that it adds, literals that it reads and names that it resolves are then
 * the same on both sides.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import { readable, reference, unreadable } from "./canonical.ts"
import type { View } from "./model.ts"
import type { queryOf } from "./view.ts"

/** Two texts for the same place. */
export interface Question {
  /** What they are of, for people. */
  readonly place: string
  /** As people read them. */
  readonly texts: readonly [expected: string, actual: string]
  /** A query of each; undefined where there is no SQL for one. */
  readonly queries: readonly [expected: string, actual: string] | undefined
  /** What the server can read if it can read the expected one at all; undefined where a refusal means a difference. */
  readonly readable: string | undefined
}

/** Whether two texts are to be taken for the same. */
export type Same = (question: Question) => boolean

/** Before the server is asked: the same texts alone. */
export const literally: Same = () => false

/** Stands in a plan that shows what it computes. */
const mark = "'effect-dsql'"

/** Expressions of a table's columns, or of none; as the type of the column that they fill, where they are of one. */
export const expressions = (
  { table, type }: { readonly table?: string; readonly type?: string | undefined },
  expected: ReadonlyArray<string>,
  actual: ReadonlyArray<string>
): Question => {
  const query = (texts: ReadonlyArray<string>) => {
    const values = texts.map((text) => (type === undefined ? `(${text})` : `CAST((${text}) AS ${type})`))
    return `SELECT ${[...values, mark].join(", ")}${table === undefined ? "" : ` FROM ${reference(table)}`}`
  }
  return {
    place: table ?? "the schema",
    texts: [readable(expected.join(", ")), readable(actual.join(", "))],
    queries: [...expected, ...actual].some((text) => text.includes(unreadable))
      ? undefined
      : [query(expected), query(actual)],
    readable: undefined
  }
}

/** Views: by the name and the place of each column, and by what it is. */
export const views = (name: string, expected: View, query: ReturnType<typeof queryOf>, actual: View): Question => {
  const columns = actual.columns.map((column) => `v.${Quote.identifier(column)}`)
  const aliases = expected.columns.length === 0 ? "" : ` (${expected.columns.map(Quote.identifier).join(", ")})`
  const from = (source: string) => `SELECT ${[...columns, "ROW(v.*)", mark].join(", ")} FROM ${source}`
  const wanted = `(${query.query}\n) AS v${aliases}`
  // A barrier is planned by itself, as what has an OFFSET is.
  const isBarrier = actual.options.get("security_barrier") === "true"
  return {
    place: `view ${name}`,
    texts: [expected.query, actual.query],
    queries: [from(isBarrier ? `(SELECT * FROM ${wanted} OFFSET 0) AS v` : wanted), from(`${reference(name)} AS v`)],
    readable: query.isChanged ? `SELECT ${mark} FROM ${wanted}` : undefined
  }
}

/** Answers the questions that a comparison asks, and gives what it finds with these answers. */
export const answered = <A>(compare: (same: Same) => A): Effect.Effect<A, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const questions = new Map<string, Question>()
    const found = compare((question) => {
      questions.set(keyOf(question), question)
      return false
    })
    if (questions.size === 0) return found
    const same = new Set<string>()
    for (const [key, question] of questions) if (yield* isSame(question)) same.add(key)
    return compare((question) => same.has(keyOf(question)))
  })

const keyOf = (question: Question): string => JSON.stringify(question)

const isSame = (question: Question): Effect.Effect<boolean, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const { queries, readable } = question
    if (queries === undefined) return yield* untold(question)
    const [expected, actual] = yield* Effect.forEach(queries, planned)
    // What the server printed, it can read.
    if (actual === undefined) return yield* untold(question)
    if (expected !== undefined || readable === undefined) return expected === actual
    return (yield* planned(readable)) === undefined ? yield* untold(question) : false
  })

const untold = ({ place, texts: [expected, actual] }: Question) =>
  Effect.as(Effect.logWarning(`${place}: nothing tells whether ${actual} is ${expected}: compare them by hand`), true)

const Line = Schema.Struct({ "QUERY PLAN": Schema.String })

/** What the server makes of a query; undefined where it refuses it, or does not show what it computes. */
const planned = (query: string) =>
  reconnecting(Rows.read(Line, (sql) => sql.unsafe(`EXPLAIN (VERBOSE) ${query}`).unprepared)).pipe(
    Effect.map((rows) => {
      const plan = rows
        .map((row) => row["QUERY PLAN"].replace(/ +\(cost=[^)]*\)/, ""))
        .filter((line) => !line.startsWith("Query Identifier"))
        .join("\n")
      return plan.includes(mark) ? plan : undefined
    }),
    Effect.catchTag(["StatementFailed", "UnsupportedFeature"], () => Effect.succeed(undefined))
  )
