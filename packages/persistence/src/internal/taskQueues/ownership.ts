/**
 * Task queues themselves: who owns which, by a range id that only grows.
 */
import { ConditionFailed, type Token } from "@effect-dsql/core/DsqlError"
import * as Fence from "@effect-dsql/core/Fence"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type DataBlob, Encoding, equals } from "../../DataBlob.ts"
import type * as PageToken from "../../PageToken.ts"
import { type OwnedTaskQueue, type TaskQueue, TaskQueueExists, TaskQueueOwnershipLost } from "../../TaskQueue.ts"
import { TaskQueueId } from "../../TaskQueueId.ts"
import * as List from "../page/list.ts"
import * as Row from "../page/row.ts"
import * as Tokens from "../page/tokens.ts"
import { key, type Layout, matches } from "./layout.ts"

export type Table = Layout<unknown>["queues"]

/** The range of a queue that nobody has owned before. */
const first = 1n

export const guard = (table: Table, id: TaskQueueId): Fence.Guard => ({ table, key: key(id), token: "range_id" })

const data = (info: DataBlob) => ({ data: info.data, data_encoding: info.encoding })

const toRow = (queue: TaskQueue) => ({ ...key(queue.id), range_id: queue.rangeId, ...data(queue.info) })

const check = (table: Table, queue: TaskQueue) => Size.check(table, toRow(queue), Object.keys(key(queue.id)))

export const create = Effect.fnUntraced(function* (table: Table, queue: TaskQueue) {
  yield* check(table, queue)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const rows = yield* sql<{ readonly written: boolean }>`
      WITH written AS (
        INSERT INTO ${sql(table)} ${sql.insert(toRow(queue))}
        ON CONFLICT (range_hash, task_queue_id) DO NOTHING
        RETURNING 1
      )
      SELECT EXISTS (SELECT 1 FROM written) AS written, existing.*
      FROM (VALUES (1)) AS always LEFT JOIN ${sql(table)} AS existing ON ${matches(sql, key(queue.id))}`
    if (rows[0]?.written === true) return
    return yield* new TaskQueueExists({ existing: yield* decode(table, queue.id, rows[0]) })
  })
  // A row that is missing cannot be locked, so one that is still under way is met by creating it again.
  const verify = () =>
    Effect.map(body, Transaction.committed).pipe(
      Effect.catchTag("TaskQueueExists", ({ existing }) =>
        // Another one may have been there before, or come after ours was deleted.
        Effect.succeed(same(existing, queue) ? Transaction.committed(undefined) : Transaction.unknown)
      )
    )
  yield* Transaction.autocommit(body, { operation: "CreateTaskQueue", verify })
})

export const find = (table: Table, id: TaskQueueId) =>
  Transaction.autocommit(select(table, id, ""), { operation: "GetTaskQueue", readOnly: "proven" })

/**
 * Raises the range against everybody who holds it. The lock is FOR UPDATE, because raising a column that is no key
 * would not conflict with the FOR KEY SHARE of those who add tasks.
 */
export const lease = Effect.fnUntraced(function* (table: Table, id: TaskQueueId, info: DataBlob) {
  const created: TaskQueue = { id, rangeId: first, info }
  yield* check(table, created)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const rows = yield* sql`
      WITH held AS (
        SELECT range_id FROM ${sql(table)} WHERE ${matches(sql, key(id))} FOR UPDATE
      ), taken AS (
        UPDATE ${sql(table)} SET range_id = held.range_id + 1 FROM held WHERE ${matches(sql, key(id))}
        RETURNING ${sql(table)}.range_id, data, data_encoding
      ), created AS (
        INSERT INTO ${sql(table)} (range_hash, task_queue_id, range_id, data, data_encoding)
        SELECT ${id.rangeHash}::bigint, ${id.uuid}::uuid, ${first}::bigint, ${info.data}::bytea, ${info.encoding}
        WHERE NOT EXISTS (SELECT 1 FROM held)
        ON CONFLICT (range_hash, task_queue_id) DO NOTHING
        RETURNING range_id, data, data_encoding
      )
      SELECT range_id, data, data_encoding FROM taken
      UNION ALL
      SELECT range_id, data, data_encoding FROM created`
    return yield* decode(table, id, rows[0])
  })
  // Who cannot tell whether the queue is his takes it again: the range only grows, and the last one taken holds.
  const verify = () => Effect.map(body, Transaction.committed)
  return yield* Transaction.autocommit(body, { operation: "LeaseTaskQueue", verify })
})

