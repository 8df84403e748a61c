/**
 * Task queues and their tasks, classic and fair.
 *
 * A queue has one owner at a time, who holds it by its range id. The owner
 * adds and deletes tasks under it; whoever takes the queue over raises the
 * range, and the earlier owner's next write ends with
 * `TaskQueueOwnershipLost`, also one that had begun before the takeover; of a
 * deletion that had, what it takes is what stood there before. The writes of
 * one owner do not conflict with each other.
 *
 * Classic and fair queues keep one contract in tables of their own: a classic
 * task stands at an id, a fair one at a pass and an id.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { DataBlob } from "./DataBlob.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as List from "./internal/page/list.ts"
import { classic, fair, type Layout } from "./internal/taskQueues/layout.ts"
import * as Ownership from "./internal/taskQueues/ownership.ts"
import * as Tasks from "./internal/taskQueues/tasks.ts"
import type { Page, PageRequest } from "./PageToken.ts"
import type { PageError, ReadError, WriteError } from "./PersistenceError.ts"
import type {
  FairPosition,
  NewTask,
  OwnedTaskQueue,
  Position,
  Task,
  TaskQueue,
  TaskQueueExists,
  TaskQueueOwnershipLost,
  TasksDeletion
} from "./TaskQueue.ts"
import type { TaskQueueId } from "./TaskQueueId.ts"

/**
 * Which tasks of a queue are asked for, and which page of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface TasksRequest<P> extends PageRequest {
  /** The first position that is wanted. Default: the queue's first. */
  readonly from?: P | undefined
  /** The first position that is not wanted any more. Default: none. */
  readonly before?: P | undefined
}

/**
 * The contract of both kinds of queues; `P` is where a task stands.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store<P> {
  /**
   * Creates a queue and gives it, or fails with the one that is there. Its range is the given one, or a higher one where
   * a queue of this id has been deleted: a range never comes twice. One round trip. A lost answer is
   * `CommitOutcomeUnknown`, because a queue that is there does not say who made it: whoever wants it leases it.
   */
  readonly create: (queue: TaskQueue) => Effect.Effect<TaskQueue, WriteError | TaskQueueExists>
  /** One round trip. */
  readonly find: (id: TaskQueueId) => Effect.Effect<Option.Option<TaskQueue>, ReadError>
  /**
   * Takes the queue, whoever has it, by raising its range by one; a queue that is missing is created with this info
   * and range 1, one that was deleted with this info and the next range. One round trip. A lost answer is settled by taking the queue again.
   */
  readonly lease: (id: TaskQueueId, info: DataBlob) => Effect.Effect<TaskQueue, WriteError>
  /**
   * Writes the queue if it has the expected range. One round trip. While the range stays, this does not conflict with
   * adding tasks.
   *
   * After a lost answer the queue is known by its bytes. So who takes a queue by this lets the info name its owner, or
   * leases it: of two who take it with the same info at once, both might be told that they have it.
   */
  readonly update: (
    queue: TaskQueue,
    expectedRangeId: bigint
  ) => Effect.Effect<void, WriteError | TaskQueueOwnershipLost>
  /**
   * Deletes the queue, of which its last range is remembered. Its tasks stay: delete them first, because afterwards only
   * he can who makes or leases the queue anew. One round trip.
   */
  readonly delete: (owned: OwnedTaskQueue) => Effect.Effect<void, ReadError | TaskQueueOwnershipLost>
  /** One page of all queues, by key. One round trip. */
  readonly list: (request?: PageRequest) => Effect.Effect<Page<TaskQueue>, PageError>
  /** All queues, by key. One round trip a page. */
  readonly stream: (request?: PageRequest) => Stream.Stream<TaskQueue, PageError>
  /**
   * Adds tasks to a queue and its subqueues, all or none. One round trip for up to 3,000 tasks or 10 MiB. A position
   * that is taken is a `UniqueViolation`. Without tasks it only asks whether the queue is owned.
   *
   * After a lost answer it is looked up whether the tasks are there. Whoever holds the range must not delete tasks whose
   * adding has not been answered yet, nor add any before a position while a deletion up to there may be under way.
   */
  readonly createTasks: (
    owned: OwnedTaskQueue,
    tasks: ReadonlyArray<NewTask<P>>
  ) => Effect.Effect<void, WriteError | TaskQueueOwnershipLost>
  /** One page of the tasks of a queue, or of a subqueue, in order. One round trip. */
  readonly listTasks: (id: TaskQueueId, request?: TasksRequest<P>) => Effect.Effect<Page<Task<P>>, PageError>
  /** The tasks of a queue, or of a subqueue, in order. One round trip a page. */
  readonly streamTasks: (id: TaskQueueId, request?: TasksRequest<P>) => Stream.Stream<Task<P>, PageError>
  /**
   * Deletes the tasks that stand before a position, of a queue or of one of its subqueues, the first ones first, and
   * gives how many went: all of them, or `limit`. One round trip for 500 tasks: what went before a failure, also before
   * a refusal, stays away, and run again it goes on where it stopped. After a lost answer more may go than `limit`, by
   * what one statement deletes, and what the first one took is not counted.
   *
   * Only the owner deletes: a task that its successor has added, and does not know yet to be there, would be gone when
   * it is looked for. Where the answer was lost and the queue is another's by now, what went is `CommitOutcomeUnknown`.
   */
  readonly deleteTasks: (
    owned: OwnedTaskQueue,
    before: P,
    options?: TasksDeletion
  ) => Effect.Effect<number, ReadError | TaskQueueOwnershipLost>
}

