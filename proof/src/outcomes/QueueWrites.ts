/**
 * Writes of task queues and of queues of messages.
 */
import {
  Identifiers,
  Queue,
  Queues,
  QueuesV2,
  QueueV2,
  type TaskQueue,
  TaskQueueId,
  TaskQueues,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { Effect } from "effect"
import { blob, namespaceId, type Needs, rangeId, write } from "./Case.ts"

const name = Identifiers.TaskQueueName.make("emails")

const id = TaskQueueId.make({ namespaceId, name, type: "Activity" })

const queue: TaskQueue.TaskQueue = { id, rangeId, info: blob("owner 1") }

/** The writes of one kind of task queues; `at` is where its task number n stands. */
const taskQueueWrites = <P>(store: Effect.Effect<TaskQueues.Store<P>, never, Needs>, at: (n: bigint) => P) => {
  const created = Effect.flatMap(store, (queues) => queues.create(queue))
  const tasks = [1n, 2n].map((n) => ({ position: at(n), task: blob(`task ${n}`) }))
  const lease = Effect.flatMap(store, (queues) => queues.lease(id, blob("owner 2")))
  return {
    // Nothing that is stored says who made it.
    create: [write(created, undefined, { unknown: true })],
    lease: [
      write(lease, undefined, { when: "there is none", again: true }),
      write(lease, created, { when: "there is one", again: true })
    ],
    update: [
      write(
        Effect.flatMap(store, (queues) => queues.update({ ...queue, rangeId: 6n, info: blob("owner 2") }, rangeId)),
        created,
        { when: "taken over" }
      ),
      write(
        Effect.flatMap(store, (queues) => queues.update({ ...queue, info: blob("further") }, rangeId)),
        created,
        { when: "by its owner" }
      )
    ],
    delete: [
      write(
        Effect.flatMap(store, (queues) => queues.delete({ id, rangeId })),
        created
      )
    ],
    createTasks: [
      write(
        Effect.flatMap(store, (queues) => queues.createTasks({ id, rangeId }, tasks)),
        created
      )
    ],
    deleteTasks: [
      write(
        Effect.flatMap(store, (queues) => queues.deleteTasks({ id, rangeId }, at(2n))),
        Effect.andThen(
          created,
          Effect.flatMap(store, (queues) => queues.createTasks({ id, rangeId }, tasks))
        )
      )
    ]
  }
}

export const TaskQueueWrites = taskQueueWrites(TaskQueues.TaskQueues, (taskId) => ({ taskId }))

export const FairTaskQueueWrites = taskQueueWrites(TaskQueues.FairTaskQueues, (taskId) => ({ pass: 1n, taskId }))

const userData = (version: bigint) =>
  Effect.flatMap(TaskQueueUserData.TaskQueueUserData, (store) =>
    store.update(
      namespaceId,
      new Map([
        [
          name,
          {
            expectedVersion: version,
            data: blob(`data ${version}`),
            addBuildIds: [Identifiers.BuildId.make(`build ${version}`)]
          }
        ]
      ])
    )
  )

export const UserDataWrites = {
  update: [write(userData(0n), undefined, { when: "the first" }), write(userData(1n), userData(0n))]
}

const replication = Queue.namespaceReplication

const send = (text: string) => Effect.flatMap(Queues.Queues, (queues) => queues.enqueue(replication, blob(text)))

const acknowledged = Effect.flatMap(Queues.Queues, (queues) => queues.updateAckLevels(replication, { here: 3n }, 0n))

export const MessageQueueWrites = {
  enqueue: [
    // A queue that nobody has sent to has no row yet that a look could hold.
    write(send("one"), undefined, { when: "the first", unknown: true }),
    write(send("two"), send("one"))
  ],
  deleteMessages: [
    write(
      Effect.flatMap(Queues.Queues, (queues) => queues.deleteMessages(replication, { upTo: 0n })),
      Effect.andThen(send("one"), send("two"))
    )
  ],
  updateAckLevels: [
    write(acknowledged, undefined, { when: "the first" }),
    write(
      Effect.flatMap(Queues.Queues, (queues) => queues.updateAckLevels(replication, { here: 4n }, 1n)),
      acknowledged
    )
  ],
  acknowledge: [
    write(
      Effect.flatMap(Queues.Queues, (queues) => queues.acknowledge(replication, "here", 5n)),
      acknowledged
    )
  ]
}

const named = { type: 2, name: QueueV2.QueueName.make("dead letters") }

const made = Effect.flatMap(QueuesV2.QueuesV2, (queues) => queues.create(named))

const sendTo = (text: string) => Effect.flatMap(QueuesV2.QueuesV2, (queues) => queues.enqueue(named, blob(text)))

const sent = Effect.all([made, sendTo("one"), sendTo("two"), sendTo("three")])

export const NamedQueueWrites = {
  create: [write(made, undefined, { unknown: true })],
  enqueue: [write(sendTo("one"), made, { when: "the first" }), write(sendTo("four"), sent)],
  deleteMessages: [
    write(
      Effect.flatMap(QueuesV2.QueuesV2, (queues) => queues.deleteMessages(named, { upTo: 1n })),
      sent
    )
  ]
}
