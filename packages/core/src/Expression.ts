/**
 * SQL with its parameters, put together from parts.
 *
 * A part's text never depends on how much it carries: a list is one parameter,
 * and a null is one as well. So a statement that is made of such parts has one
 * text for each shape, and a connection prepares it once.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Quote from "@effect-dsql/dialect/Quote"
import { OID, type Parameter, ParameterTypeId } from "@effect/sql-pg/PgTypes"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { reserved } from "./internal/guarded/reserved.ts"

const TypeId = "~@effect-dsql/core/Expression"

/**
 * SQL, and what stands in it: parameters and other expressions. It is written down once, where it is sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expression {
  readonly [TypeId]: typeof TypeId
  /** The text before, between and after the values; one more than there are values. */
  readonly strings: ReadonlyArray<string>
  /** Expressions; any other value is a parameter. */
  readonly values: ReadonlyArray<unknown>
}

/**
 * What a parameter of each type may be. A `timestamp` is in UTC; a number is milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface Values {
  readonly bigint: bigint
  readonly boolean: boolean
  readonly bytea: Uint8Array
  readonly "double precision": number
  readonly integer: number
  readonly text: string
  readonly timestamp: Date | number
  readonly timestamptz: Date | number
  readonly uuid: string
}

/**
 * The type of a parameter, as PostgreSQL names it.
 *
 * @since 0.1.0
 * @category models
 */
export type Type = keyof Values

const oids: Readonly<Record<Type, readonly [scalar: number, array: number]>> = {
  bigint: [OID.int8, OID.int8Array],
  boolean: [OID.bool, OID.boolArray],
  bytea: [OID.bytea, OID.byteaArray],
  "double precision": [OID.float8, OID.float8Array],
  integer: [OID.int4, OID.int4Array],
  text: [OID.text, OID.textArray],
  timestamp: [OID.timestamp, OID.timestampArray],
  timestamptz: [OID.timestamptz, OID.timestamptzArray],
  uuid: [OID.uuid, OID.uuidArray]
}

/**
 * Tells an expression from all other values.
 *
 * @since 0.1.0
 * @category guards
 */
export const isExpression = (u: unknown): u is Expression => typeof u === "object" && u !== null && TypeId in u

const make = (strings: ReadonlyArray<string>, values: ReadonlyArray<unknown>): Expression => ({
  [TypeId]: TypeId,
  strings,
  values
})

/**
 * Text that is SQL already.
 *
 * @since 0.1.0
 * @category constructors
 */
export const literal = (text: string): Expression => make([text], [])

/**
 * The quoted name of a table; a dot parts a schema from it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const name = (table: string): Expression =>
  quoted(tables, table, (table) => Quote.qualified(...table.split(".")))

/**
 * The quoted name of a column, whatever is in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const column = (column: string): Expression => quoted(columnNames, column, Quote.identifier)

const tables = new Map<string, Expression>()

const columnNames = new Map<string, Expression>()

const quoted = (known: Map<string, Expression>, name: string, quote: (name: string) => string): Expression => {
  const before = known.get(name)
  if (before !== undefined) return before
  if (name.startsWith(reserved)) {
    throw new Error(`the name ${name} is taken: names that begin with ${reserved} are those of guarded statements`)
  }
  const made = literal(quote(name))
  // A program has as many names as its tables have columns; one that makes names up forgets them.
  if (known.size >= 10_000) known.clear()
  known.set(name, made)
  return made
}

/**
 * Puts expressions together. Any other value becomes a parameter, whose type the server finds from where it stands;
 * a fragment of Effect SQL, such as `sql.json(…)`, stays what it is.
 *
 * @example
 * ```ts
 * import { Expression } from "@effect-dsql/core"
 *
 * const late = Expression.sql`fire_time < ${Expression.value("timestamptz", Date.now())}`
 * const either = Expression.sql`(${late} OR priority > ${5})`
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const sql = (strings: TemplateStringsArray, ...values: ReadonlyArray<unknown>): Expression =>
  make(strings, values)

/**
 * Expressions with text between them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const join = (list: ReadonlyArray<Expression>, separator: string): Expression => {
  if (list.length === 0) return literal("")
  return make(between(separator, list.length), list)
}

/** The text around so many expressions with a separator, the same array each time: it tells shapes of statements. */
const between = (separator: string, count: number): ReadonlyArray<string> => {
  const key = `${count} ${separator}`
  const known = separated.texts.get(key)
  if (known !== undefined) return known
  if (separated.strings > 100_000) {
    separated.texts.clear()
    separated.strings = 0
  }
  const made = ["", ...Array.from({ length: count - 1 }, () => separator), ""]
  separated.texts.set(key, made)
  separated.strings += made.length
  return made
}

/** What stands between expressions; a program that joins lists of ever other lengths forgets it. */
const separated = { texts: new Map<string, ReadonlyArray<string>>(), strings: 0 }

/**
 * One value as a parameter of a type.
 *
 * @since 0.1.0
 * @category parameters
 */
