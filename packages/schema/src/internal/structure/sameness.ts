/**
 * Whether two texts of SQL mean the same: the server reads both, and says what it makes of them. It plans them without
 * running them, so nothing is written; casts that it adds, literals that it reads and names that it resolves are then
 * the same on both sides.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import { quoted, readable, unreadable } from "./canonical.ts"

/** Two texts for the same place. */
export interface Question {
  /** The key of the table whose columns they may name; undefined for none. */
  readonly table: string | undefined
  /** The type of the column that they fill; undefined where they are of no column. */
  readonly type: string | undefined
  readonly expected: ReadonlyArray<string>
  readonly actual: ReadonlyArray<string>
}

/** Whether two texts are to be taken for the same. */
export type Same = (question: Question) => boolean

/** Before the server is asked: the same texts alone. */
export const literally: Same = () => false

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
    const { actual, expected } = question
    if (expected.length !== actual.length) return false
    if ([...expected, ...actual].some((text) => text.includes(unreadable))) return yield* untold(question)
    const there = yield* planned(question, actual)
    if (there === undefined) return yield* untold(question)
    return (yield* planned(question, expected)) === there
  })

const untold = ({ actual, expected, table }: Question) =>
  Effect.as(
    Effect.logWarning(
      `${table ?? "the schema"}: nothing tells whether ${readable(actual.join(", "))} is ${readable(expected.join(", "))}: compare them by hand`
    ),
    true
  )

const Line = Schema.Struct({ "QUERY PLAN": Schema.String })

/** Stands in a plan that shows what it computes. */
const mark = "effect-dsql"

/** What the server makes of some texts; undefined where it refuses them, or does not show it. */
const planned = ({ table, type }: Question, texts: ReadonlyArray<string>) => {
  const values = texts.map((text) => (type === undefined ? `(${text})` : `CAST((${text}) AS ${type})`))
  const from = table === undefined ? "" : ` FROM ${nameOf(table)}`
  return reconnecting(
    Rows.read(Line, (sql) => sql.unsafe(`EXPLAIN (VERBOSE) SELECT ${values.join(", ")}, '${mark}'${from}`).unprepared)
  ).pipe(
    Effect.map((rows) => {
      const plan = rows
        .map((row) => row["QUERY PLAN"].replace(/ +\(cost=[^)]*\)/, ""))
        .filter((line) => !line.startsWith("Query Identifier"))
        .join("\n")
      return plan.includes(mark) ? plan : undefined
    }),
    Effect.catchTag(["StatementFailed", "UnsupportedFeature"], () => Effect.succeed(undefined))
  )
}

const nameOf = (key: string): string => {
  const dot = key.indexOf(".")
  return dot === -1 ? quoted(key) : `${quoted(key.slice(0, dot))}.${quoted(key.slice(dot + 1))}`
}
