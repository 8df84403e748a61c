/**
 * Adding history tasks of any categories below the shard that they belong to.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { HistoryTask } from "../../HistoryTask.ts"
import type { OwnedShard } from "../../Shard.ts"
import * as Shard from "../shards/guard.ts"
import * as Insert from "./insert.ts"
import { inQueue, value } from "./rows.ts"
import { taskTable, type TaskTable } from "./table.ts"

/** Adds the tasks, or none. Without any it still asks who owns the shard. */
export const add = Effect.fnUntraced(function* (owned: OwnedShard, tasks: ReadonlyArray<HistoryTask>) {
  yield* Size.checkAll(Insert.sizes(owned.shardId, Insert.groups(tasks)))
  yield* Transaction.autocommit(insert(owned, tasks), {
    operation: "AddHistoryTasks",
    verify: () => verify(owned, tasks)
  })
})

/** Inserts the tasks while the shard has this range. */
export const insert = (owned: OwnedShard, tasks: ReadonlyArray<HistoryTask>) =>
  Effect.asVoid(
    Guarded.write({ guards: [Shard.owned(owned)], writes: Insert.inserts(owned.shardId, Insert.groups(tasks)) })
  )

/**
 * What became of an insert whose answer was lost. The shard is taken FOR UPDATE, so an insert that is still under way
 * conflicts with this. Only the owner deletes tasks, and none before its insert is acknowledged: those that are not
 * there were never there, for as long as nobody else took the shard, who may have found them and deleted them.
 */
export const verify = Effect.fnUntraced(function* (
  { rangeId, shardId }: OwnedShard,
  tasks: ReadonlyArray<HistoryTask>
) {
  // Without tasks only the shard was looked at, and may be once more.
  if (tasks.length === 0) return Transaction.notCommitted
  const sql = yield* Transaction.sql
  const [shard] = yield* sql<{ readonly range_id: bigint }>`
    SELECT range_id FROM shards WHERE shard_id = ${shardId} FOR UPDATE`
  let found = 0
  let same = 0
  for (const { fixed, order, table, tasks: group } of groups(tasks)) {
    const own = inQueue({ equal: { shard_id: shardId, ...fixed } })
    const joined = Expression.all(
      order.map((column) => Expression.sql`stored.${Expression.column(column)} = ${value(column, added[column])}`)
    )
    const both = Expression.sql`(SELECT * FROM ${Expression.name(table)} WHERE ${own}) AS stored JOIN ${rows(group)} ON ${joined}`
    const stored = yield* sql<{ readonly same: boolean }>`
      SELECT stored.data = added.data AND stored.data_encoding = added.data_encoding AS same
      FROM ${Expression.fragment(sql, both)}`
    found += stored.length
    same += stored.filter((row) => row.same).length
  }
  if (found === 0) return shard?.range_id === rangeId ? Transaction.notCommitted : Transaction.unknown
  return same === tasks.length ? Transaction.committed(undefined) : Transaction.unknown
})

interface Group extends TaskTable {
  readonly tasks: ReadonlyArray<HistoryTask>
}

/** The tasks of each category. */
const groups = (tasks: ReadonlyArray<HistoryTask>): ReadonlyArray<Group> =>
  Array.from(
    Map.groupBy(tasks, ({ category }) => `${category.kind} ${category.id}`).values(),
    (tasks): Group | undefined => (tasks[0] === undefined ? undefined : { ...taskTable(tasks[0].category), tasks })
  ).filter((group) => group !== undefined)

/** The columns beside the shard and the category. An immediate task has no fire time, and nothing reads this one. */
const row = (task: HistoryTask) => ({
  fire_time: "fireTime" in task ? task.fireTime : 0n,
  task_id: task.taskId,
  data: task.task.data,
  data_encoding: task.task.encoding
})

const types = { fire_time: "bigint", task_id: "bigint", data: "bytea", data_encoding: "text" } as const

const rows = (tasks: ReadonlyArray<HistoryTask>): Expression.Expression =>
  Expression.records("added", types, tasks.map(row))

const added = {
  visibility_timestamp: Expression.literal("added.fire_time"),
  task_id: Expression.literal("added.task_id")
}