export const value = <T extends Type>(type: T, value: Values[T] | null): Expression =>
  make(around(casts, type), [parameter(oids[type][0], value)])

/**
 * A list as one parameter, an array of a type.
 *
 * @since 0.1.0
 * @category parameters
 */
export const values = <T extends Type>(type: T, list: ReadonlyArray<Values[T] | null>): Expression =>
  make(around(arrayCasts, type), [parameter(oids[type][1], list)])

const parameter = (oid: number, value: unknown): Parameter => ({ [ParameterTypeId]: ParameterTypeId, oid, value })

const castsOf = (suffix: string) => new Map(Object.keys(oids).map((type) => [type, ["", `::${type}${suffix}`]]))

const casts = castsOf("")

const arrayCasts = castsOf("[]")

/** The text around a parameter of a type, the same array each time. */
const around = (map: ReadonlyMap<string, ReadonlyArray<string>>, type: Type) => map.get(type) ?? ["", ""]

/**
 * How many rows a query gives, or passes over, as a number that its plan does not look into.
 *
 * The first executions of a connection are planned for their parameters. Where nothing is known of a table, the rows of
 * a hot key are thought to be fewer than a page, so that all of them are fetched and sorted for the first page of them.
 * A planner that does not know how many rows are wanted reads them in the order of their key, as it does later on.
 *
 * @example
 * ```ts
 * import { Expression } from "@effect-dsql/core"
 *
 * const page = Expression.sql`SELECT id FROM tasks ORDER BY id LIMIT ${Expression.hidden(100)}`
 * ```
 *
 * @since 0.3.0
 * @category parameters
 */
export const hidden = (rows: number): Expression => sql`(SELECT ${value("bigint", BigInt(rows))})`

/**
 * The types of some columns, by their names.
 *
 * @since 0.1.0
 * @category models
 */
export type Columns = Readonly<Record<string, Type>>

/**
 * What rows of such columns hold. A column that is left out is null.
 *
 * @since 0.1.0
 * @category models
 */
export type Row<C extends Columns> = { readonly [Column in keyof C]?: Values[C[Column]] | null }

/**
 * The columns of one row as parameters, by their names.
 *
 * @since 0.1.0
 * @category parameters
 */
export const row = <C extends Columns>(columns: C, row: Row<C>): { readonly [Column in keyof C]: Expression } =>
  // `fromEntries` forgets which names there are: those of `columns`, each with an expression.
  Object.fromEntries(Object.entries(columns).map(([column, type]) => [column, value(type, row[column] ?? null)])) as {
    readonly [Column in keyof C]: Expression
  }

/**
 * Rows to stand in FROM, under a name and with the columns' names: one parameter for each column.
 *
 * @example
 * ```ts
 * import { Expression } from "@effect-dsql/core"
 *
 * const tasks = Expression.records("task", { id: "bigint", data: "bytea" }, [
 *   { id: 1n, data: new Uint8Array([1]) },
 *   { id: 2n, data: null }
 * ])
 * ```
 *
 * @since 0.1.0
 * @category parameters
 */
export const records = <C extends Columns>(alias: string, columns: C, rows: ReadonlyArray<Row<C>>): Expression => {
  const lists = Object.entries(columns).map(([column, type]) =>
    values(
      type,
      rows.map((row) => row[column] ?? null)
    )
  )
  return sql`unnest(${join(lists, ", ")}) AS ${name(alias)}(${names(Object.keys(columns))})`
}

/**
 * Quoted names of columns with commas between them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const names = (columns: ReadonlyArray<string>): Expression => join(columns.map(column), ", ")

/**
 * The condition that a table's row has this key, column by column.
 *
 * @since 0.1.0
 * @category conditions
 */
export const key = (table: string, columns: Readonly<Record<string, Expression>>): Expression =>
  all(Object.entries(columns).map(([each, value]) => sql`${name(table)}.${column(each)} = ${value}`))

/**
 * The condition that all of these hold.
 *
 * @since 0.1.0
 * @category conditions
 */
export const all = (conditions: ReadonlyArray<Expression>): Expression =>
  conditions.length === 0 ? literal("TRUE") : join(conditions, " AND ")

/**
 * An expression as a fragment of Effect SQL, to stand in a statement of one's own, where there is no guard to refer to.
 *
 * @example
 * ```ts
 * import { Expression, Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const named = (ids: ReadonlyArray<bigint>) =>
 *   Effect.gen(function*() {
 *     const sql = yield* Transaction.sql
 *     const wanted = Expression.records("wanted", { id: "bigint" }, ids.map((id) => ({ id })))
 *     return yield* sql`SELECT id, name FROM ${Expression.fragment(sql, wanted)} JOIN tasks USING (id)`
 *   })
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const fragment = (sql: SqlClient, { strings, values }: Expression): Fragment =>
  sql(
    Object.assign([...strings], { raw: strings }),
    ...values.map((value) => (isExpression(value) ? fragment(sql, value) : value))
  )
