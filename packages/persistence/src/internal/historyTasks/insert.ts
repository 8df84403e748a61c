/**
 * Adding history tasks of any categories, as writes of one statement.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type * as Size from "@effect-dsql/core/Size"
import * as Write from "@effect-dsql/core/Write"
import type { HistoryTask } from "../../HistoryTask.ts"
import type { ShardId } from "../../Identifiers.ts"
import { toTimestamp } from "./fireTime.ts"
import { type TaskTable, taskTable } from "./table.ts"

const types: Expression.Columns = {
  category_id: "integer",
  visibility_timestamp: "bigint",
  task_id: "bigint",
  data: "bytea",
  data_encoding: "text"
}

/** What a task's row holds beside the shard; a fire time in microseconds. */
type TaskRow = Readonly<Record<string, Uint8Array | bigint | number | string>>

/** The tasks of one table. */
export interface Group {
  readonly to: TaskTable
  readonly rows: ReadonlyArray<TaskRow>
  /** The rows as they stand in FROM. */
  readonly records: Expression.Expression
  /** The columns of the table, as expressions over `records`. */
  readonly values: Readonly<Record<string, Expression.Expression>>
}

/** Tasks, together for each table that has some. */
export const groups = (tasks: ReadonlyArray<HistoryTask>): ReadonlyArray<Group> => {
  const tables = new Map<string, { readonly to: TaskTable; readonly rows: Array<TaskRow> }>()
  for (const task of tasks) {
    const to = taskTable(task.category)
    const group = tables.get(to.table) ?? { to, rows: [] }
    tables.set(to.table, group)
    group.rows.push({
      ...to.fixed,
      ...("fireTime" in task ? { visibility_timestamp: task.fireTime } : {}),
      task_id: task.taskId,
      data: task.task.data,
      data_encoding: task.task.encoding
    })
  }
  return [...tables.values()].map(({ rows, to }) => {
    const names = [...to.key.slice(1), "data", "data_encoding"]
    const columns = Object.fromEntries(names.map((name) => [name, types[name] ?? "text"]))
    const value = (name: string) => {
      const given = Expression.literal(`task.${name}`)
      return name === "visibility_timestamp" ? toTimestamp(given) : given
    }
    return {
      to,
      rows,
      records: Expression.records("task", columns, rows),
      values: Object.fromEntries(names.map((name) => [name, value(name)]))
    }
  })
}

/** The writes that add them. */
export const inserts = (shardId: ShardId, groups: ReadonlyArray<Group>): ReadonlyArray<Write.Write> =>
  groups.map(({ records, to, values }) =>
    Write.insert({
      into: to.table,
      columns: { shard_id: Expression.value("integer", shardId), ...values },
      from: records
    })
  )

/** What they write, to be measured. */
export const sizes = (shardId: ShardId, groups: ReadonlyArray<Group>): ReadonlyArray<Size.Write> =>
  groups.flatMap(({ rows, to }) =>
    rows.map((row) => ({ table: to.table, row: { shard_id: shardId, ...row }, key: to.key }))
  )
