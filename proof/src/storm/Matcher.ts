/**
 * Leases task queues, fills them and drains them until somebody else leases them.
 */
import { Identifiers, type TaskQueue, TaskQueueId, TaskQueues } from "@effect-dsql/persistence"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Mark } from "./Json.ts"
import { Scribe } from "./Scribe.ts"
import { ids, type IsOver, repeated } from "./Tenure.ts"

const namespaceId = Identifiers.NamespaceId.make("5702a000-0000-4000-8000-000000000001")

/** The queues that all workers lease from each other. */
export const queues = ["emails", "parcels"] as const

/** The key of a queue. */
export const queueId = (name: string) =>
  TaskQueueId.make({ namespaceId, name: Identifiers.TaskQueueName.make(name), type: "Activity" })

/** Leases queues, one after the other. */
export const match = (isOver: IsOver) => repeated(isOver, tenure(isOver))

const tenure = Effect.fnUntraced(function* (isOver: IsOver) {
  const store = yield* TaskQueues.TaskQueues
  const scribe = yield* Scribe
  const queue = yield* Random.choice(queues)
  const lease = store.lease(queueId(queue), Mark.encode({ op: "queue" }))
  const { id, rangeId } = yield* scribe.attempt(
    yield* scribe.op,
    { _tag: "Lease", queue },
    lease,
    (taken) => taken.rangeId
  )
  const next = ids(rangeId)
  const rounds = yield* Random.nextIntBetween(5, 40)
  for (let n = 0; n < rounds && !(yield* isOver); n++) {
    const op = yield* scribe.op
    const task = Mark.encode({ op, rangeId })
    const tasks = Array.from({ length: yield* Random.nextIntBetween(1, 3) }, () => ({
      position: { taskId: next() },
      task
    }))
    const taskIds = tasks.map(({ position }) => position.taskId)
    yield* scribe.attempt(op, { _tag: "Tasks", queue, rangeId, taskIds }, store.createTasks({ id, rangeId }, tasks))
    if ((yield* Random.nextIntBetween(1, 4)) === 1) yield* drain(queue, { id, rangeId })
  }
})

/** Delivers the first tasks of a queue, and then takes them away. */
const drain = Effect.fnUntraced(function* (queue: string, owned: TaskQueue.OwnedTaskQueue) {
  const store = yield* TaskQueues.TaskQueues
  const scribe = yield* Scribe
  const at = yield* scribe.now
  const { items } = yield* store.listTasks(owned.id, { size: 20 })
  const last = items.at(-1)
  if (last === undefined) return
  const tasks = items.map(({ position, task }) => ({ taskId: position.taskId, op: Mark.decode(task.data).op }))
  yield* scribe.delivered(queue, at, tasks)
  const before = last.position.taskId + 1n
  const completed = store.deleteTasks(owned, { taskId: before })
  yield* scribe.attempt(yield* scribe.op, { _tag: "Completion", queue, before }, completed)
})
