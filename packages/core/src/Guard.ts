/**
 * A guard: a row that is locked, and what has to hold of it for a statement to write.
 *
 * The lock puts the row into the conflict set, so that of a write and of whoever
 * changes the row under it, the later committer conflicts. What has to hold is
 * judged by the server, in the columns' own types.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Expression from "./Expression.ts"
import { reference } from "./internal/guarded/reference.ts"

/**
 * How a row is held: `shared` beside others who hold it so, against whoever deletes it or takes it `exclusive`;
 * `exclusive` against everybody who holds or changes it.
 *
 * @since 0.1.0
 * @category models
 */
export type Lock = "shared" | "exclusive"

/**
 * Which locking clause stands for `shared`. `FOR UPDATE` is for clusters from
 * before 2026-08-25, which have no FOR KEY SHARE: there the writers of one
 * guard conflict with each other as well.
 *
 * @since 0.1.0
 * @category settings
 */
export const SharedLock = Context.Reference<"FOR KEY SHARE" | "FOR UPDATE">("@effect-dsql/core/Guard/SharedLock", {
  defaultValue: () => "FOR KEY SHARE"
})

/**
 * A row that is read, and the lock that it is read with; without one it is only looked at.
 *
 * @since 0.1.0
 * @category models
 */
export interface Row {
  /** A SELECT without a locking clause. */
  readonly select: Expression.Expression
  readonly lock: Lock | undefined
  /** The table and the columns of the key that names the row: where they name more than one, nothing is written. */
  readonly key?:
    | {
        readonly table: string
        readonly columns: ReadonlyArray<string>
        /** What each column is; where they are left out, transactions do not wait for each other by this row. */
        readonly values?: ReadonlyArray<Expression.Expression> | undefined
      }
    | undefined
}

/**
 * The row that a guard found, column by column.
 *
 * @since 0.1.0
 * @category models
 */
export type Found = Readonly<Record<string, unknown>>

/**
 * What must hold for a statement to write; `E` is what is said where it does not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guard<out E = never> {
  /** Tells the guard from all others of a statement; its description is what messages call it. */
  readonly id: symbol
  readonly row: Row
  /** A second row, which is looked up by the first and may be missing. */
  readonly beside: Row | undefined
  /** The names of what is read of the rows. */
  readonly columns: ReadonlyArray<string>
  /** How each of them is read from `found`, the first row, and `beside`; undefined where they are the row's own. */
  readonly view: ReadonlyArray<Expression.Expression> | undefined
  readonly holds: Expression.Expression
  readonly refuse: (found: Found | undefined, rows: number) => Effect.Effect<never, E>
}

/**
 * The row of a table with this key. The columns are the table's own, or expressions by their names. A key that names
 * more than one row is a defect, and nothing is written.
 *
 * @since 0.1.0
 * @category constructors
 */
export const row = (
  table: string,
  key: Readonly<Record<string, Expression.Expression>>,
  columns: ReadonlyArray<string> | Readonly<Record<string, Expression.Expression>>,
  lock: Lock | undefined
): Row => ({
  select: Expression.sql`SELECT ${selected(columns)} FROM ${Expression.name(table)} WHERE ${Expression.key(table, key)}`,
  lock,
  key: { table, columns: Object.keys(key), values: Object.values(key) }
})

const selected = (columns: ReadonlyArray<string> | Readonly<Record<string, Expression.Expression>>) =>
  isNames(columns)
    ? Expression.names(columns)
    : Expression.join(
        Object.entries(columns).map(([name, value]) => Expression.sql`${value} AS ${Expression.column(name)}`),
        ", "
      )

/**
 * Makes a guard. `name` is what messages call it.
 *
 * `columns` are those of the row, or expressions over `found`, the row, and `beside`. `holds` is given the guard's rows,
 * to stand in FROM; where it is left out, the row has to be there. `refuse` is given the row that was found, undefined
 * where there is none, and how many there are.
 *
 * @example
 * ```ts
 * import { Expression, Guard } from "@effect-dsql/core"
 * import { Data, Effect } from "effect"
 *
 * class NotOwned extends Data.TaggedError("NotOwned")<{ readonly actual: unknown }> {}
 *
 * const shard = (id: number, range: bigint) =>
 *   Guard.make({
 *     name: "shard",
 *     row: Guard.row("shards", { shard_id: Expression.value("integer", id) }, ["range_id"], "shared"),
 *     columns: ["range_id"],
 *     holds: (row) => Guard.exists(row, Expression.sql`range_id = ${Expression.value("bigint", range)}`),
 *     refuse: (found) => Effect.fail(new NotOwned({ actual: found?.["range_id"] }))
 *   })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E>(options: {
  readonly name: string
  readonly row: Row
  readonly beside?: Row | undefined
  readonly columns: ReadonlyArray<string> | Readonly<Record<string, Expression.Expression>>
  readonly holds?: (row: Expression.Expression) => Expression.Expression
  readonly refuse: Guard<E>["refuse"]
}): Guard<E> => {
  const { beside, columns, name, refuse, row } = options
  const id = Symbol(name)
  const rows = reference({ of: "guard", guard: id })
  return {
    id,
    row,
    beside,
    columns: isNames(columns) ? columns : Object.keys(columns),
    view: viewOf(columns, beside !== undefined),
    holds: options.holds === undefined ? exists(rows) : options.holds(rows),
    refuse
  }
}

const viewOf = (
  columns: ReadonlyArray<string> | Readonly<Record<string, Expression.Expression>>,
  isJoined: boolean
): ReadonlyArray<Expression.Expression> | undefined => {
  if (!isNames(columns)) return Object.values(columns)
  return isJoined ? columns.map((column) => Expression.sql`found.${Expression.column(column)}`) : undefined
}

const isNames = (columns: object): columns is ReadonlyArray<string> => Array.isArray(columns)

/**
 * The condition that a guard has a row, one for which a condition holds if there is one.
 *
 * @since 0.1.0
 * @category conditions
 */
export const exists = (row: Expression.Expression, condition?: Expression.Expression): Expression.Expression =>
  Expression.sql`EXISTS (SELECT 1 FROM ${row}${condition === undefined ? Expression.literal("") : Expression.sql` WHERE ${condition}`})`

/**
 * The condition that a guard has no row, none for which a condition holds if there is one.
 *
 * @since 0.1.0
 * @category conditions
 */
export const absent = (row: Expression.Expression, condition?: Expression.Expression): Expression.Expression =>
  Expression.sql`NOT ${exists(row, condition)}`

/**
 * A column of a guard's row as it was found, for what the statement writes and tells.
 *
 * @since 0.1.0
 * @category accessors
 */
export const column = (
  guard: Pick<Guard<unknown>, "id">,
  column: string,
  type: Expression.Type
): Expression.Expression => reference({ of: "column", guard: guard.id, column, type })
