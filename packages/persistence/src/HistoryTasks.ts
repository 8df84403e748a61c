/**
 * History tasks in their queues: added by the owner of a shard, read in order, completed.
 *
 * Three kinds of queue have one contract: immediate tasks, ordered by their ids; scheduled tasks, ordered by their
 * fire times, to the microsecond, then their ids; and the dead letters of replication, one queue for each source
 * cluster. Whoever owns the shard adds and deletes tasks; a stale owner deletes none that he has read of his successor.
 * A dead letter belongs to nobody: deleting it is the same whoever does it, and however often.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Expression from "@effect-dsql/core/Expression"
import type * as Guard from "@effect-dsql/core/Guard"
import * as Size from "@effect-dsql/core/Size"
import * as Write from "@effect-dsql/core/Write"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import type { DataBlob } from "./DataBlob.ts"
import {
  type DeadLetter,
  type DeadLetterKey,
  type DeadLetterRange,
  FireTime,
  type HistoryTask,
  type ImmediateKey,
  type ImmediateRange,
  type ImmediateTask,
  type ScheduledKey,
  type ScheduledRange,
  type ScheduledTask
} from "./HistoryTask.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as Add from "./internal/historyTasks/add.ts"
import * as List from "./internal/page/list.ts"
import { repeatable } from "./internal/repeatable.ts"
import type { Position, Range, TaskRows } from "./internal/historyTasks/rows.ts"
import * as Rows from "./internal/historyTasks/rows.ts"
import { taskTable } from "./internal/historyTasks/table.ts"
import * as Shard from "./internal/shards/guard.ts"
import type { Page, PageRequest } from "./PageToken.ts"
import type { MalformedRow, OperationError, PageError, ShardOwnershipLost, WriteError } from "./PersistenceError.ts"
import type { OwnedShard } from "./Shard.ts"

/**
 * A queue of tasks. `Owner` is what whoever deletes names beside the tasks, and `Refusal` what he may be refused with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Queue<Range, Key, Task, Owner = unknown, Refusal = never> {
  /** A page of a range, in order. One round trip. */
  readonly list: (range: Range, request?: PageRequest) => Effect.Effect<Page<Task>, PageError>
  /** A range in order, from the token on, in the memory of one page. One round trip for each page. */
  readonly stream: (range: Range, request?: PageRequest) => Stream.Stream<Task, PageError>
  /** Takes a task away that is complete; one that is not there is. One round trip. */
  readonly delete: (key: Key & Owner) => Effect.Effect<void, OperationError | Refusal>
  /**
   * Takes a range away, the first ones first, and gives how many went: all of them, or `limit`. One round trip for 500
   * tasks: what went before a failure, also before a refusal, stays away, and run again it goes on where it stopped.
   * After a lost answer more may go than `limit`, by what one statement deletes, and what the first one took is not
   * counted.
   */
  readonly deleteRange: (
    range: Range & Owner,
    options?: { readonly limit?: number | undefined }
  ) => Effect.Effect<number, OperationError | Refusal>
}

/**
 * A queue of a shard, from which only the shard's owner deletes: a task that his successor has added, and does not know
 * yet to be there, would be gone when it is looked for. Where the answer was lost and the shard is another's by now, what
 * went is `CommitOutcomeUnknown`.
 *
 * @since 0.3.0
 * @category models
 */
export interface OwnedQueue<Range, Key, Task> extends Queue<
  Range,
  Key,
  Task,
  OwnedShard,
  ShardOwnershipLost | MalformedRow
> {}

/**
 * Keeps the history tasks of all categories.
 *
 * @example
 * ```ts
 * import { HistoryTask, HistoryTasks, type Shard } from "@effect-dsql/persistence"
 * import { Effect, Stream } from "effect"
 *
 * // Handles what is due, then takes it away.
 * const fire = (owned: Shard.OwnedShard, now: HistoryTask.FireTime) =>
 *   Effect.gen(function*() {
 *     const tasks = yield* HistoryTasks.HistoryTasks
 *     const due = { ...owned, category: HistoryTask.timer, min: HistoryTask.FireTime.make(0n), max: now }
 *     yield* tasks.scheduled.stream(due).pipe(
 *       Stream.runForEach((task) =>
 *         Effect.log(`timer ${task.taskId} is due at ${task.fireTime}`).pipe(
 *           Effect.andThen(tasks.scheduled.delete({ ...owned, ...task }))
 *         )
 *       )
 *     )
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
     * Adds tasks of any categories below the shard; all of them or none. A task that is there already
     * is a `UniqueViolation`. Without tasks it only asks whether the shard is owned. One round trip.
     *
     * After a lost answer it is looked up whether the tasks are there. Whoever holds the shard must not delete tasks
     * whose adding has not been answered yet, nor add any to a range while its deletion may be under way.
     */
    readonly add: (
      owned: OwnedShard,
      tasks: ReadonlyArray<HistoryTask>
    ) => Effect.Effect<void, WriteError | ShardOwnershipLost>
    readonly immediate: OwnedQueue<ImmediateRange, ImmediateKey, ImmediateTask>
    readonly scheduled: OwnedQueue<ScheduledRange, ScheduledKey, ScheduledTask>
    readonly replicationDlq: Queue<DeadLetterRange, DeadLetterKey, DeadLetter> & {
      /** Keeps a dead letter; one that is there already stays as it is. One round trip. */
      readonly put: (letter: DeadLetter) => Effect.Effect<void, WriteError>
      /** Whether a range has no dead letters. One round trip. */
      readonly isEmpty: (range: DeadLetterRange) => Effect.Effect<boolean, OperationError>
    }
  }
