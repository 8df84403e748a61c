/**
 * What the suites of task queues need to run on both kinds.
 */
import { type DataBlob, Identifiers, type TaskQueue, TaskQueueId, TaskQueues } from "@effect-dsql/persistence"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { blob } from "./rows.ts"

/** One kind of queues: its service, its tables, and where the task number n stands. */
export interface Kind<P> {
  readonly name: string
  readonly queues: string
  readonly tasks: string
  readonly store: Effect.Effect<TaskQueues.Store<P>, never, TaskQueues.FairTaskQueues | TaskQueues.TaskQueues>
  readonly at: (n: number) => P
}

export const classic: Kind<TaskQueue.Position> = {
  name: "classic task queues",
  queues: "task_queues",
  tasks: "tasks",
  store: TaskQueues.TaskQueues,
  at: (n) => ({ taskId: BigInt(n) })
}

/** Ten tasks a pass. Ids fall within a pass as n grows, so that order by id alone would be wrong. */
export const fair: Kind<TaskQueue.FairPosition> = {
  name: "fair task queues",
  queues: "task_queues_v2",
  tasks: "tasks_v2",
  store: TaskQueues.FairTaskQueues,
  at: (n) => ({ pass: BigInt(1 + Math.floor(n / 10)), taskId: BigInt((n % 10) + 1000 - 10 * Math.floor(n / 10)) })
}

export const queueId = () =>
  TaskQueueId.make({
    namespaceId: Identifiers.NamespaceId.make(randomUUID()),
    name: Identifiers.TaskQueueName.make(`queue ${randomUUID()}`),
    type: "Workflow"
  })

export const tasksAt = <P>(kind: Kind<P>, from: number, count: number): ReadonlyArray<TaskQueue.Task<P>> =>
  Array.from({ length: count }, (_, index) => ({ position: kind.at(from + index), task: blob() }))

/** A queue of this range. */
export const given = <P>(kind: Kind<P>, rangeId: bigint, info: DataBlob.DataBlob = blob()) =>
  Effect.gen(function* () {
    const store = yield* kind.store
    const queue: TaskQueue.TaskQueue = { id: queueId(), rangeId, info }
    yield* store.create(queue)
    return queue
  })
