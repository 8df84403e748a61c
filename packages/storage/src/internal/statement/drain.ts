/**
 * Deletes as many rows as there are, in statements of a bounded number of rows that each commit by themselves.
 *
 * Each statement begins behind the last key of the one before: what has been deleted is not walked over again.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { Failure, Statements } from "./statement.ts"

/** Rows that one statement deletes: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/** The rows of a table for which a condition holds. */
export interface Rows {
  readonly table: string
  /**
   * In which order they go: the columns, with their types, of an index that finds them, but for those of which the
   * condition names one value. As many as are alike in all of these may go beyond what a statement deletes.
   */
  readonly order: Arr.NonEmptyReadonlyArray<readonly [column: string, type: Expression.Type | "smallint"]>
  readonly where: Expression.Expression
}

/** Deletes rows, the first ones first, until none is left. Run again after a failure, it goes on. */
export const drain = (
  statements: Statements,
  operation: string,
  rows: Rows,
  after?: string
): Effect.Effect<void, Failure> =>
  Effect.flatMap(statements.write(operation, removal(rows, after)), ({ gone, last }) =>
    // The key of a row as text, which is none where there was no row.
    Number(gone) < most ? Effect.void : drain(statements, operation, rows, last as string)
  )

/**
 * Deletes from the first row to the last one of so many, whose key it tells. A plan without statistics would look for
 * keys that are told one by one anew for each row; and of a range that has two ends it knows that it is a small one.
 */
const removal = ({ order, table, where }: Rows, after: string | undefined): Guarded.Statement => {
  const names = Expression.names(Arr.map(order, ([column]) => column))
  const those =
    after === undefined
      ? where
      : Expression.sql`${where} AND (${names}) > (${keyOf(order, Expression.value("text", after))})`
  const keys = (rows: number) => {
    const values = Arr.map(order, ([column]) => Expression.sql`${Expression.column(column)}::text`)
    return Expression.sql`SELECT ${names}, ARRAY[${Expression.join(values, ", ")}]::text AS told
      FROM ${Expression.name(table)} WHERE ${those} ORDER BY ${names} LIMIT ${Expression.hidden(rows)}`
  }
  const backwards = Arr.map(order, ([column]) => Expression.sql`${Expression.column(column)} DESC`)
  const [first, last] = [Guarded.told("first", "text"), Guarded.told("last", "text")]
  // Of rows that are compared as a whole it knows nothing: their first column is compared beside.
  const leading = Arr.of(Arr.headNonEmpty(order))
  const within = Arr.map(order.length === 1 ? [leading] : [leading, order], (columns) => {
    const compared = Expression.names(columns.map(([column]) => column))
    return Expression.sql`(${compared}) >= (${keyOf(columns, first)}) AND (${compared}) <= (${keyOf(columns, last)})`
  })
  return {
    guards: [],
    writes: [Write.counted("gone", Write.remove({ table, where: Expression.all([where, ...within]) }))],
    tells: {
      first: Expression.sql`(SELECT told FROM (${keys(1)}) AS first)`,
      last: Expression.sql`(SELECT told FROM (${keys(most)}) AS first ORDER BY ${Expression.join(backwards, ", ")} LIMIT 1)`
    }
  }
}

/** The columns of a key that was written down as text, an array of its columns, in which nothing of them is lost. */
const keyOf = (order: ReadonlyArray<readonly [string, string]>, text: Expression.Expression): Expression.Expression =>
  Expression.join(
    order.map(
      ([, type], index) =>
        Expression.sql`((${text}::text[])[${Expression.literal(String(index + 1))}])::${Expression.literal(type)}`
    ),
    ", "
  )
