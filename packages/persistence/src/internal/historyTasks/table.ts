/**
 * Which table holds a category's history tasks, and how its rows are keyed.
 */
import type * as HistoryTask from "../../HistoryTask.ts"

/** The columns that order a queue's rows within a shard. `visibility_timestamp` holds a fire time. */
export type Order = readonly ["task_id"] | readonly ["visibility_timestamp", "task_id"]

/** A table of history tasks, as one category uses it. */
export interface TaskTable {
  readonly table:
    | "history_immediate_tasks"
    | "history_scheduled_tasks"
    | "replication_tasks"
    | "timer_tasks"
    | "transfer_tasks"
    | "visibility_tasks"
  /** Columns that are the same in all rows of the category, beside the shard. */
  readonly fixed: Readonly<Record<string, number>>
  readonly order: Order
  /** The primary key, in order: the shard, what is fixed, what orders. */
  readonly key: ReadonlyArray<string>
}

/** Four categories have a table of their own; the others share one, by category id. */
export const taskTable = (category: HistoryTask.Category): TaskTable =>
  category.kind === "Immediate"
    ? (immediate.get(category.id) ?? make("history_immediate_tasks", { category_id: category.id }, ["task_id"]))
    : (scheduled.get(category.id) ??
      make("history_scheduled_tasks", { category_id: category.id }, ["visibility_timestamp", "task_id"]))

const make = (table: TaskTable["table"], fixed: TaskTable["fixed"], order: TaskTable["order"]): TaskTable => ({
  table,
  fixed,
  order,
  key: ["shard_id", ...Object.keys(fixed), ...order]
})

/** By Temporal's ids, which `HistoryTask` names. */
const immediate = new Map([
  [1, make("transfer_tasks", {}, ["task_id"])],
  [3, make("replication_tasks", {}, ["task_id"])],
  [4, make("visibility_tasks", {}, ["task_id"])]
])

const scheduled = new Map([[2, make("timer_tasks", {}, ["visibility_timestamp", "task_id"])]])
