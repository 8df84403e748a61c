/**
 * The two layouts of task queues: classic tasks are ordered by id, fair ones by pass, then by id.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import { FairPosition, Position } from "../../TaskQueue.ts"
import type { TaskQueueId } from "../../TaskQueueId.ts"

/** A table of queues, the table of their tasks, and what orders the tasks. */
export interface Layout<P> {
  readonly queues: "task_queues" | "task_queues_v2"
  readonly tasks: "tasks" | "tasks_v2"
  /** The columns that order a queue's tasks, all of them `bigint`. */
  readonly order: ReadonlyArray<string>
  readonly position: Schema.Codec<P, unknown>
  readonly toColumns: (position: P) => Readonly<Record<string, bigint>>
  readonly fromColumns: (row: Found) => P
}

/** What a row of either table of tasks has in its primary key; `pass` is selected from the fair one only. */
export interface Found {
  readonly pass: bigint
  readonly task_id: bigint
}

export const classic: Layout<Position> = {
  queues: "task_queues",
  tasks: "tasks",
  order: ["task_id"],
  position: Position,
  toColumns: ({ taskId }) => ({ task_id: taskId }),
  fromColumns: (row) => ({ taskId: row.task_id })
}

export const fair: Layout<FairPosition> = {
  queues: "task_queues_v2",
  tasks: "tasks_v2",
  order: ["pass", "task_id"],
  position: FairPosition,
  toColumns: ({ pass, taskId }) => ({ pass, task_id: taskId }),
  fromColumns: (row) => ({ pass: row.pass, taskId: row.task_id })
}

/** The columns of a queue's key. */
export const key = (id: TaskQueueId) => ({ range_hash: id.rangeHash, task_queue_id: id.uuid })

/** The same as parameters. */
export const bound = (id: TaskQueueId) => ({
  range_hash: Expression.value("bigint", id.rangeHash),
  task_queue_id: Expression.value("uuid", id.uuid)
})

/** The WHERE clause of a key. */
export const matches = (sql: SqlClient, key: Readonly<Record<string, bigint | number | string | Uint8Array>>) =>
  sql.and(Object.entries(key).map(([column, value]) => sql`${sql(column)} = ${value}`))

/** The ordering columns, as one row value where there are several. */
export const columns = (sql: SqlClient, names: ReadonlyArray<string>) => sql.csv(names.map((name) => sql`${sql(name)}`))
