/**
 * History tasks: what an execution's change leaves to be done, now or at a time.
 *
 * A category says which queue a task goes to. Four have tables of their own, as
 * Temporal laid them out; all others share one table for immediate tasks and
 * one for scheduled tasks, by the category's id.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { ClusterName, ShardId } from "./Identifiers.ts"

/**
 * A queue of tasks that are due at once, in the order of their ids.
 *
 * @since 0.1.0
 * @category models
 */
export const ImmediateCategory = Schema.Struct({
  kind: Schema.Literal("Immediate"),
  id: Schema.Int.check(Schema.isInt32(), Schema.isGreaterThan(0))
})

/**
 * @since 0.1.0
 * @category models
 */
export type ImmediateCategory = typeof ImmediateCategory.Type

/**
 * A queue of tasks that are due at a time, in the order of times, then ids.
 *
 * @since 0.1.0
 * @category models
 */
export const ScheduledCategory = Schema.Struct({
  kind: Schema.Literal("Scheduled"),
  id: Schema.Int.check(Schema.isInt32(), Schema.isGreaterThan(0))
})

/**
 * @since 0.1.0
 * @category models
 */
export type ScheduledCategory = typeof ScheduledCategory.Type

/**
 * Which queue a task goes to.
 *
 * @since 0.1.0
 * @category models
 */
export type Category = ImmediateCategory | ScheduledCategory

const immediate = (id: number): ImmediateCategory => ImmediateCategory.make({ kind: "Immediate", id })

const scheduled = (id: number): ScheduledCategory => ScheduledCategory.make({ kind: "Scheduled", id })

/**
 * Tasks that hand work on: to matching, to other executions.
 *
 * @since 0.1.0
 * @category categories
 */
export const transfer: ImmediateCategory = immediate(1)

/**
 * Timers that fire.
 *
 * @since 0.1.0
 * @category categories
 */
export const timer: ScheduledCategory = scheduled(2)

/**
 * Changes on their way to other clusters.
 *
 * @since 0.1.0
 * @category categories
 */
export const replication: ImmediateCategory = immediate(3)

/**
 * Changes of what is shown in lists of executions.
 *
 * @since 0.1.0
 * @category categories
 */
export const visibility: ImmediateCategory = immediate(4)

/**
 * Histories that are to be archived.
 *
 * @since 0.1.0
 * @category categories
 */
export const archival: ScheduledCategory = scheduled(5)

/**
 * Calls to the outside.
 *
 * @since 0.1.0
 * @category categories
 */
export const outbound: ImmediateCategory = immediate(7)

/**
 * When a scheduled task is due: microseconds since 1970-01-01 UTC, as finely as the database keeps them. A
 * `DateTime` would cut them to milliseconds, and tasks of one millisecond would lose their order. The first is that of
 * a TIMESTAMP, in 4714 BC, the last that of 64 bits.
 *
 * @since 0.1.0
 * @category models
 */
export const FireTime = Schema.BigInt.check(
  Schema.isBetweenBigInt({ minimum: -210_866_803_200_000_000n, maximum: 2n ** 63n - 1n })
).pipe(Schema.brand("FireTime"))

/**
 * @since 0.1.0
 * @category models
 */
export type FireTime = typeof FireTime.Type

/**
 * A task that is due at once.
 *
 * @since 0.1.0
 * @category models
 */
export const ImmediateTask = Schema.Struct({
  category: ImmediateCategory,
  /** Unique within its shard and category; the owner of the shard gives them out in order. */
  taskId: Schema.BigInt,
  task: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type ImmediateTask = typeof ImmediateTask.Type

/**
 * A task that is due at a time.
 *
 * @since 0.1.0
 * @category models
 */
export const ScheduledTask = Schema.Struct({
  category: ScheduledCategory,
  fireTime: FireTime,
  /** Unique within its shard, category and time. */
  taskId: Schema.BigInt,
  task: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type ScheduledTask = typeof ScheduledTask.Type

/**
 * A task of either kind.
 *
 * @since 0.1.0
 * @category models
 */
export type HistoryTask = ImmediateTask | ScheduledTask

/**
 * An immediate task's place.
 *
 * @since 0.1.0
 * @category models
 */
export interface ImmediateKey {
  readonly shardId: ShardId
  readonly category: ImmediateCategory
  readonly taskId: bigint
}

/**
 * Immediate tasks with ids from `min`, up to and without `max`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ImmediateRange {
  readonly shardId: ShardId
  readonly category: ImmediateCategory
  readonly min: bigint
  readonly max: bigint
}

/**
 * A scheduled task's place.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScheduledKey {
  readonly shardId: ShardId
  readonly category: ScheduledCategory
  readonly fireTime: FireTime
  readonly taskId: bigint
}

/**
 * Scheduled tasks that are due from `min`, up to and without `max`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScheduledRange {
  readonly shardId: ShardId
  readonly category: ScheduledCategory
  readonly min: FireTime
  readonly max: FireTime
}

/**
 * A replication task that could not be applied, kept apart with the cluster that it came from.
 *
 * @since 0.1.0
 * @category models
 */
export const DeadLetter = Schema.Struct({
  sourceCluster: ClusterName,
  shardId: ShardId,
  taskId: Schema.BigInt,
  task: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type DeadLetter = typeof DeadLetter.Type

/**
 * A dead letter's place.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeadLetterKey {
  readonly sourceCluster: ClusterName
  readonly shardId: ShardId
  readonly taskId: bigint
}

/**
 * Dead letters of one cluster with task ids from `min`, up to and without `max`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeadLetterRange {
  readonly sourceCluster: ClusterName
  readonly shardId: ShardId
  readonly min: bigint
  readonly max: bigint
}
