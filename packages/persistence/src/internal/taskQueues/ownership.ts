/**
 * Task queues themselves: who owns which, by a range id that only grows.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type DataBlob, Encoding, equals } from "../../DataBlob.ts"
import type * as PageToken from "../../PageToken.ts"
import { type OwnedTaskQueue, type TaskQueue, TaskQueueExists, TaskQueueOwnershipLost } from "../../TaskQueue.ts"
import { TaskQueueId } from "../../TaskQueueId.ts"
import * as List from "../page/list.ts"
import * as Row from "../page/row.ts"
import type { MalformedRow } from "../../PersistenceError.ts"
import * as Tokens from "../page/tokens.ts"
import { bound, key, type Layout, matches } from "./layout.ts"

export type Table = Layout<unknown>["queues"]

/** The range of a queue that nobody has owned before. */
const first = 1n

/**
 * What a queue's row holds once the queue is deleted: the row stays, so that the range goes on growing whoever makes the
 * queue anew, and a stale owner never meets his range again. In Temporal's `TaskQueueInfo` this is a field that it does
 * not know and passes over, so another system finds a queue that says nothing.
 */
const deleted: DataBlob = { data: Uint8Array.of(0xc0, 0x3e, 0x01), encoding: "Proto3" }

const isDeleted = Expression.sql`data = ${Expression.value("bytea", deleted.data)}`

const stands = Expression.sql`data <> ${Expression.value("bytea", deleted.data)}`

const data = (info: DataBlob) => ({ data: info.data, data_encoding: info.encoding })

const toRow = (queue: TaskQueue) => ({ ...key(queue.id), range_id: queue.rangeId, ...data(queue.info) })

const check = (table: Table, queue: TaskQueue) => Size.check(table, toRow(queue), Object.keys(key(queue.id)))

const columns = ["range_id", "data", "data_encoding"]

const values = (info: DataBlob) => ({
  data: Expression.value("bytea", info.data),
  data_encoding: Expression.value("text", info.encoding)
})

/** The caller owns the queue: with a lock until this commits, else at the instant that the statement sees. */
export const owned = (
  table: Table,
  { id, rangeId }: OwnedTaskQueue,
  lock: Guard.Lock | undefined
): Guard.Guard<TaskQueueOwnershipLost | MalformedRow> =>
  Guard.make({
    name: "queue",
    row: Guard.row(table, bound(id), columns, lock),
    columns,
    holds: (row) => Guard.exists(row, Expression.sql`range_id = ${Expression.value("bigint", rangeId)} AND ${stands}`),
    refuse: Effect.fnUntraced(function* (found) {
      const queue = found === undefined ? undefined : yield* decode(table, id, found)
      const actual = queue === undefined || isGone(queue) ? undefined : queue.rangeId
      return yield* new TaskQueueOwnershipLost({ id, expected: rangeId, actual })
    })
  })

const isGone = ({ info }: TaskQueue): boolean => equals(info, deleted)

/**
 * Makes a queue with this range, or with the next one where it has been deleted with a later one. Nothing that is stored
 * says whose it is, so a lost answer stays one.
 */
export const create = Effect.fnUntraced(function* (table: Table, queue: TaskQueue) {
  const { id, info, rangeId } = queue
  yield* check(table, queue)
  const free = Guard.make({
    name: "queue",
    row: Guard.row(table, bound(id), columns, "exclusive"),
    columns,
    holds: (row) => Guard.absent(row, stands),
    refuse: (found) =>
      Effect.flatMap(decode(table, id, found), (existing) => Effect.fail(new TaskQueueExists({ existing })))
  })
  const given = Expression.value("bigint", rangeId)
  const body = Effect.map(
    Guarded.write({
      guards: [free],
      writes: [
        Write.insert({
          into: table,
          columns: { ...bound(id), range_id: Guarded.told("range", "bigint"), ...values(info) },
          onConflict: Write.replacing(
            Object.keys(key(id)),
            columns,
            Expression.sql`${Expression.name(table)}.${isDeleted}`
          )
        })
      ],
      tells: { range: Expression.sql`GREATEST(${given}, ${Guard.column(free, "range_id", "bigint")} + 1)` }
    }),
    // What is told is a BIGINT, which the driver gives as a bigint.
    ({ range }): TaskQueue => ({ id, info, rangeId: range as bigint })
  )
  return yield* Transaction.autocommit(body, { operation: "CreateTaskQueue" })
})

export const find = (table: Table, id: TaskQueueId) =>
  Transaction.autocommit(select(table, id), { operation: "GetTaskQueue", readOnly: "proven" })

/**
 * Raises the range against everybody who holds it. The lock is FOR UPDATE, because raising a column that is no key
 * would not conflict with the FOR KEY SHARE of those who add tasks.
 *
 * Who cannot tell whether the queue is his takes it again: the range only grows, and the last one taken holds.
 */