>()("@effect-dsql/persistence/HistoryTasks") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HistoryTasks, never, DsqlClient> = Layer.effect(
  HistoryTasks,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const queue = <R extends Range, Key, Task, Owner, E>(
      kind: Kind<R, Key, Task, Owner, E>
    ): Queue<R, Key, Task, Owner, E> => {
      const page = operation(`${kind.name}.list`, (range: R, request: PageRequest) =>
        Rows.page(kind.rows(range), range, request, (position, task) => kind.make(range, position, task))
      )
      return {
        list: (range, request = {}) => page(range, request),
        stream: (range, request = {}) => List.stream(request, (next) => page(range, next)),
        delete: operation(`${kind.name}.delete`, (key: Key & Owner) =>
          Rows.remove(kind.rows(key), kind.position(key), kind.guards(key))
        ),
        deleteRange: operation(
          `${kind.name}.deleteRange`,
          (range: R & Owner, options?: { readonly limit?: number | undefined }) =>
            Rows.removeRange(kind.rows(range), range, { ...options, guards: kind.guards(range) })
        )
      }
    }
    return HistoryTasks.of({
      add: operation("HistoryTasks.add", Add.add),
      immediate: queue(immediate),
      scheduled: queue(scheduled),
      replicationDlq: {
        ...queue(deadLetters),
        put: operation("HistoryTasks.replicationDlq.put", put),
        isEmpty: operation("HistoryTasks.replicationDlq.isEmpty", (range: DeadLetterRange) =>
          Rows.isEmpty(deadLetters.rows(range), range)
        )
      }
    })
  })
)

/** What tells one kind of queue from another. */
interface Kind<R, Key, Task, Owner, E> {
  readonly name: string
  readonly rows: (of: R | Key) => TaskRows
  readonly position: (key: Key) => Position
  readonly make: (range: R, position: Position, task: DataBlob) => Task
  /** What holds for whoever deletes. */
  readonly guards: (owner: Owner) => ReadonlyArray<Guard.Guard<E>>
}

type OwnedKind<R, Key, Task> = Kind<R, Key, Task, OwnedShard, Shard.ShardRefusal>

const ofCategory = ({ category, shardId }: Pick<ImmediateKey | ScheduledKey, "category" | "shardId">): TaskRows => {
  const { fixed, order, table } = taskTable(category)
  return { table, order, equal: { shard_id: shardId, ...fixed } }
}

const immediate: OwnedKind<ImmediateRange, ImmediateKey, ImmediateTask> = {
  name: "HistoryTasks.immediate",
  rows: ofCategory,
  position: ({ taskId }) => [taskId],
  make: ({ category }, [taskId = 0n], task) => ({ category, taskId, task }),
  guards: (owner) => [Shard.ownedNow(owner)]
}

const scheduled: OwnedKind<ScheduledRange, ScheduledKey, ScheduledTask> = {
  name: "HistoryTasks.scheduled",
  rows: ofCategory,
  position: ({ fireTime, taskId }) => [fireTime, taskId],
  make: ({ category }, [fireTime = 0n, taskId = 0n], task) => ({
    category,
    fireTime: FireTime.make(fireTime),
    taskId,
    task
  }),
  guards: (owner) => [Shard.ownedNow(owner)]
}

const deadLetters: Kind<DeadLetterRange, DeadLetterKey, DeadLetter, unknown, never> = {
  name: "HistoryTasks.replicationDlq",
  rows: ({ shardId, sourceCluster }) => ({
    table: "replication_tasks_dlq",
    order: ["task_id"],
    equal: { source_cluster_name: sourceCluster, shard_id: shardId }
  }),
  position: ({ taskId }) => [taskId],
  make: ({ shardId, sourceCluster }, [taskId = 0n], task) => ({ sourceCluster, shardId, taskId, task }),
  guards: () => []
}

const put = Effect.fnUntraced(function* (letter: DeadLetter) {
  const { table } = deadLetters.rows(letter)
  const row = {
    source_cluster_name: letter.sourceCluster,
    shard_id: letter.shardId,
    task_id: letter.taskId,
    data: letter.task.data,
    data_encoding: letter.task.encoding
  }
  const key = ["source_cluster_name", "shard_id", "task_id"]
  yield* Size.check(table, row, key)
  const types = {
    source_cluster_name: "text",
    shard_id: "integer",
    task_id: "bigint",
    data: "bytea",
    data_encoding: "text"
  } as const
  yield* repeatable("PutReplicationDeadLetter", {
    guards: [],
    writes: [Write.insert({ into: table, columns: Expression.row(types, row), onConflict: Write.replacing(key, []) })]
  })
})
