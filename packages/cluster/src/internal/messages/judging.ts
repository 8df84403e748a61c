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

const { literal, name, sql, values } = Expression

const lineBreak = literal("'\n'")

/** What stands between the parts of a line. */
export const tab = literal("'\t'")

/** The parts of a line. */
export const partsOf = (line: string): ReadonlyArray<string> => line.split("\t")

type Judged = Guard.Guard<Instead<string>>

/**
 * A list as one parameter, however long a planner that looks at it might think it to be: for a list of another length it
 * would plan a statement of such a size anew each time.
 */
export const list = <T extends Expression.Type>(
  type: T,
  of: ReadonlyArray<Expression.Values[T] | null>
): Expression.Expression => sql`(SELECT ${values(type, of)})`

/** The columns of rows as lists, likewise. */
const lists = <C extends Expression.Columns>(columns: C, rows: ReadonlyArray<Expression.Row<C>>) =>
  Expression.join(
    Object.entries(columns).map(([column, type]) =>
      list(
        type,
        rows.map((row) => row[column] ?? null)
      )
    ),
    ", "
  )

/**
 * Says a line of each row of `asked`, with what is `beside` it. Nothing is written unless one of them is the word that
 * the writes are of.
 */
export const judge = <C extends Expression.Columns>(options: {
  readonly columns: C
  readonly rows: ReadonlyArray<Expression.Row<C>>
  readonly beside: Expression.Expression
  readonly line: Expression.Expression
  readonly word: string
}): Judged => {
  const { beside, columns, line, rows, word } = options
  return Guard.make({
    name: "group",
    row: {
      select: sql`
        SELECT array_to_string(array_agg(judged.line ORDER BY judged.place), ${lineBreak}) AS lines,
          bool_or(judged.line = '${literal(word)}') AS is_any
        FROM (
          SELECT asked.place, ${line} AS line
          FROM unnest(${lists(columns, rows)}) WITH ORDINALITY AS asked (${Expression.names(Object.keys(columns))}, place)
          ${beside}) AS judged`,
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

/** The rows of a group under a name, to stand in FROM, each with what was `said` of it. */
export const each = <C extends Expression.Columns>(
  judged: Judged,
  alias: string,
  columns: C,
  rows: ReadonlyArray<Expression.Row<C>>
): Expression.Expression => sql`
  unnest(string_to_array(${telling(judged).lines}, ${lineBreak}), ${lists(columns, rows)})
    AS ${name(alias)} (said, ${Expression.names(Object.keys(columns))})`
