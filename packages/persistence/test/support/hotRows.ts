/**
 * The rows that there can be a million of: listed in order, and deleted the first ones first.
 */
import {
  HistoryTask,
  HistoryTasks,
  type PageToken,
  type Persistence,
  Queues,
  QueuesV2,
  TaskQueues
} from "@effect-dsql/persistence"
import { Effect, type Stream } from "effect"
import { hot } from "./filled.ts"

/** One kind of them, in the hot place of a filled database. */
export interface Rows {
  readonly list: (token: PageToken.PageToken | undefined) => Effect.Effect<PageToken.Page<unknown>, unknown>
  readonly stream: Stream.Stream<unknown, unknown>
  /** Deletes so many more, and gives how many went. */
  readonly remove: (limit: number) => Effect.Effect<number, unknown>
}

/** The kinds, and the tables that they are in. */
export const tables = {
  transfers: "transfer_tasks",
  timers: "timer_tasks",
  "tasks of a queue": "tasks",
  "tasks of a fair queue": "tasks_v2",
  messages: "queue",
  "messages, v2": "queue_messages"
} as const

export type Kind = keyof typeof tables

/** Rows of a page. */
export const size = 1000

const range = { min: 0n, max: 2n ** 62n }
const fireTimes = { min: HistoryTask.FireTime.make(0n), max: HistoryTask.FireTime.make(4_000_000_000_000_000n) }

/** Messages are deleted up to a number: where each follows the one before, so many more are up to so many numbers more. */
const upTo = (remove: (id: bigint) => Effect.Effect<number, unknown>) => {
  let last = -1n
  return (limit: number) => {
    last += BigInt(limit)
    return remove(last)
  }
}

export const hotRows: Effect.Effect<Readonly<Record<Kind, Rows>>, never, Persistence.Persistence> = Effect.gen(
  function* () {
    const { immediate, scheduled } = yield* HistoryTasks.HistoryTasks
    const classic = yield* TaskQueues.TaskQueues
    const fair = yield* TaskQueues.FairTaskQueues
    const queues = yield* Queues.Queues
    const named = yield* QueuesV2.QueuesV2
    const taskQueue = { id: hot.taskQueue, rangeId: hot.rangeId }
    const transfers = { shardId: hot.shardId, rangeId: hot.rangeId, category: HistoryTask.transfer, ...range }
    const timers = { shardId: hot.shardId, rangeId: hot.rangeId, category: HistoryTask.timer, ...fireTimes }
    return {
      transfers: {
        list: (token) => immediate.list(transfers, { size, token }),
        stream: immediate.stream(transfers, { size }),
        remove: (limit) => immediate.deleteRange(transfers, { limit })
      },
      timers: {
        list: (token) => scheduled.list(timers, { size, token }),
        stream: scheduled.stream(timers, { size }),
        remove: (limit) => scheduled.deleteRange(timers, { limit })
      },
      "tasks of a queue": {
        list: (token) => classic.listTasks(hot.taskQueue, { size, token }),
        stream: classic.streamTasks(hot.taskQueue, { size }),
        remove: (limit) => classic.deleteTasks(taskQueue, { taskId: 2n ** 62n }, { limit })
      },
      "tasks of a fair queue": {
        list: (token) => fair.listTasks(hot.taskQueue, { size, token }),
        stream: fair.streamTasks(hot.taskQueue, { size }),
        remove: (limit) => fair.deleteTasks(taskQueue, { pass: 2n ** 62n, taskId: 0n }, { limit })
      },
      messages: {
        list: (token) => queues.listMessages(hot.queue, { size, token }),
        stream: queues.streamMessages(hot.queue, { size }),
        remove: upTo((id) => queues.deleteMessages(hot.queue, { upTo: id }))
      },
      "messages, v2": {
        list: (token) => named.listMessages(hot.named, { size, token }),
        stream: named.streamMessages(hot.named, { size }),
        remove: upTo((id) => named.deleteMessages(hot.named, { upTo: id }))
      }
    }
  }
)
