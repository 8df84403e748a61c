/**
 * The rows of one queue of history tasks, whatever table holds them: read in order, taken away one by one or as a
 * range.
 */
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { type DataBlob, Encoding } from "../../DataBlob.ts"
import type * as PageToken from "../../PageToken.ts"
import * as FireTime from "./fireTime.ts"
import * as List from "../page/list.ts"
import { drain, first } from "../drain.ts"
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
  const statement = Effect.flatMap(
    Transaction.sql,
    (sql) => sql<Found>`
      SELECT ${sql.csv(rows.order.map((column) => selected(sql, column)))}, data, data_encoding
      FROM ${sql(rows.table)}
      WHERE ${within(sql, rows, range)} ${after._tag === "None" ? sql`` : sql`AND ${compare(sql, rows, ">", after.value)}`}
      ORDER BY ${sql.csv(rows.order.map((column) => sql`${sql(column)}`))}
      LIMIT ${List.size(request) + 1}`
  )
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
      const found = yield* sql`SELECT 1 FROM ${sql(rows.table)} WHERE ${within(sql, rows, range)} LIMIT 1`
      return found.length === 0
    }),
    { operation: "IsHistoryTasksEmpty", readOnly: "proven" }
  )

/** Takes one row away. One round trip. */
export const remove = (rows: TaskRows, position: Position) =>
  repeatable(
    "CompleteHistoryTask",
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* sql`DELETE FROM ${sql(rows.table)} WHERE ${inQueue(sql, rows)} AND ${compare(sql, rows, "=", position)}`
    })
  )

/** Takes the first rows of a range away, and gives how many went. One round trip for 500. */
export const removeRange = (rows: TaskRows, range: Range, limit: number | undefined) =>
  drain(
    "RangeCompleteHistoryTasks",
    first({ table: rows.table, order: rows.order, where: (sql) => within(sql, rows, range) }),
    limit
  )

/** The condition that a row is of the queue. */
export const inQueue = (sql: SqlClient, rows: TaskRows): Fragment =>
  sql`${sql.and(Object.entries(rows.equal).map(([column, value]) => sql`${sql(column)} = ${value}`))}`

/** A value of an ordering column, as the column holds it. */
export const value = (sql: SqlClient, column: Order[number], of: Fragment): Fragment =>
  column === "visibility_timestamp" ? FireTime.toTimestamp(sql, of) : of

/** A row as it is selected: a fire time under a name of its own, so that ORDER BY means the column. */
interface Found {
  readonly fire_time: bigint
  readonly task_id: bigint
}

const names = { visibility_timestamp: "fire_time", task_id: "task_id" } as const

const positions = Tokens.codec("history tasks", Schema.Array(Schema.BigInt))

const Columns = Schema.Struct({ data: Schema.Uint8Array, data_encoding: Encoding })

const selected = (sql: SqlClient, column: Order[number]) =>
  column === "visibility_timestamp"
    ? sql`${FireTime.toMicros(sql, sql`${sql(column)}`)} AS fire_time`
    : sql`${sql(column)}`

const key = (rows: TaskRows, position: Position) => ({
  ...rows.equal,
  ...Object.fromEntries(rows.order.map((column, index) => [column, position[index] ?? 0n]))
})

const compare = (sql: SqlClient, rows: TaskRows, operator: ">" | "=", position: Position) => {
  const columns = sql.csv(rows.order.map((column) => sql`${sql(column)}`))
  const values = sql.csv(rows.order.map((column, index) => value(sql, column, sql`${position[index]}::bigint`)))
  return sql`(${columns}) ${sql.literal(operator)} (${values})`
}

/** The condition that a row is of the queue and in the range. */
const within = (sql: SqlClient, rows: TaskRows, { max, min }: Range) => {
  const [column] = rows.order
  const bound = (of: bigint) => value(sql, column, sql`${of}::bigint`)
  return sql`${inQueue(sql, rows)} AND ${sql(column)} >= ${bound(min)} AND ${sql(column)} < ${bound(max)}`
}