export const update = Effect.fnUntraced(function* (table: Table, queue: TaskQueue, expected: bigint) {
  yield* check(table, queue)
  const set = { range_id: queue.rangeId, ...data(queue.info) }
  const body =
    queue.rangeId === expected ? refresh(table, queue) : Fence.compareAndSet(guard(table, queue.id), expected, set)
  const verify = () =>
    Effect.map(select(table, queue.id, "FOR UPDATE"), (found): Transaction.Outcome<void> => {
      if (Option.isNone(found)) return Transaction.unknown
      if (same(found.value, queue)) return Transaction.committed(undefined)
      // A range that moved on says nothing about who moved it, or whether this write came before.
      return found.value.rangeId === expected ? Transaction.notCommitted : Transaction.unknown
    })
  yield* Transaction.autocommit(owned(queue.id, body), { operation: "UpdateTaskQueue", verify })
})

/** The owner's own update leaves the range, so it conflicts with a takeover and not with the tasks that he adds. */
const refresh = Effect.fnUntraced(function* (table: Table, queue: TaskQueue) {
  const sql = yield* Transaction.sql
  const rows = yield* sql<{ readonly written: boolean; readonly range_id: bigint | null }>`
    WITH written AS (
      UPDATE ${sql(table)} SET ${sql.update(data(queue.info))}
      WHERE ${matches(sql, key(queue.id))} AND range_id = ${queue.rangeId}
      RETURNING 1
    )
    SELECT EXISTS (SELECT 1 FROM written) AS written,
      (SELECT range_id FROM ${sql(table)} WHERE ${matches(sql, key(queue.id))}) AS range_id`
  if (rows[0]?.written === true) return
  yield* new TaskQueueOwnershipLost({
    id: queue.id,
    expected: queue.rangeId,
    actual: rows[0]?.range_id ?? undefined
  })
})

export const remove = Effect.fnUntraced(function* (table: Table, { id, rangeId }: OwnedTaskQueue) {
  const body = owned(id, Fence.compareAndDelete(guard(table, id), rangeId))
  const verify = () =>
    Effect.map(select(table, id, "FOR UPDATE"), (found): Transaction.Outcome<void> => {
      if (Option.isNone(found)) return Transaction.committed(undefined)
      return found.value.rangeId === rangeId ? Transaction.notCommitted : Transaction.unknown
    })
  yield* Transaction.autocommit(body, { operation: "DeleteTaskQueue", verify })
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
      WHERE ${rest} ORDER BY range_hash, task_queue_id LIMIT ${List.size(request) + 1}`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListTaskQueues", readOnly: "proven" })
  const idOf = (row: (typeof rows)[number]): TaskQueueId => ({ rangeHash: row.range_hash, uuid: row.task_queue_id })
  return yield* List.page(rows, request, (row) => decode(table, idOf(row), row), idOf, tokens(table))
})

const select = Effect.fnUntraced(function* (table: Table, id: TaskQueueId, lock: "" | "FOR UPDATE") {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT range_id, data, data_encoding FROM ${sql(table)} WHERE ${matches(sql, key(id))} ${sql.literal(lock)}`
  return rows[0] === undefined ? Option.none<TaskQueue>() : Option.some(yield* decode(table, id, rows[0]))
})

const QueueRow = Schema.Struct({ range_id: Schema.BigInt, data: Schema.Uint8Array, data_encoding: Encoding })

const decode = (table: Table, id: TaskQueueId, row: unknown) =>
  Effect.map(Row.decode(QueueRow, row, { table, key: key(id) }), (columns): TaskQueue => ({
    id,
    rangeId: columns.range_id,
    info: { data: columns.data, encoding: columns.data_encoding }
  }))

const same = (a: TaskQueue, b: TaskQueue): boolean => a.rangeId === b.rangeId && equals(a.info, b.info)

/** A BIGINT that is NOT NULL comes as a bigint. */
const toRangeId = (token: Token | null): bigint => BigInt(token ?? 0n)

const owned = <A, E, R>(id: TaskQueueId, effect: Effect.Effect<A, E | ConditionFailed, R>) =>
  Effect.mapError(effect, (error) =>
    error instanceof ConditionFailed
      ? new TaskQueueOwnershipLost({
          id,
          expected: toRangeId(error.expected),
          actual: error.actual === undefined ? undefined : toRangeId(error.actual)
        })
      : // The guard takes it out of the union; the compiler cannot see that through the type parameter.
        (error as Exclude<E, ConditionFailed>)
  )
