/**
 * Deletes as many rows as there are, in statements of a bounded number of rows that each commit by themselves.
 *
 * Each statement begins behind the last key of the one before: what has been deleted is not walked over again.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import { NumberInvalid, type OperationError } from "../PersistenceError.ts"
import { repeatable } from "./repeatable.ts"

/** Rows that one statement deletes at most: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/** Rows that stand next to each other in the order of an index. */
export interface Run {
  readonly table: string
  /** The columns that order them, with their types. */
  readonly order: Expression.Columns
  /** The condition that a row belongs to the run, but for where the run begins. */
  readonly where: Expression.Expression
  /** Where it begins. Left out: with the first row for which the condition holds. */
  readonly from?: Expression.Expression | undefined
}

/**
 * Deletes a run, the first rows first, until none is left or `limit` rows are gone; gives how many went. Run again after
 * a failure, it goes on where it stopped.
 *
 * A statement whose answer was lost is sent again. Then more may go than `limit`, by as many as one statement deletes,
 * but never a row that it was not to delete.
 */
export const drain = (
  operation: string,
  run: Run,
  limit: number = Number.POSITIVE_INFINITY
): Effect.Effect<number, OperationError, DsqlClient> =>
  Effect.gen(function* () {
    if (!(limit >= 0 && (Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY))) {
      return yield* new NumberInvalid({
        where: `the limit of ${operation}`,
        value: limit,
        reason: "give a whole number"
      })
    }
    let removed = 0
    let after: string | undefined
    while (removed < limit) {
      const rows = Math.min(most, limit - removed)
      const told = yield* repeatable(operation, statement(run, rows, after))
      const gone = Number(told["gone"])
      removed += gone
      if (gone < rows) break
      // The key of a row, written down as text: it is null where there was no row.
      after = told["last"] as string
    }
    return removed
  })

/**
 * Deletes the first rows of a run, up to the last one of them, whose key it tells. To ask which rows are among the first
 * would be shorter, but a plan without statistics then looks for them anew for each row.
 */
const statement = (run: Run, rows: number, after: string | undefined): Guarded.Statement => {
  const { table, where } = run
  const names = Expression.names(Object.keys(run.order))
  const begin =
    after === undefined ? run.from : Expression.sql`(${names}) > (${key(run, Expression.value("text", after))})`
  const those = begin === undefined ? where : Expression.sql`${where} AND ${begin}`
  return {
    guards: [],
    writes: [
      Write.counted(
        "gone",
        Write.remove({
          table,
          where: Expression.sql`${those} AND (${names}) <= (${key(run, Guarded.told("last", "text"))})`
        })
      )
    ],
    tells: { last: last(run, those, rows) }
  }
}

/**
 * The key of the last of so many rows, as text: an array of its columns, in which nothing of them is lost. Where there
 * are fewer rows, that of the last one of all.
 */
const last = ({ order, table }: Run, where: Expression.Expression, rows: number) => {
  const columns = Object.keys(order)
  const values = Expression.join(
    columns.map((column) => Expression.sql`${Expression.column(column)}::text`),
    ", "
  )
  const names = Expression.names(columns)
  const backwards = Expression.join(
    columns.map((column) => Expression.sql`${Expression.column(column)} DESC`),
    ", "
  )
  const of = (rest: Expression.Expression) =>
    Expression.sql`(SELECT ARRAY[${values}]::text FROM ${Expression.name(table)} WHERE ${where} ORDER BY ${rest})`
  return Expression.sql`COALESCE(
    ${of(Expression.sql`${names} LIMIT ${Expression.hidden(1)} OFFSET ${Expression.hidden(rows - 1)}`)},
    ${of(Expression.sql`${backwards} LIMIT ${Expression.hidden(1)}`)})`
}

/** The columns of a key that was written down as text. */
const key = ({ order }: Run, text: Expression.Expression): Expression.Expression =>
  Expression.join(
    Object.values(order).map(
      (type, index) =>
        Expression.sql`((${text}::text[])[${Expression.literal(String(index + 1))}])::${Expression.literal(type)}`
    ),
    ", "
  )
