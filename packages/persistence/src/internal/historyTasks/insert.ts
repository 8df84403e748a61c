/**
 * History tasks as rows, together for each table that has some.
 */
import type { HistoryTask } from "../../HistoryTask.ts"
import { timestampOf } from "./fireTime.ts"
import type { Parameters } from "../parameters.ts"
import type { ColumnType, Value } from "../records.ts"
import { type TaskTable, taskTable } from "./table.ts"

const types: Readonly<Record<string, ColumnType>> = {
  category_id: "integer",
  visibility_timestamp: "bigint",
  task_id: "bigint",
  data: "bytea",
  data_encoding: "text"
}

/** The tasks of one table. */
export interface Group {
  readonly to: TaskTable
  /** What the rows hold beside the shard. */
  readonly rows: ReadonlyArray<Readonly<Record<string, Value>>>
  /** The rows as they stand in FROM. */
  readonly records: string
  /** The columns of the table, as expressions over `records`. */
  readonly values: Readonly<Record<string, string>>
}

export const groups = (parameters: Parameters, tasks: ReadonlyArray<HistoryTask>): ReadonlyArray<Group> => {
  const tables = new Map<string, { readonly to: TaskTable; readonly rows: Array<Group["rows"][number]> }>()
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
    const value = (name: string) => (name === "visibility_timestamp" ? timestampOf(`task.${name}`) : `task.${name}`)
    return {
      to,
      rows,
      records: parameters.records("task", Object.fromEntries(names.map((name) => [name, types[name] ?? "text"])), rows),
      values: Object.fromEntries(names.map((name) => [name, value(name)]))
    }
  })
}
