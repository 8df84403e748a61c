/**
 * Deletes as many rows of a table as there are, in statements of a bounded number of rows that each commit by themselves.
 *
 * Each statement finds the key of the last row that it deletes, and the next one begins behind it: what has been deleted
 * is not walked over again, so the last thousand of a million rows go as fast as the first.
 *
 * @since 0.3.0
 * @stability unstable
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DsqlClient } from "./DsqlClient.ts"
import * as Expression from "./Expression.ts"
import * as Guarded from "./Guarded.ts"
import * as check from "./internal/options/check.ts"
import * as Transaction from "./Transaction.ts"
import * as Write from "./Write.ts"

/**
 * Rows that stand next to each other in the order of an index.
 *
 * @since 0.3.0
 * @category models
 */
export interface Rows {
  readonly table: string
  /**
   * In which order they go: the columns, with their types, of an index that finds them, but for those of which the
   * condition names one value. As many as are alike in all of these may go beyond what a statement deletes.
   */
  readonly order: Readonly<Record<string, Expression.Type | "smallint">>
  /** The condition that a row is one of them, but for where they begin. */
  readonly where: Expression.Expression
  /** Where they begin. Left out: with the first row for which the condition holds. */
  readonly from?: Expression.Expression | undefined
}

/**
 * How many rows go.
 *
 * @since 0.3.0
 * @category models
 */
export interface Options {
  /** Rows that go at most; a lost answer may take as many more as one statement deletes. Default: all. */
  readonly limit?: number | undefined
}

/** Rows that one statement deletes at most: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/**
 * Deletes rows, the first ones first, and gives how many each statement deleted. A statement whose answer was lost is
 * sent again. Run again after a failure, it goes on.
 *
 * @example
 * ```ts
 * import { Expression, Removal } from "@effect-dsql/core"
 * import { Stream } from "effect"
 *
 * const expired = {
 *   table: "sessions",
 *   order: { expires_at: "timestamptz", id: "uuid" },
 *   where: Expression.sql`expires_at < now()`
 * } as const
 *
 * const program = Stream.runSum(Removal.run(expired, { operation: "ExpireSessions" }))
 * ```
 *
 * @since 0.3.0
 * @category removals
 */
export const run = (
  rows: Rows,
  options: Options & Pick<Transaction.Options<Guarded.Told>, "operation" | "policy" | "deadline"> = {}
): Stream.Stream<number, Transaction.Failure<never>, DsqlClient> => {
  const { limit, ...transaction } = options
  return by(rows, (statement) => Transaction.autocommit(Guarded.write(statement), { ...transaction, repeat: true }), {
    limit
  })
}

/**
 * The same, where something else sends the statements. Each leaves the same rows behind however often it is done, as
 * long as nobody inserts among them.
 *
 * @since 0.3.0
 * @category removals
 */
export const by = <E, R>(
  rows: Rows,
  write: (statement: Guarded.Statement) => Effect.Effect<Guarded.Told, E, R>,
  { limit = Number.POSITIVE_INFINITY }: Options = {}
): Stream.Stream<number, E, R> =>
  Stream.suspend(() => {
    let left = limit === Number.POSITIVE_INFINITY ? limit : check.whole("limit", limit, 0)
    return Stream.paginate(undefined, (after: string | undefined) => {
      const size = Math.min(most, left)
      if (size <= 0) return Effect.succeed([[], Option.none<string>()] as const)
      return Effect.map(write(removal(rows, size, after)), (told) => {
        const gone = Number(told["gone"])
        left -= gone
        // The key of a row as text, which is none where there was no row.
        const last = gone < size ? Option.none() : Option.some(told["last"] as string)
        return [gone === 0 ? [] : [gone], last] as const
      })
    })
  })

/**
 * Deletes from the first row to the last one of so many, whose key it tells. A plan without statistics would look for
 * keys that are told one by one anew for each row; and of a range that has two ends it knows that it is a small one.
 */
const removal = ({ from, order, table, where }: Rows, size: number, after: string | undefined): Guarded.Statement => {
  const columns = Object.entries(order)
  const names = Expression.names(Object.keys(order))
  const begin =
    after === undefined ? from : Expression.sql`(${names}) > (${keyOf(columns, Expression.value("text", after))})`
  const those = begin === undefined ? where : Expression.sql`${where} AND ${begin}`
  const keys = (count: number) => {
    const values = columns.map(([column]) => Expression.sql`${Expression.column(column)}::text`)
    return Expression.sql`SELECT ${names}, ARRAY[${Expression.join(values, ", ")}]::text AS told
      FROM ${Expression.name(table)} WHERE ${those} ORDER BY ${names} LIMIT ${Expression.hidden(count)}`
  }
  const backwards = columns.map(([column]) => Expression.sql`${Expression.column(column)} DESC`)
  const [first, last] = [Guarded.told("first", "text"), Guarded.told("last", "text")]
  // Of rows that are compared as a whole it knows nothing: their first column is compared beside.
  const within = (columns.length === 1 ? [columns] : [columns.slice(0, 1), columns]).map((columns) => {
    const compared = Expression.names(columns.map(([column]) => column))
    return Expression.sql`(${compared}) >= (${keyOf(columns, first)}) AND (${compared}) <= (${keyOf(columns, last)})`
  })
  return {
    guards: [],
    writes: [Write.counted("gone", Write.remove({ table, where: Expression.all([where, ...within]) }))],
    tells: {
      first: Expression.sql`(SELECT told FROM (${keys(1)}) AS first)`,
      last: Expression.sql`(SELECT told FROM (${keys(size)}) AS first ORDER BY ${Expression.join(backwards, ", ")} LIMIT 1)`
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
