/**
 * Task queues of both kinds with their subqueues and user data, and both kinds of message queues.
 */
import {
  Identifiers,
  Queue,
  Queues,
  QueuesV2,
  QueueV2,
  TaskQueueId,
  TaskQueues,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { Effect } from "effect"
import { fingerprint32 } from "farmhash-modern"
import { createHash } from "node:crypto"
import * as Messages from "./Messages.ts"
import * as Plain from "./Plain.ts"
import { blob, columns, namespaceId, type Step, times } from "./Step.ts"

/** Types of task queues with Temporal's numbers. */
const types = [
  ["Workflow", 1],
  ["Activity", 2],
  ["Nexus", 3]
] as const

/** The key of a task queue, made here as the Go system makes it. */
export const keyOf = (namespace: string, name: string, subqueue: number, taskType: number) => {
  const type = subqueue === 0 ? [taskType] : [taskType | 0x80, subqueue]
  const id = Buffer.concat([Buffer.from(namespace.replaceAll("-", ""), "hex"), Buffer.from(name), Buffer.from(type)])
  const hash = createHash("sha256").update(id).digest()
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x40, 6)
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = hash.toString("hex")
  const lengths = [8, 4, 4, 4, 12]
  const ends = lengths.map((_, index) => lengths.slice(0, index + 1).reduce((sum, length) => sum + length, 0))
  const uuid = lengths.map((length, index) => hex.slice((ends[index] ?? 0) - length, ends[index])).join("-")
  return { range_hash: BigInt(fingerprint32(id)), task_queue_id: uuid }
}

const taskQueue =
  (kind: "classic" | "fair") =>
  ([type, taskType]: (typeof types)[number]): ReadonlyArray<Step> => {
    const suffix = kind === "classic" ? "" : "_v2"
    const name = Identifiers.TaskQueueName.make(`${kind} ${type}`)
    const known = { namespaceId, name, type } as const
    const id = TaskQueueId.make(known)
    const info = {
      data: Messages.encode("TaskQueueInfo", { namespaceId, name, taskType }),
      encoding: "Proto3" as const
    }
    const positions = times(3, (task) => ({ pass: BigInt(task), taskId: BigInt(10 * task) }))
    const key = keyOf(namespaceId, name, 0, taskType)
    const lock = Plain.read(`task_queues${suffix}`, key, "FOR UPDATE")
    const insert = (subqueue: number) =>
      Effect.forEach(positions, ({ pass, taskId }) =>
        Plain.insert(`tasks${suffix}`, {
          ...keyOf(namespaceId, name, subqueue, taskType),
          ...(kind === "fair" && { pass }),
          task_id: taskId,
          ...columns(blob("task"))
        })
      )
    type Store = Pick<
      TaskQueues.Store<(typeof positions)[number]>,
      "create" | "createTasks" | "deleteTasks" | "lease" | "update"
    >
    /** The same of either store: a classic one passes over what it does not know of a position. */
    const use = <A, E, R>(write: (store: Store) => Effect.Effect<A, E, R>) =>
      kind === "classic" ? TaskQueues.TaskQueues.use(write) : TaskQueues.FairTaskQueues.use(write)
    const add = (subqueue: number): Step => ({
      name: `add tasks to subqueue ${subqueue} of ${name}`,
      stores: use((store) =>
        store.createTasks(
          { id, rangeId: 1n },
          positions.map((position) => ({
            position,
            task: blob("task"),
            subqueue: TaskQueueId.make({ ...known, subqueue })
          }))
        )
      ),
      go: Effect.andThen(insert(subqueue), lock)
    })
    return [
      {
        name: `create task queue ${name}`,
        stores: use((store) => store.create({ id, rangeId: 1n, info })),
        go: Plain.insert(`task_queues${suffix}`, { ...key, range_id: 1n, ...columns(info) })
      },
      add(0),
      add(2),
      {
        name: `complete tasks of subqueue 2 of ${name}`,
        stores: use((store) =>
          store.deleteTasks(
            { id, rangeId: 1n },
            { pass: 2n, taskId: 20n },
            { subqueue: TaskQueueId.make({ ...known, subqueue: 2 }) }
          )
        ),
        go: Plain.removeRange(`tasks${suffix}`, keyOf(namespaceId, name, 2, taskType), "task_id", "<", 20n)
      },
      {
        name: `take task queue ${name}`,
        stores: use((store) => store.update({ id, rangeId: 2n, info }, 1n)),
        go: Effect.andThen(lock, Plain.update(`task_queues${suffix}`, key, { range_id: 2n, ...columns(info) }))
      },
      {
        name: `lease task queue ${name}`,
        stores: use((store) => store.lease(id, info)),
        go: Effect.andThen(lock, Plain.update(`task_queues${suffix}`, key, { range_id: 3n, ...columns(info) }))
      }
    ]
  }

