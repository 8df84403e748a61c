/**
 * What a guarded statement writes. Nothing in it mentions the guards: they are put before it where it is sent.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Expression from "./Expression.ts"

/**
 * Rows of one table that are inserted, updated or deleted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Write {
  readonly table: string
  /** What is inserted, or set. */
  readonly values: ReadonlyArray<Expression.Expression>
  /** The statement up to where the guards' gate stands among what is read. */
  readonly head: Expression.Expression
  /** The keyword before what is read. */
  readonly reads: "FROM" | "USING"
  /** What is read beside the gate. */
  readonly from: Expression.Expression | undefined
  readonly where: Expression.Expression | undefined
  /** What stands at the end. */
  readonly tail: Expression.Expression | undefined
  /** Under which name the answer tells how many rows were written, if it does. */
  readonly counted: string | undefined
}

/**
 * Refuses a record that names no column.
 *
 * @since 0.1.0
 * @category models
 */
export type SomeColumns<Columns> = [keyof Columns] extends [never]
  ? { readonly "name at least one column": never }
  : unknown

/**
 * Inserts a row, or one for each row of `from`, a list as it stands in FROM. `onConflict` is an ON CONFLICT clause.
 *
 * @example
 * ```ts
 * import { Expression, Write } from "@effect-dsql/core"
 *
 * const tasks = [{ id: 1n }, { id: 2n }]
 * const write = Write.insert({
 *   into: "tasks",
 *   columns: { shard_id: Expression.value("integer", 7), task_id: Expression.sql`task.id` },
 *   from: Expression.records("task", { id: "bigint" }, tasks)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const insert = <Columns extends Readonly<Record<string, Expression.Expression>>>(options: {
  readonly into: string
  readonly columns: Columns & SomeColumns<Columns>
  readonly from?: Expression.Expression | undefined
  readonly where?: Expression.Expression | undefined
  readonly onConflict?: Expression.Expression | undefined
}): Write => {
  const { columns, from, into, onConflict, where } = options
  const values = some(columns, into)
  const names = Expression.names(Object.keys(columns))
  const head = Expression.sql`INSERT INTO ${Expression.name(into)} (${names}) SELECT ${Expression.join(values, ", ")}`
  return { table: into, values, head, reads: "FROM", from, where, tail: onConflict, counted: undefined }
}

/**
 * Sets columns of the rows for which `where` holds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const update = <Columns extends Readonly<Record<string, Expression.Expression>>>(options: {
  readonly table: string
  readonly set: Columns & SomeColumns<Columns>
  readonly from?: Expression.Expression | undefined
  readonly where: Expression.Expression
}): Write => {
  const { from, set, table, where } = options
  const values = some(set, table)
  const head = Expression.sql`UPDATE ${Expression.name(table)} SET ${assignments(set)}`
  return { table, values, head, reads: "FROM", from, where, tail: undefined, counted: undefined }
}

/**
 * Deletes the rows for which `where` holds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remove = (options: {
  readonly table: string
  readonly using?: Expression.Expression | undefined
  readonly where: Expression.Expression
}): Write => {
  const { table, using, where } = options
  const head = Expression.sql`DELETE FROM ${Expression.name(table)}`
  return { table, values: [], head, reads: "USING", from: using, where, tail: undefined, counted: undefined }
}

/**
 * The same write, of which the answer tells under a name how many rows it has written, a `bigint`.
 *
 * @example
 * ```ts
 * import { Expression, Guarded, Transaction, Write } from "@effect-dsql/core"
 *
 * const done = Write.remove({ table: "tasks", where: Expression.literal("is_done") })
 * const program = Transaction.autocommit(Guarded.write({ guards: [], writes: [Write.counted("gone", done)] }))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const counted = (name: string, write: Write): Write => ({ ...write, counted: name })

/**
 * An ON CONFLICT clause that puts the new row in the place of the old one: all of its columns that are named, or where
 * none is named leaves the old one as it is. `where` may compare what it replaces.
 *
 * @since 0.1.0
 * @category clauses
 */
export const replacing = (
  key: ReadonlyArray<string>,
  columns: ReadonlyArray<string>,
  where?: Expression.Expression
): Expression.Expression => {
  if (columns.length === 0) return Expression.sql`ON CONFLICT (${Expression.names(key)}) DO NOTHING`
  const set = Object.fromEntries(
    columns.map((column) => [column, Expression.sql`excluded.${Expression.column(column)}`])
  )
  const clause = Expression.sql`ON CONFLICT (${Expression.names(key)}) DO UPDATE SET ${assignments(set)}`
  return where === undefined ? clause : Expression.sql`${clause} WHERE ${where}`
}

/** The values, of which there have to be some: SQL has no words for none. */
const some = (columns: Readonly<Record<string, Expression.Expression>>, table: string) => {
  const values = Object.values(columns)
  if (values.length === 0) throw new Error(`a write of ${table} names no column: name at least one`)
  return values
}

const assignments = (set: Readonly<Record<string, Expression.Expression>>): Expression.Expression =>
  Expression.join(
    Object.entries(set).map(([column, value]) => Expression.sql`${Expression.column(column)} = ${value}`),
    ", "
  )
