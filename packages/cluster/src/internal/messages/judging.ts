/**
 * What a statement finds of each of a group: a line for each, in their order, by which its writes know which of them
 * they are of. So one statement decides of each by itself, and says so.
 *
 * What lines carry is JSON, or has no line break and no tab either: `JSON.stringify` leaves none as it is.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import type * as Guarded from "@effect-dsql/core/Guarded"
import { Instead, instead } from "../storing.ts"

const { literal, name, sql } = Expression

const lineBreak = literal("'\n'")

/** What stands between the parts of a line. */
export const tab = literal("'\t'")

/** The parts of a line. */
export const partsOf = (line: string): ReadonlyArray<string> => line.split("\t")

type Judged = Guard.Guard<Instead<string>>

/** The column that numbers a group's rows. */
const place = { place: "bigint" } as const

/** A row of a group, with its place in it. */
export type Placed<Row> = Row & { readonly place: bigint }

/** Rows of a group by their places. */
export const placed = <Row>(rows: ReadonlyArray<Row>): ReadonlyArray<Placed<Row>> =>
  rows.map((row, index) => ({ ...row, place: BigInt(index + 1) }))

/**
 * Says a line of each row of `asked`, with what is `beside` it. Nothing is written unless one of them is the word that
 * the writes are of.
 */
export const judge = <C extends Expression.Columns>(options: {
  readonly columns: C
  readonly rows: ReadonlyArray<Expression.Row<C & typeof place>>
  readonly beside: Expression.Expression
  readonly line: Expression.Expression
  readonly word: string
}): Judged => {
  const { beside, columns, line, rows, word } = options
  const asked = Expression.records("asked", { ...place, ...columns }, rows)
  return Guard.make({
    name: "group",
    row: {
      select: sql`
        SELECT array_to_string(array_agg(judged.line ORDER BY judged.place), ${lineBreak}) AS lines,
          bool_or(judged.line = '${literal(word)}') AS is_any
        FROM (SELECT asked.place, ${line} AS line FROM ${asked} ${beside}) AS judged`,
      lock: undefined
    },
    columns: ["lines", "is_any"],
    holds: (row) => Guard.exists(row, literal("is_any")),
    refuse: (found = {}) => instead(String(found["lines"]))
  })
}

/** What a statement tells, for `linesOf`. */
export const telling = (judged: Judged): Readonly<Record<"lines", Expression.Expression>> => ({
  lines: Guard.column(judged, "lines", "text")
})

/** The lines of a group, by their places. */
export const linesOf = (told: Guarded.Told | Instead<string>): ReadonlyArray<string> =>
  (told instanceof Instead ? told.outcome : String(told["lines"])).split("\n")

/** Those rows of a group of which a word is said, under a name to stand in FROM. */
export const those = <C extends Expression.Columns>(
  judged: Judged,
  word: string,
  alias: string,
  columns: C,
  rows: ReadonlyArray<Expression.Row<C & typeof place>>
): Expression.Expression => sql`
  unnest(string_to_array(${telling(judged).lines}, ${lineBreak})) WITH ORDINALITY AS said (line, place)
  JOIN ${Expression.records(alias, { ...place, ...columns }, rows)}
    ON ${name(alias)}.place = said.place AND said.line = '${literal(word)}'`
