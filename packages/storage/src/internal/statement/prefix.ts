/**
 * Texts that begin with a text, found by an index in the order of code points, which is that of Aurora DSQL.
 */
import * as Expression from "@effect-dsql/core/Expression"

/** The condition that a column begins with a text. */
export const beginning = (column: string, prefix: string): Expression.Expression => {
  const name = Expression.column(column)
  const from = Expression.sql`${name} >= ${Expression.value("text", prefix)}`
  const end = after(prefix)
  return end === undefined ? from : Expression.sql`${from} AND ${name} < ${Expression.value("text", end)}`
}

/** The first text after all that begin with a prefix; undefined where there is none. */
const after = (prefix: string): string | undefined => {
  const points = Array.from(prefix, (letter) => letter.codePointAt(0) ?? 0)
  while (points.at(-1) === last) points.pop()
  const point = points.pop()
  // Between the two lie the surrogates, which are no letters.
  return point === undefined
    ? undefined
    : String.fromCodePoint(...points, point === beforeSurrogates ? afterSurrogates : point + 1)
}

const last = 0x10ffff
const beforeSurrogates = 0xd7ff
const afterSurrogates = 0xe000
