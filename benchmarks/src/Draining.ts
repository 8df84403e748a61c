/**
 * How long it takes to list many rows and to delete them, and in which memory: of what is linear, the last tenth takes
 * as long as the first.
 */
import { DsqlClient } from "@effect-dsql/core"
import {
  Executions,
  type ExecutionWrite,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  type Persistence,
  Queues,
  QueuesV2,
  TaskQueues
} from "@effect-dsql/persistence"
import { Clock, Console, Effect, Stream } from "effect"
import { created, noParts } from "../../packages/persistence/test/support/executions.ts"
import { hot, place } from "../../packages/persistence/test/support/filled.ts"

type Stores = Persistence.Persistence | DsqlClient.DsqlClient

const millisOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const value = yield* work
    return [value, Number((yield* Clock.monotonicTimeNanos) - start) / 1e6] as const
  })

/** Rows that are given in order, and deleted the first ones first. */
interface Rows {
  readonly stream: Stream.Stream<unknown, unknown>
  readonly remove: (limit: number) => Effect.Effect<number, unknown, Stores>
}

const everything = { min: 0n, max: 2n ** 62n }
const fireTimes = { min: HistoryTask.FireTime.make(0n), max: HistoryTask.FireTime.make(4_000_000_000_000_000n) }

const runs = Effect.gen(function* () {
  const [tasks, classic, fair] = [
    yield* HistoryTasks.HistoryTasks,
    yield* TaskQueues.TaskQueues,
    yield* TaskQueues.FairTaskQueues
  ]
  const [queues, named] = [yield* Queues.Queues, yield* QueuesV2.QueuesV2]
  const transfers = { shardId: hot.shardId, category: HistoryTask.transfer, ...everything }
  const timers = { shardId: hot.shardId, category: HistoryTask.timer, ...fireTimes }
  const page = { size: 1000 }
  // Messages are deleted up to a number: of each tenth, the last one.
  const upTo = (remove: (id: bigint) => Effect.Effect<number, unknown>) => {
    let last = 0n
    return (limit: number) => {
      last += BigInt(limit)
      return remove(last)
    }
  }
  const all: Readonly<Record<string, Rows>> = {
    "transfer tasks": {
      stream: tasks.immediate.stream(transfers, page),
      remove: (limit) => tasks.immediate.deleteRange(transfers, { limit })
    },
    timers: {
      stream: tasks.scheduled.stream(timers, page),
      remove: (limit) => tasks.scheduled.deleteRange(timers, { limit })
    },
    "tasks of a queue": {
      stream: classic.streamTasks(hot.taskQueue, page),
      remove: (limit) => classic.deleteTasks(hot.taskQueue, { taskId: 2n ** 62n }, { limit })
    },
    "tasks of a fair queue": {
      stream: fair.streamTasks(hot.taskQueue, page),
      remove: (limit) => fair.deleteTasks(hot.taskQueue, { pass: 2n ** 62n, taskId: 0n }, { limit })
    },
    messages: {
      stream: queues.streamMessages(hot.queue, page),
      remove: upTo((id) => queues.deleteMessages(hot.queue, { upTo: id }))
    },
    "messages, v2": {
      stream: named.streamMessages(hot.named, page),
      remove: upTo((id) => named.deleteMessages(hot.named, { upTo: id }))
    }
  }
  return all
})

const mebibytes = () => process.memoryUsage().rss / 2 ** 20

/** The most memory that a process has while something runs, looked at now and then. */
const peakOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let peak = mebibytes()
    const timer = setInterval(() => (peak = Math.max(peak, mebibytes())), 20)
    return Effect.map(
      Effect.ensuring(
        work,
        Effect.sync(() => clearInterval(timer))
      ),
      (value) => [value, Math.max(peak, mebibytes())] as const
    )
  })

/** Lists and deletes what lies in the hot places of a filled database. */
export const draining = (rows: number) =>
  Effect.gen(function* () {
    const tenth = Math.floor(rows / 10)
    yield* Console.log(`\nMilliseconds for 1,000 rows of ${rows.toLocaleString("en-US")}`)
    const heads = ["listed", "deleted first", "deleted last", "peak MiB"].map((head) => head.padStart(15)).join("")
    yield* Console.log(`  ${"".padEnd(30)}${heads}`)
    for (const [name, { remove, stream }] of Object.entries(yield* runs)) {
      const work = Effect.gen(function* () {
        const [count, listed] = yield* millisOf(Stream.runCount(stream))
        const parts: Array<number> = []
        for (let part = 0; part < 10; part++) parts.push((yield* millisOf(remove(tenth)))[1])
        return [(listed / count) * 1000, ((parts[0] ?? 0) / tenth) * 1000, ((parts[9] ?? 0) / tenth) * 1000]
      })
      const [figures, peak] = yield* peakOf(work)
      const cells = [...figures.map((figure) => figure.toFixed(2)), peak.toFixed(0)]
      yield* Console.log(`  ${name.padEnd(30)}${cells.map((text) => text.padStart(15)).join("")}`)
    }
  })

const activities = 2_000

/** Deletes runs of so many activities. */
export const runsOf = (sizes: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    yield* Console.log("\nMilliseconds to delete a run with so many activities")
    const executions = yield* Executions.Executions
    const { sql } = yield* DsqlClient.DsqlClient
    for (const size of sizes) {
      const at = place()
      const { runId } = yield* created(at, noParts satisfies Partial<ExecutionWrite.Snapshot>)
      for (let from = 0; from < size; from += activities) {
        yield* sql`
          INSERT INTO activity_info_maps (shard_id, namespace_id, workflow_id, run_id, schedule_id, data, data_encoding)
          SELECT ${at.shardId}::integer, ${at.namespaceId}::uuid, ${at.businessId}::text, ${runId}::uuid, i, '', 'Proto3'
          FROM generate_series(${from}::bigint, ${Math.min(from + activities, size) - 1}::bigint) AS i`
      }
      const [, millis] = yield* millisOf(executions.delete(at, Identifiers.RunId.make(runId)))
      yield* Console.log(`  ${size.toLocaleString("en-US").padStart(30)}${millis.toFixed(0).padStart(15)}`)
    }
  })
