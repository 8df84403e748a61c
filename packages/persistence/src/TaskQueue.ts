/**
 * Task queues and their tasks: what is stored, and what can be refused.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { TaskQueueId } from "./TaskQueueId.ts"

/**
 * A task queue as it is stored.
 *
 * @since 0.1.0
 * @category models
 */
export const TaskQueue = Schema.Struct({
  id: TaskQueueId,
  /** The fencing token: whoever takes the queue raises it. */
  rangeId: Schema.BigInt,
  /** What the queue is called, and whatever else its owner keeps. */
  info: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type TaskQueue = typeof TaskQueue.Type

/**
 * A task queue, and the range that the caller holds it with: its owner names it so.
 *
 * @since 0.1.0
 * @category models
 */
export type OwnedTaskQueue = Pick<TaskQueue, "id" | "rangeId">

/**
 * Where a task stands in a classic queue.
 *
 * @since 0.1.0
 * @category models
 */
export const Position = Schema.Struct({
  /** Unique within the queue, and given out in order by its owner. */
  taskId: Schema.BigInt
})

/**
 * @since 0.1.0
 * @category models
 */
export type Position = typeof Position.Type

/**
 * Where a task stands in a fair queue: by pass, then by id.
 *
 * @since 0.1.0
 * @category models
 */
export const FairPosition = Schema.Struct({
  /** The round of the fair schedule that the task belongs to. */
  pass: Schema.BigInt,
  taskId: Schema.BigInt
})

/**
 * @since 0.1.0
 * @category models
 */
export type FairPosition = typeof FairPosition.Type

/**
 * A task, and where it stands.
 *
 * @since 0.1.0
 * @category models
 */
export interface Task<P> {
  readonly position: P
  readonly task: DataBlob
}

/**
 * A task that is added, and to which of its queue's subqueues.
 *
 * A subqueue has tasks, and no row of its own: whoever owns the queue adds them, reads them by the subqueue's id, and
 * deletes them. Matching keeps tasks of other priorities so.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewTask<P> extends Task<P> {
  /** `TaskQueueId.make` of the queue with its number. Default: the queue itself. */
  readonly subqueue?: TaskQueueId | undefined
}

/**
 * Which tasks of a queue are deleted.
 *
 * @since 0.3.0
 * @category models
 */
export interface TasksDeletion {
  /** Tasks that go at most. Default: all. */
  readonly limit?: number | undefined
  /**
   * The subqueue that they are of: `TaskQueueId.make` of the queue with its number. An id does not say whose it is: one
   * of another queue is not refused. Default: the queue itself.
   */
  readonly subqueue?: TaskQueueId | undefined
}

const name = (id: TaskQueueId) => `task queue ${id.uuid} of range hash ${id.rangeHash}`

/**
 * The task queue is there already.
 *
 * @since 0.1.0
 * @category errors
 */
export class TaskQueueExists extends Schema.TaggedError<TaskQueueExists>(
  "@effect-dsql/persistence/TaskQueue/TaskQueueExists"
)("TaskQueueExists", {
  /** The queue that is there. */
  existing: TaskQueue
}) {
  override get message(): string {
    return `${name(this.existing.id)} is there already, with range ${this.existing.rangeId}`
  }
}

/**
 * Another host owns the task queue, or it is gone. The caller unloads it.
 *
 * @since 0.1.0
 * @category errors
 */
export class TaskQueueOwnershipLost extends Schema.TaggedError<TaskQueueOwnershipLost>(
  "@effect-dsql/persistence/TaskQueue/TaskQueueOwnershipLost"
)("TaskQueueOwnershipLost", {
  id: TaskQueueId,
  /** The range that the caller held. */
  expected: Schema.BigInt,
  /** The range that the queue has now; undefined where there is no such queue. */
  actual: Schema.UndefinedOr(Schema.BigInt)
}) {
  override get message(): string {
    const actual = this.actual === undefined ? "there is no such queue" : `it has range ${this.actual} now`
    return `${name(this.id)} is not owned with range ${this.expected}: ${actual}`
  }
}
