/**
 * History tasks in their queues: added by the owner of a shard, read in order, completed.
 *
 * Three kinds of queue have one contract: immediate tasks, ordered by their ids; scheduled tasks, ordered by their
 * fire times, to the microsecond, then their ids; and the dead letters of replication, one queue for each source
 * cluster. Only adding needs the shard: completing a task is the same whoever does it, and however often.
 *
 * @since 0.1.0
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { LimitExceeded, TransactionError } from "@effect-dsql/core/DsqlError"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DataBlob } from "./DataBlob.ts"
import {
  FireTime,
  type HistoryTask,
  type ImmediateCategory,
  type ImmediateTask,
  type ScheduledCategory,
  type ScheduledTask
} from "./HistoryTask.ts"
import { ClusterName, ShardId } from "./Identifiers.ts"
import * as Add from "./internal/historyTasks/add.ts"
import * as List from "./internal/page/list.ts"
import { repeatable } from "./internal/repeatable.ts"
import type { Position, Range, TaskRows } from "./internal/historyTasks/rows.ts"
import * as Rows from "./internal/historyTasks/rows.ts"
import { taskTable } from "./internal/historyTasks/table.ts"
import type { Page, PageRequest } from "./PageToken.ts"
import type { MalformedRow, PageTokenInvalid, ShardOwnershipLost } from "./PersistenceError.ts"

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

/**
 * What reading a queue can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type ReadError = TransactionError | MalformedRow | PageTokenInvalid

/**
 * A queue of tasks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Queue<Range, Key, Task> {
  /** A page of a range, in order. One round trip. */
  readonly list: (range: Range, request?: PageRequest) => Effect.Effect<Page<Task>, ReadError>
  /** A range in order, from the token on, in the memory of one page. One round trip for each page. */
  readonly stream: (range: Range, request?: PageRequest) => Stream.Stream<Task, ReadError>
  /** Takes a task away; one that is not there is complete. One round trip. */
  readonly complete: (key: Key) => Effect.Effect<void, TransactionError>
  /**
   * Takes a range away, 1,000 rows in a transaction; each element is the rows of one that has committed. Three round
   * trips for each. Stopped anywhere and run again, it finishes.
   */
  readonly completeRange: (range: Range) => Stream.Stream<number, TransactionError>
}

/**
 * Keeps the history tasks of all categories.
 *
 * @example
 * ```ts
 * import { HistoryTask, HistoryTasks, type Identifiers } from "@effect-dsql/persistence"
 * import { Effect, Stream } from "effect"
 *
 * // Handles what is due, then takes it away.
 * const fire = (shardId: Identifiers.ShardId, now: HistoryTask.FireTime) =>
 *   Effect.gen(function*() {
 *     const tasks = yield* HistoryTasks.HistoryTasks
 *     const due = { shardId, category: HistoryTask.timer, min: HistoryTask.FireTime.make(0n), max: now }
 *     yield* tasks.scheduled.stream(due).pipe(
 *       Stream.runForEach((task) => Effect.log(`timer ${task.taskId} is due at ${task.fireTime}`))
 *     )
 *     yield* Stream.runDrain(tasks.scheduled.completeRange(due))
 *   })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class HistoryTasks extends Context.Service<
  HistoryTasks,
  {
    /**
     * Adds tasks of any categories while the shard has this range; all of them or none. A task that is there already
     * is a `UniqueViolation`. One round trip.
     */
    readonly add: (
      shardId: ShardId,
      rangeId: bigint,
      tasks: ReadonlyArray<HistoryTask>
    ) => Effect.Effect<void, TransactionError | ShardOwnershipLost | LimitExceeded>
    readonly immediate: Queue<ImmediateRange, ImmediateKey, ImmediateTask>
    readonly scheduled: Queue<ScheduledRange, ScheduledKey, ScheduledTask>
    readonly replicationDlq: Queue<DeadLetterRange, DeadLetterKey, DeadLetter> & {
      /** Keeps a dead letter; one that is there already stays as it is. One round trip. */
      readonly put: (letter: DeadLetter) => Effect.Effect<void, TransactionError | LimitExceeded>
      /** Whether a range has no dead letters. One round trip. */
      readonly isEmpty: (range: DeadLetterRange) => Effect.Effect<boolean, TransactionError>
    }
  }