/**
 * Keeps classic task queues (`task_queues`, `tasks`).
 *
 * @example
 * ```ts
 * import { type DataBlob, TaskQueueId, TaskQueues } from "@effect-dsql/persistence"
 * import { Effect } from "effect"
 *
 * const own = (known: TaskQueueId.Known, info: DataBlob.DataBlob, task: DataBlob.DataBlob) =>
 *   Effect.gen(function*() {
 *     const queues = yield* TaskQueues.TaskQueues
 *     const owned = yield* queues.lease(TaskQueueId.make(known), info)
 *     yield* queues.createTasks(owned, [{ position: { taskId: 1n }, task }])
 *     return yield* queues.listTasks(owned.id, { from: { taskId: 1n } })
 *   }).pipe(Effect.catchTag("TaskQueueOwnershipLost", (error) => Effect.logWarning(error.message)))
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class TaskQueues extends Context.Service<TaskQueues, Store<Position>>()("@effect-dsql/persistence/TaskQueues") {}

/**
 * Keeps fair task queues (`task_queues_v2`, `tasks_v2`).
 *
 * @since 0.1.0
 * @category services
 */
export class FairTaskQueues extends Context.Service<FairTaskQueues, Store<FairPosition>>()(
  "@effect-dsql/persistence/FairTaskQueues"
) {}

const make = <P>(name: string, layout: Layout<P>): Effect.Effect<Store<P>, never, DsqlClient> =>
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const table = layout.queues
    const list = operation(`${name}.list`, (request: PageRequest) => Ownership.list(table, request))
    const listTasks = operation(`${name}.listTasks`, (id: TaskQueueId, request: TasksRequest<P>) =>
      Tasks.list(layout, id, request)
    )
    return {
      create: operation(`${name}.create`, (queue: TaskQueue) => Ownership.create(table, queue)),
      find: operation(`${name}.find`, (id: TaskQueueId) => Ownership.find(table, id)),
      lease: operation(`${name}.lease`, (id: TaskQueueId, info: DataBlob) => Ownership.lease(table, id, info)),
      update: operation(`${name}.update`, (queue: TaskQueue, expected: bigint) =>
        Ownership.update(table, queue, expected)
      ),
      delete: operation(`${name}.delete`, (owned: OwnedTaskQueue) => Ownership.remove(table, owned)),
      list: (request = {}) => list(request),
      stream: (request = {}) => List.stream(request, list),
      createTasks: operation(`${name}.createTasks`, (owned: OwnedTaskQueue, tasks: ReadonlyArray<NewTask<P>>) =>
        Tasks.create(layout, owned, tasks)
      ),
      listTasks: (id, request = {}) => listTasks(id, request),
      streamTasks: (id, request = {}) => List.stream(request, (page) => listTasks(id, { ...request, ...page })),
      deleteTasks: operation(`${name}.deleteTasks`, (owned: OwnedTaskQueue, before: P, options?: TasksDeletion) =>
        Tasks.removeBefore(layout, owned, before, options)
      )
    }
  })

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<TaskQueues, never, DsqlClient> = Layer.effect(TaskQueues, make("TaskQueues", classic))

/**
 * Provides the store of fair queues.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFair: Layer.Layer<FairTaskQueues, never, DsqlClient> = Layer.effect(
  FairTaskQueues,
  make("FairTaskQueues", fair)
)