export const lease = Effect.fnUntraced(function* (table: Table, id: TaskQueueId, info: DataBlob) {
  yield* check(table, { id, rangeId: first, info })
  const known = Guard.make({
    name: "queue",
    row: Guard.row(table, bound(id), columns, "exclusive"),
    columns,
    holds: () => Expression.literal("TRUE"),
    refuse: () => Effect.die(new Error("nothing is asked of a queue that is taken"))
  })
  const given = values(info)
  const gone = Expression.sql`${Guard.column(known, "data", "bytea")} = ${Expression.value("bytea", deleted.data)}`
  const kept = (column: "data" | "data_encoding", type: "bytea" | "text") =>
    Expression.sql`CASE WHEN ${gone} THEN ${given[column]} ELSE COALESCE(${Guard.column(known, column, type)}, ${given[column]}) END`
  const tells = {
    range_id: Expression.sql`COALESCE(${Guard.column(known, "range_id", "bigint")} + 1, ${Expression.value("bigint", first)})`,
    data: kept("data", "bytea"),
    data_encoding: kept("data_encoding", "text")
  }
  const body = Effect.flatMap(
    Guarded.write({
      guards: [known],
      writes: [
        Write.insert({
          into: table,
          columns: {
            ...bound(id),
            range_id: Guarded.told("range_id", "bigint"),
            data: Guarded.told("data", "bytea"),
            data_encoding: Guarded.told("data_encoding", "text")
          },
          onConflict: Write.replacing(Object.keys(key(id)), columns)
        })
      ],
      tells
    }),
    (told) => decode(table, id, told)
  )
  return yield* Transaction.autocommit(body, { operation: "LeaseTaskQueue", repeat: true })
})

/** The owner's own update leaves the range, so it conflicts with a takeover and not with the tasks that he adds. */
export const update = Effect.fnUntraced(function* (table: Table, queue: TaskQueue, expected: bigint) {
  yield* check(table, queue)
  const { id, info, rangeId } = queue
  const moves = rangeId !== expected
  const set = { range_id: Expression.value("bigint", rangeId), ...values(info) }
  const body = change(table, { id, rangeId: expected }, moves ? "exclusive" : undefined, set)
  const verify = () =>
    Effect.map(look(table, id), (found): Transaction.Outcome<void> => {
      if (found === undefined) return Transaction.unknown
      if (found.rangeId === rangeId && equals(found.info, info)) return Transaction.committed(undefined)
      // A range that moved on says nothing about who moved it, or whether this write came before.
      return found.rangeId === expected ? Transaction.notCommitted : Transaction.unknown
    })
  // A range that moves makes a late twin of this write harmless; one that stays does not.
  yield* Transaction.autocommit(body, { operation: "UpdateTaskQueue", repeat: moves, verify })
})

/** Sets columns of the row of a queue that is owned. */
const change = (
  table: Table,
  queue: OwnedTaskQueue,
  lock: Guard.Lock | undefined,
  set: Readonly<Record<string, Expression.Expression>>
) =>
  Effect.asVoid(
    Guarded.write({
      guards: [owned(table, queue, lock)],
      writes: [
        Write.update({
          table,
          set,
          where: Expression.key(table, { ...bound(queue.id), range_id: Expression.value("bigint", queue.rangeId) })
        })
      ]
    })
  )

/** The row stays behind, with a range that is one higher. */
export const remove = Effect.fnUntraced(function* (table: Table, queue: OwnedTaskQueue) {
  const next = queue.rangeId + 1n
  const body = change(table, queue, "exclusive", { range_id: Expression.value("bigint", next), ...values(deleted) })
  const verify = () =>
    Effect.map(look(table, queue.id), (found): Transaction.Outcome<void> => {
      if (found === undefined) return Transaction.unknown
      if (isGone(found) && found.rangeId === next) return Transaction.committed(undefined)
      return found.rangeId === queue.rangeId ? Transaction.notCommitted : Transaction.unknown
    })
  yield* Transaction.autocommit(body, { operation: "DeleteTaskQueue", repeat: true, verify })
})

/** The row of a queue, one that is deleted too, held against everybody who changes it. */
const look = Effect.fnUntraced(function* (table: Table, id: TaskQueueId) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT range_id, data, data_encoding FROM ${sql(table)} WHERE ${matches(sql, key(id))} FOR UPDATE`
  return rows[0] === undefined ? undefined : yield* decode(table, id, rows[0])
})

const tokens = (table: Table) => Tokens.codec(table, TaskQueueId)

export const list = Effect.fnUntraced(function* (table: Table, request: PageToken.PageRequest) {
  const after = yield* List.start(tokens(table), request)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const rest = Option.match(after, {
      onNone: () => sql.literal("TRUE"),
      onSome: (id) => sql`(range_hash, task_queue_id) > (${id.rangeHash}::bigint, ${id.uuid}::uuid)`
    })
    return yield* sql<{ readonly range_hash: bigint; readonly task_queue_id: string }>`
      SELECT range_hash, task_queue_id, range_id, data, data_encoding FROM ${sql(table)}
      WHERE ${rest} AND data <> ${deleted.data} ORDER BY range_hash, task_queue_id LIMIT ${List.size(request) + 1}`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListTaskQueues", readOnly: "proven" })
  const idOf = (row: (typeof rows)[number]): TaskQueueId => ({ rangeHash: row.range_hash, uuid: row.task_queue_id })
  return yield* List.page(rows, request, (row) => decode(table, idOf(row), row), idOf, tokens(table))
})

const select = Effect.fnUntraced(function* (table: Table, id: TaskQueueId) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT range_id, data, data_encoding FROM ${sql(table)} WHERE ${matches(sql, key(id))} AND data <> ${deleted.data}`
  return rows[0] === undefined ? Option.none<TaskQueue>() : Option.some(yield* decode(table, id, rows[0]))
})

const QueueRow = Schema.Struct({ range_id: Schema.BigInt, data: Schema.Uint8Array, data_encoding: Encoding })

const decode = (table: Table, id: TaskQueueId, row: unknown) =>
  Effect.map(Row.decode(QueueRow, row, { table, key: key(id) }), (columns): TaskQueue => ({
    id,
    rangeId: columns.range_id,
    info: { data: columns.data, encoding: columns.data_encoding }
  }))