const userData = (number: number): ReadonlyArray<Step> => {
  const name = Identifiers.TaskQueueName.make(`user data ${number}`)
  const key = { namespace_id: namespaceId, task_queue_name: name }
  const [one, two] = [Identifiers.BuildId.make("one"), Identifiers.BuildId.make("two")]
  const use: typeof TaskQueueUserData.TaskQueueUserData.use = (write) => TaskQueueUserData.TaskQueueUserData.use(write)
  const builds = (build_id: string) => ({ namespace_id: namespaceId, build_id, task_queue_name: name })
  const change = { addBuildIds: [two], removeBuildIds: [one], data: blob("two"), expectedVersion: 1n }
  return [
    {
      name: `say ${name}`,
      stores: use((store) =>
        store.update(namespaceId, new Map([[name, { expectedVersion: 0n, data: blob("one"), addBuildIds: [one] }]]))
      ),
      go: Effect.andThen(
        Plain.insert("task_queue_user_data", { ...key, ...columns(blob("one")), version: 1n }),
        Plain.insert("build_id_to_task_queue", builds("one"))
      )
    },
    {
      name: `change ${name}`,
      stores: use((store) => store.update(namespaceId, new Map([[name, change]]))),
      go: Effect.all([
        Plain.update("task_queue_user_data", { ...key, version: 1n }, { ...columns(blob("two")), version: 2n }),
        Plain.insert("build_id_to_task_queue", builds("two")),
        Plain.remove("build_id_to_task_queue", builds("one"))
      ])
    }
  ]
}

const messages = (type: Queue.QueueType): ReadonlyArray<Step> => {
  const key = { queue_type: Number(type) }
  const use: typeof Queues.Queues.use = (write) => Queues.Queues.use(write)
  const levels = (number: number) => ({
    data: new TextEncoder().encode(`{"clusterAckLevels":{"other":"${number}"}}`),
    data_encoding: "Json"
  })
  const none = { data: new TextEncoder().encode("{}"), data_encoding: "Json", version: 0n }
  return [
    ...times(4, (number) => ({
      name: `send message ${number} to queue ${type}`,
      stores: use((store) => store.enqueue(type, blob(`message ${number}`))),
      go: Effect.andThen(
        number === 1 ? Effect.asVoid(Plain.insert("queue_metadata", { ...key, ...none })) : Effect.void,
        Effect.andThen(
          Plain.read("queue", key, "FOR UPDATE"),
          Plain.insert("queue", {
            ...key,
            message_id: BigInt(number - 1),
            message_payload: blob(`message ${number}`).data,
            message_encoding: "Proto3"
          })
        )
      )
    })),
    {
      name: `acknowledge queue ${type}`,
      stores: use((store) => store.acknowledge(type, "other", 1n)),
      go: Effect.andThen(
        Plain.read("queue_metadata", key, "FOR UPDATE"),
        Plain.update("queue_metadata", { ...key, version: 0n }, { ...levels(1), version: 1n })
      )
    },
    {
      name: `delete from queue ${type} what is acknowledged`,
      stores: use((store) => store.deleteMessages(type, { upTo: 1n })),
      go: Plain.removeRange("queue", key, "message_id", "<=", 1n)
    }
  ]
}

const named = (number: number): ReadonlyArray<Step> => {
  const queue = { type: 2, name: QueueV2.QueueName.make(`queue ${number}`) }
  const key = { queue_type: 2, queue_name: queue.name }
  const metadata = (minMessageId: number) => ({
    metadata_payload: Messages.encode("Queue", { partitions: { 0: { minMessageId } } }),
    metadata_encoding: "Proto3"
  })
  const use: typeof QueuesV2.QueuesV2.use = (write) => QueuesV2.QueuesV2.use(write)
  return [
    {
      name: `create ${queue.name}`,
      stores: use((store) => store.create(queue)),
      go: Plain.insert("queues", { ...key, ...metadata(0) })
    },
    ...times(3, (each) => ({
      name: `send message ${each} to ${queue.name}`,
      stores: use((store) => store.enqueue(queue, blob(`message ${each}`))),
      go: Effect.andThen(
        Plain.read("queue_messages", { ...key, queue_partition: 0n }, "FOR UPDATE"),
        Plain.insert("queue_messages", {
          ...key,
          queue_partition: 0n,
          message_id: BigInt(each - 1),
          message_payload: blob(`message ${each}`).data,
          message_encoding: "Proto3"
        })
      )
    })),
    {
      name: `delete all messages of ${queue.name}`,
      stores: use((store) => store.deleteMessages(queue, { upTo: 2n })),
      // The last one stays, so that numbers go on behind it.
      go: Effect.all([
        Plain.read("queues", key, "FOR UPDATE"),
        Plain.removeRange("queue_messages", { ...key, queue_partition: 0n }, "message_id", "<=", 1n),
        Plain.update("queues", key, metadata(3))
      ])
    }
  ]
}

export const steps: ReadonlyArray<Step> = [
  ...types.flatMap(taskQueue("classic")),
  ...types.flatMap(taskQueue("fair")),
  ...times(3, userData).flat(),
  ...messages(Queue.namespaceReplication),
  ...messages(Queue.deadLetters(Queue.namespaceReplication)),
  ...times(2, named).flat()
]