>()("@effect-dsql/persistence/HistoryTasks") {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HistoryTasks, never, DsqlClient> = Layer.effect(
  HistoryTasks,
  Effect.map(DsqlClient, (client) => {
    const connected = <A, E>(effect: Effect.Effect<A, E, DsqlClient>) =>
      Effect.provideService(effect, DsqlClient, client)
    const streamed = <A, E>(stream: Stream.Stream<A, E, DsqlClient>) =>
      Stream.provideService(stream, DsqlClient, client)
    const queue = <R extends Range, Key, Task>(kind: Kind<R, Key, Task>): Queue<R, Key, Task> => {
      const page = (range: R, request: PageRequest = {}) =>
        connected(Rows.page(kind.rows(range), range, request, (position, task) => kind.make(range, position, task)))
      return {
        list: Effect.fn(`${kind.name}.list`)(page),
        stream: (range, request = {}) => List.stream(request, (next) => page(range, next)),
        complete: Effect.fn(`${kind.name}.complete`)((key: Key) =>
          connected(Rows.complete(kind.rows(key), kind.position(key)))
        ),
        completeRange: (range) => streamed(Rows.completeRange(kind.rows(range), range))
      }
    }
    return HistoryTasks.of({
      add: Effect.fn("HistoryTasks.add")((shardId, rangeId, tasks) => connected(add(shardId, rangeId, tasks))),
      immediate: queue(immediate),
      scheduled: queue(scheduled),
      replicationDlq: {
        ...queue(deadLetters),
        put: Effect.fn("HistoryTasks.replicationDlq.put")((letter) => connected(put(letter))),
        isEmpty: Effect.fn("HistoryTasks.replicationDlq.isEmpty")((range) =>
          connected(Rows.isEmpty(deadLetters.rows(range), range))
        )
      }
    })
  })
)

/** What tells one kind of queue from another. */
interface Kind<R, Key, Task> {
  readonly name: string
  readonly rows: (of: R | Key) => TaskRows
  readonly position: (key: Key) => Position
  readonly make: (range: R, position: Position, task: DataBlob) => Task
}

const ofCategory = ({ category, shardId }: Pick<ImmediateKey | ScheduledKey, "category" | "shardId">): TaskRows => {
  const { fixed, order, table } = taskTable(category)
  return { table, order, equal: { shard_id: shardId, ...fixed } }
}

const immediate: Kind<ImmediateRange, ImmediateKey, ImmediateTask> = {
  name: "HistoryTasks.immediate",
  rows: ofCategory,
  position: ({ taskId }) => [taskId],
  make: ({ category }, [taskId = 0n], task) => ({ category, taskId, task })
}

const scheduled: Kind<ScheduledRange, ScheduledKey, ScheduledTask> = {
  name: "HistoryTasks.scheduled",
  rows: ofCategory,
  position: ({ fireTime, taskId }) => [fireTime, taskId],
  make: ({ category }, [fireTime = 0n, taskId = 0n], task) => ({
    category,
    fireTime: FireTime.make(fireTime),
    taskId,
    task
  })
}

const deadLetters: Kind<DeadLetterRange, DeadLetterKey, DeadLetter> = {
  name: "HistoryTasks.replicationDlq",
  rows: ({ shardId, sourceCluster }) => ({
    table: "replication_tasks_dlq",
    order: ["task_id"],
    equal: { source_cluster_name: sourceCluster, shard_id: shardId }
  }),
  position: ({ taskId }) => [taskId],
  make: ({ shardId, sourceCluster }, [taskId = 0n], task) => ({ sourceCluster, shardId, taskId, task })
}

const add = Effect.fnUntraced(function* (shardId: ShardId, rangeId: bigint, tasks: ReadonlyArray<HistoryTask>) {
  if (tasks.length === 0) return
  yield* Add.check(shardId, tasks)
  yield* Transaction.autocommit(Add.insert(shardId, rangeId, tasks), {
    operation: "AddHistoryTasks",
    verify: () => Add.verify(shardId, rangeId, tasks)
  })
})

const put = Effect.fnUntraced(function* (letter: DeadLetter) {
  const { equal, table } = deadLetters.rows(letter)
  const row = {
    ...equal,
    task_id: letter.taskId,
    data: letter.task.data,
    data_encoding: letter.task.encoding
  }
  yield* Size.check(table, row, [...Object.keys(equal), "task_id"])
  yield* repeatable(
    "PutReplicationDeadLetter",
    Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO ${sql(table)} ${sql.insert(row)} ON CONFLICT DO NOTHING`)
  )
})
