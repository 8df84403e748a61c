/**
 * The rows of one queue of history tasks, whatever table holds them: read in order, taken away one by one or as a
 * range.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type * as Guard from "@effect-dsql/core/Guard"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type DataBlob, Encoding } from "../../DataBlob.ts"
import type * as PageToken from "../../PageToken.ts"
import * as FireTime from "./fireTime.ts"
import * as List from "../page/list.ts"
import { drain, type Options } from "../drain.ts"
import { repeatable } from "../repeatable.ts"
import * as Row from "../page/row.ts"
import * as Tokens from "../page/tokens.ts"
import type { Order } from "./table.ts"

/** One queue: rows of a table that share some columns and are ordered by others. */
export interface TaskRows {
  readonly table: string
  readonly equal: Readonly<Record<string, string | number>>
  readonly order: Order
}

/** Where a row stands in its queue: its ordering columns, a fire time in microseconds. */
export type Position = ReadonlyArray<bigint>

/** From `min`, up to and without `max`: fire times of a scheduled queue, task ids of any other. */
export interface Range {
  readonly min: bigint
  readonly max: bigint
}

/** A page of a range. One round trip. */
export const page = Effect.fnUntraced(function* <A>(
  rows: TaskRows,
  range: Range,
  request: PageToken.PageRequest,
  make: (position: Position, task: DataBlob) => A
) {
  const tokens = positions.of(`${Row.name({ table: rows.table, key: rows.equal })} from ${range.min} to ${range.max}`)
  const after = yield* List.start(tokens, request)
  // One bound below: of two, a scan might begin at the lower one.
  const begin = after._tag === "None" ? from(rows, range) : compare(rows, ">", after.value)
  const select = Expression.sql`
    SELECT ${Expression.join(rows.order.map(selected), ", ")}, data, data_encoding
    FROM ${Expression.name(rows.table)} WHERE ${upTo(rows, range)} AND ${begin}
    ORDER BY ${Expression.names(rows.order)} LIMIT ${Expression.hidden(List.size(request) + 1)}`
  const statement = Effect.flatMap(Transaction.sql, (sql) => sql<Found>`${Expression.fragment(sql, select)}`)
  const found = yield* Transaction.autocommit(statement, { operation: "ReadHistoryTasks", readOnly: "proven" })
  const position = (row: Found): Position => rows.order.map((column) => row[names[column]])
  const decode = (row: Found) =>
    Effect.map(Row.decode(Columns, row, { table: rows.table, key: key(rows, position(row)) }), (columns) =>
      make(position(row), { data: columns.data, encoding: columns.data_encoding })
    )
  return yield* List.page(found, request, decode, position, tokens)
})

/** Whether a range has no rows. One round trip. */
export const isEmpty = (rows: TaskRows, range: Range) =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      // In order: any one of the range's rows might as well be looked for row by row.
      const one = Expression.sql`
        SELECT 1 FROM ${Expression.name(rows.table)} WHERE ${upTo(rows, range)} AND ${from(rows, range)}
        ORDER BY ${Expression.names(rows.order)} LIMIT 1`
      return (yield* sql`${Expression.fragment(sql, one)}`).length === 0
    }),
    { operation: "IsHistoryTasksEmpty", readOnly: "proven" }
  )

/** Takes one row away, where the guards hold. One round trip. */
export const remove = <E>({ table, ...rows }: TaskRows, position: Position, guards: ReadonlyArray<Guard.Guard<E>>) =>
  repeatable("CompleteHistoryTask", {
    guards,
    writes: [Write.remove({ table, where: Expression.all([inQueue(rows), compare(rows, "=", position)]) })]
  })

/** Takes the first rows of a range away, and gives how many went. One round trip for 500. */
export const removeRange = <E>(rows: TaskRows, range: Range, options: Options<E>) =>
  drain(
    "RangeCompleteHistoryTasks",
    {
      table: rows.table,
      order: Object.fromEntries(rows.order.map((column) => [column, types[column]])),
      where: upTo(rows, range),
      from: from(rows, range)
    },
    options
  )

/** The condition that a row is of the queue. */
export const inQueue = ({ equal }: Pick<TaskRows, "equal">): Expression.Expression =>
  Expression.all(
    Object.entries(equal).map(([column, value]) => Expression.sql`${Expression.column(column)} = ${value}`)
  )

/** A value of an ordering column, as the column holds it. */
export const value = (column: Order[number], of: Expression.Expression): Expression.Expression =>
  column === "visibility_timestamp" ? FireTime.toTimestamp(of) : of

/** A row as it is selected: a fire time under a name of its own, so that ORDER BY means the column. */
interface Found {
  readonly fire_time: bigint
  readonly task_id: bigint
}

const names = { visibility_timestamp: "fire_time", task_id: "task_id" } as const

const types = { visibility_timestamp: "timestamp", task_id: "bigint" } as const

const positions = Tokens.codec("history tasks", Schema.Array(Schema.BigInt))

const Columns = Schema.Struct({ data: Schema.Uint8Array, data_encoding: Encoding })

const selected = (column: Order[number]) => {
  const name = Expression.column(column)
  return column === "visibility_timestamp" ? Expression.sql`${FireTime.toMicros(name)} AS fire_time` : name
}

const key = (rows: TaskRows, position: Position) => ({
  ...rows.equal,
  ...Object.fromEntries(rows.order.map((column, index) => [column, position[index] ?? 0n]))
})

const compare = ({ order }: Pick<TaskRows, "order">, operator: ">" | "=", position: Position) => {
  const values = order.map((column, index) => value(column, Expression.value("bigint", position[index] ?? 0n)))
  return Expression.sql`(${Expression.names(order)}) ${Expression.literal(operator)} (${Expression.join(values, ", ")})`
}

/** The condition that a row is of the queue and before the end of the range. */
const upTo = (rows: TaskRows, { max }: Range) => Expression.sql`${inQueue(rows)} AND ${bounded(rows, "<", max)}`

/** The condition that a row is not before the range. */
const from = (rows: TaskRows, { min }: Range) => bounded(rows, ">=", min)

const bounded = ({ order: [column] }: TaskRows, operator: "<" | ">=", bound: bigint) =>
  Expression.sql`${Expression.column(column)} ${Expression.literal(operator)} ${value(column, Expression.value("bigint", bound))}`
