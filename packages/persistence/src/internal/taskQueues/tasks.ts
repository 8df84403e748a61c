/**
 * The tasks of task queues.
 */
import * as Fence from "@effect-dsql/core/Fence"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import type * as Removal from "@effect-dsql/core/Removal"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import { Encoding, equals } from "../../DataBlob.ts"
import type * as PageToken from "../../PageToken.ts"
import type { NewTask, OwnedTaskQueue, Task, TasksDeletion } from "../../TaskQueue.ts"
import type { TaskQueueId } from "../../TaskQueueId.ts"
import { drain } from "../drain.ts"
import * as Ownership from "./ownership.ts"
import * as List from "../page/list.ts"
import * as Row from "../page/row.ts"
import * as Tokens from "../page/tokens.ts"
import { bound, columns, key, type Found, type Layout, matches } from "./layout.ts"

/** Which tasks of a queue, from one position on, up to another that is not included. */
export interface Range<P> {
  readonly from?: P | undefined
  readonly before?: P | undefined
}

export const create = Effect.fnUntraced(function* <P>(
  layout: Layout<P>,
  owned: OwnedTaskQueue,
  tasks: ReadonlyArray<NewTask<P>>
) {
  const primary = [...Object.keys(key(owned.id)), ...layout.order]
  yield* Size.checkAll(tasks.map((task) => ({ table: layout.tasks, row: toRow(layout, owned, task), key: primary })))
  yield* Transaction.autocommit(add(layout, owned, tasks), {
    operation: "CreateTasks",
    verify: () => verify(layout, owned, tasks)
  })
})

/** A task's row. It stands in its subqueue, and the row of its queue guards it. */
const toRow = <P>(layout: Layout<P>, { id }: OwnedTaskQueue, { position, subqueue = id, task }: NewTask<P>) => ({
  ...key(subqueue),
  ...layout.toColumns(position),
  data: task.data,
  data_encoding: task.encoding
})

/** Adds tasks while the queue has this range. */
export const add = <P>(layout: Layout<P>, owned: OwnedTaskQueue, tasks: ReadonlyArray<NewTask<P>>) => {
  const types: Expression.Columns = {
    range_hash: "bigint",
    task_queue_id: "uuid",
    ...Object.fromEntries(layout.order.map((column) => [column, "bigint"] as const)),
    data: "bytea",
    data_encoding: "text"
  }
  const values = Object.keys(types).map(
    (column) => [column, Expression.sql`task.${Expression.column(column)}`] as const
  )
  const rows = tasks.map((task) => toRow(layout, owned, task))
  return Effect.asVoid(
    Guarded.write({
      guards: [Ownership.owned(layout.queues, owned, "shared")],
      writes: [
        Write.insert({
          into: layout.tasks,
          columns: Object.fromEntries(values),
          from: Expression.records("task", types, rows)
        })
      ]
    })
  )
}

/**
 * All tasks were written or none, so one tells. A task that is missing was never written for as long as nobody else
 * took the queue, because only its owner deletes tasks, and none before it knows that it is there.
 */
export const verify = Effect.fnUntraced(function* <P>(
  layout: Layout<P>,
  { id, rangeId }: OwnedTaskQueue,
  tasks: ReadonlyArray<NewTask<P>>
): Effect.fn.Return<Transaction.Outcome<void>, unknown, Transaction.Transaction> {
  const [task] = tasks
  // Without tasks only the queue was looked at, and may be once more.
  if (task === undefined) return Transaction.notCommitted
  const held = yield* Fence.exclusive({ table: layout.queues, key: key(id), token: "range_id" })
  const sql = yield* Transaction.sql
  const { subqueue = id } = task
  const rows = yield* sql<Found>`
    SELECT * FROM ${sql(layout.tasks)} WHERE ${matches(sql, { ...key(subqueue), ...layout.toColumns(task.position) })}`
  if (rows[0] !== undefined) {
    const stored = yield* decode(layout, subqueue, rows[0])
    return equals(stored.task, task.task) ? Transaction.committed(undefined) : Transaction.notCommitted
  }
  return Option.contains(held, rangeId) ? Transaction.notCommitted : Transaction.unknown
})

const tokens = <P>(layout: Layout<P>, id: TaskQueueId, { before, from }: Range<P>) => {
  const bound = (position: P | undefined) =>
    position === undefined ? "the end" : Object.values(layout.toColumns(position)).join("/")
  const list = Tokens.codec(Row.name({ table: layout.tasks, key: key(id) }), layout.position)
  return list.of(`from ${bound(from)} to ${bound(before)}`)
}

export const list = Effect.fnUntraced(function* <P>(
  layout: Layout<P>,
  id: TaskQueueId,
  request: Range<P> & PageToken.PageRequest
) {
  const codec = tokens(layout, id, request)
  const after = Option.getOrUndefined(yield* List.start(codec, request))
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const bounds = [
      // One bound below: of two, a scan might begin at the lower one.
      after === undefined ? compare(sql, layout, ">=", request.from) : compare(sql, layout, ">", after),
      compare(sql, layout, "<", request.before)
    ]
    const order = columns(sql, layout.order)
    return yield* sql<Found>`
      SELECT ${order}, data, data_encoding FROM ${sql(layout.tasks)}
      WHERE ${sql.and([matches(sql, key(id)), ...bounds])}
      ORDER BY ${order} LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "GetTasks", readOnly: "proven" })
  return yield* List.page(
    rows,
    request,
    (row) => decode(layout, id, row),
    (row) => layout.fromColumns(row),
    codec
  )
})

export const removeBefore = <P>(
  layout: Layout<P>,
  owned: OwnedTaskQueue,
  before: P,
  { limit, subqueue = owned.id }: TasksDeletion = {}
) => drain("CompleteTasksLessThan", earlier(layout, subqueue, before), { limit, guards: [owner(layout, owned)] })

/**
 * The guard of whoever deletes. The queue need not be held: the statement sees one instant, and while the owner has the
 * queue nobody after him has added anything.
 */
export const owner = <P>(layout: Layout<P>, owned: OwnedTaskQueue) => Ownership.owned(layout.queues, owned, undefined)

/** The tasks before a position. */
export const earlier = <P>(layout: Layout<P>, id: TaskQueueId, before: P): Removal.Rows => {
  const position = Object.values(layout.toColumns(before)).map((value) => Expression.value("bigint", value))
  const isEarlier = Expression.sql`(${Expression.names(layout.order)}) < (${Expression.join(position, ", ")})`
  return {
    table: layout.tasks,
    order: Object.fromEntries(layout.order.map((column) => [column, "bigint"])),
    where: Expression.sql`${Expression.key(layout.tasks, bound(id))} AND ${isEarlier}`
  }
}

const compare = <P>(sql: SqlClient, layout: Layout<P>, operator: ">=" | ">" | "<", position: P | undefined) => {
  if (position === undefined) return sql.literal("TRUE")
  const values = Object.values(layout.toColumns(position)).map((value) => sql`${value}::bigint`)
  return sql`(${columns(sql, layout.order)}) ${sql.literal(operator)} (${sql.csv(values)})`
}

const decode = <P>(layout: Layout<P>, id: TaskQueueId, row: Found) => {
  const position = layout.fromColumns(row)
  const place = { table: layout.tasks, key: { ...key(id), ...layout.toColumns(position) } }
  const schema = Schema.Struct({ data: Schema.Uint8Array, data_encoding: Encoding })
  return Effect.map(Row.decode(schema, row, place), (columns): Task<P> => ({
    position,
    task: { data: columns.data, encoding: columns.data_encoding }
  }))
}
