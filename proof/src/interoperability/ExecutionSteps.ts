/**
 * Executions of both kinds: begun, changed with all their parts, continued as new, rebuilt, closed and deleted.
 */
import {
  Archetype,
  type CurrentExecution,
  type DataBlob,
  type Execution,
  Executions,
  ExecutionWrite,
  HistoryTask,
  Identifiers,
  Shards
} from "@effect-dsql/persistence"
import { DateTime, Effect } from "effect"
import * as Plain from "./Plain.ts"
import { blob, columns, namespaceId, type Step, times, uuid } from "./Step.ts"

const shardId = Identifiers.ShardId.make(1)

const shards: ReadonlyArray<Step> = [
  {
    name: "create a shard",
    stores: Shards.Shards.use((shards) => shards.getOrCreate(shardId, () => ({ rangeId: 1n, info: blob("shard") }))),
    go: Effect.andThen(
      Plain.read("shards", { shard_id: 1 }),
      Plain.insert("shards", { shard_id: 1, range_id: 1n, ...columns(blob("shard")) })
    )
  },
  {
    name: "take a shard",
    stores: Shards.Shards.use((shards) => shards.update({ shardId, rangeId: 2n, info: blob("taken") }, 1n)),
    go: Effect.andThen(
      Plain.read("shards", { shard_id: 1 }, "FOR UPDATE"),
      Plain.update("shards", { shard_id: 1 }, { range_id: 2n, ...columns(blob("taken")) })
    )
  }
]

/** One of each part that a run can have; of its CHASM nodes the root has no data. */
const parts = (text: string): Execution.Parts => ({
  activities: new Map([[5n, blob(`activity of ${text}`)]]),
  timers: new Map([[Identifiers.TimerId.make("timer"), blob(`timer of ${text}`)]]),
  children: new Map([[6n, blob(`child of ${text}`)]]),
  cancels: new Map([[7n, blob(`cancel of ${text}`)]]),
  signals: new Map([[8n, blob(`signal of ${text}`)]]),
  requestedSignals: new Set([Identifiers.SignalId.make("requested")]),
  chasmNodes: new Map([
    [Identifiers.ChasmPath.make(""), { metadata: blob(`root of ${text}`) }],
    [Identifiers.ChasmPath.make("a$b"), { metadata: blob(`node of ${text}`), data: blob("data") }]
  ])
})

/** The tables of parts, each with its own column of the key, and the rows that a run has there. */
const tablesOf = (
  of: Execution.Parts
): ReadonlyArray<readonly [string, string, ReadonlyArray<readonly [Plain.Value, Plain.Row]>]> => {
  const blobs = <K extends bigint | string>(map: ReadonlyMap<K, DataBlob.DataBlob>) =>
    Array.from(map, ([id, data]) => [id, columns(data)] as const)
  return [
    ["activity_info_maps", "schedule_id", blobs(of.activities)],
    ["timer_info_maps", "timer_id", blobs(of.timers)],
    ["child_execution_info_maps", "initiated_id", blobs(of.children)],
    ["request_cancel_info_maps", "initiated_id", blobs(of.cancels)],
    ["signal_info_maps", "initiated_id", blobs(of.signals)],
    ["signals_requested_sets", "signal_id", Array.from(of.requestedSignals, (id) => [id, {}] as const)],
    [
      "chasm_node_maps",
      "chasm_path",
      Array.from(of.chasmNodes, ([path, { data, metadata }]) => {
        const row = {
          metadata: metadata.data,
          metadata_encoding: metadata.encoding,
          data: data?.data ?? null,
          data_encoding: data?.encoding ?? ""
        }
        return [path, row] as const
      })
    ]
  ]
}

const started = DateTime.makeUnsafe(1_758_000_000_123)

/** What each row of `run` says. */
const head = (text: string, nextEventId: bigint) => ({
  nextEventId,
  lastWriteVersion: 1n,
  info: blob(`info of ${text}`),
  state: blob(`state of ${text}`)
})

const standing = (state: CurrentExecution.State, status: CurrentExecution.Status) =>
  ExecutionWrite.Standing.make({ createRequestId: "request", state, status, startTime: started })

/** States and statuses with Temporal's numbers. */
const states: Readonly<Record<CurrentExecution.State, number>> = {
  Created: 1,
  Running: 2,
  Completed: 3,
  Zombie: 4,
  Corrupted: 6
}

const statuses: Readonly<Record<CurrentExecution.Status, number>> = {
  Running: 1,
  Completed: 2,
  Failed: 3,
  Canceled: 4,
  Terminated: 5,
  ContinuedAsNew: 6,
  TimedOut: 7,
  Paused: 8
}

/** How runs end. */
const endings = ["Completed", "Failed", "Canceled", "Terminated", "ContinuedAsNew", "TimedOut"] as const

type Standing = ReturnType<typeof standing>

/** The steps of one business id. */
const execution = (number: number, archetypeId: Archetype.ArchetypeId): ReadonlyArray<Step> => {
  const workflow = archetypeId === Archetype.workflow
  const businessId = Identifiers.BusinessId.make(`business ${number}`)
  const at: Execution.OwnedKey = { shardId, namespaceId, businessId, archetypeId, rangeId: 2n }
  const runId = (run: number) => Identifiers.RunId.make(uuid(2, number * 10 + run))
  const key = (run: number) => ({ shard_id: 1, namespace_id: namespaceId, workflow_id: businessId, run_id: runId(run) })
  const currentTable = workflow ? "current_executions" : "current_chasm_executions"
  const currentKey = workflow
    ? { shard_id: 1, namespace_id: namespaceId, workflow_id: businessId }
    : { shard_id: 1, namespace_id: namespaceId, business_id: businessId, archetype_id: BigInt(archetypeId) }
  const taskId = (step: number) => BigInt(number * 100 + step)
  const tasks = (step: number): ReadonlyArray<HistoryTask.HistoryTask> => [
    { category: HistoryTask.transfer, taskId: taskId(step), task: blob("transfer") },
    {
      category: HistoryTask.timer,
      fireTime: HistoryTask.FireTime.make(1_758_000_000_123_457n),
      taskId: taskId(step),
      task: blob("timer")
    }
  ]
  // What the Go system sends.
  const own = Plain.read("shards", { shard_id: 1 })
  const lock = (run: number) => Plain.read("executions", key(run), "FOR UPDATE")
  const lockCurrent = Plain.read(currentTable, currentKey, "FOR UPDATE")
  const row = (of: ReturnType<typeof head>, version: bigint) => ({
    next_event_id: of.nextEventId,
    last_write_version: of.lastWriteVersion,
    ...columns(of.info),
    state: of.state.data,
    state_encoding: of.state.encoding,
    db_record_version: version
  })
  const current = (run: number, of: ReturnType<typeof head>, is: Standing) => ({
    run_id: runId(run),
    create_request_id: is.createRequestId,
    state: states[is.state],
    status: statuses[is.status],
    start_time: DateTime.toDateUtc(started),
    last_write_version: of.lastWriteVersion,
    ...columns(of.state)
  })
  const put = (run: number, of: Execution.Parts) =>
    Effect.forEach(tablesOf(of), ([table, id, rows]) =>
      Effect.forEach(rows, ([value, row]) => Plain.upsert(table, { ...key(run), [id]: value }, row))
    )
  const add = (step: number) =>
    Effect.andThen(
      Plain.insert("transfer_tasks", { shard_id: 1, task_id: taskId(step), ...columns(blob("transfer")) }),
      Plain.insert("timer_tasks", {
        shard_id: 1,
        visibility_timestamp: "2025-09-16 05:20:00.123457",
        task_id: taskId(step),
        ...columns(blob("timer"))
      })
    )
  const [begun, changed, over, next] = [head("begun", 2n), head("changed", 5n), head("over", 7n), head("next", 2n)]
  const [running, continued] = [standing("Running", "Running"), standing("Completed", "ContinuedAsNew")]
  const zombie = standing("Zombie", "Running")
  const first = standing(number % 2 === 0 ? "Running" : "Created", "Running")
  const paused = standing("Running", number % 2 === 0 ? "Running" : "Paused")
  const ended = standing(number % 2 === 0 ? "Completed" : "Corrupted", endings[number % endings.length] ?? "Failed")
  const use: typeof Executions.Executions.use = (write) => Executions.Executions.use(write)
  return [
    {
      name: `begin ${businessId}`,
      stores: use((store) =>
        store.create(
          at,
          { _tag: "BrandNew" },
          { runId: runId(1), ...begun, standing: first, ...parts("begun"), tasks: tasks(1) }
        )
      ),
      go: Effect.all([
        own,
        lockCurrent,
        Plain.insert(currentTable, { ...currentKey, ...current(1, begun, first) }),
        Plain.insert("executions", { ...key(1), ...row(begun, 1n) }),
        put(1, parts("begun")),
        add(1)
      ])
    },
    {
      name: `change ${businessId}, buffering an event`,
      stores: use((store) =>
        store.update(at, {
          mode: "UpdateCurrent",
          mutation: {
            runId: runId(1),
            ...changed,
            standing: paused,
            expected: { dbRecordVersion: 1n },
            put: parts("changed"),
            remove: { timers: new Set([Identifiers.TimerId.make("timer")]) },
            bufferEvents: [blob("buffered")],
            tasks: tasks(2)
          }
        })
      ),
      go: Effect.all([
        own,
        lockCurrent,
        Plain.update(currentTable, currentKey, current(1, changed, paused)),
        lock(1),
        Plain.update("executions", key(1), row(changed, 2n)),
        put(1, parts("changed")),
        Plain.remove("timer_info_maps", { ...key(1), timer_id: "timer" }),
        Plain.insert("buffered_events", { ...key(1), id: taskId(2), ...columns(blob("buffered")) }),
        add(2)
      ])
    },
    {
      name: `continue ${businessId} as new`,
      stores: use((store) =>
        store.update(at, {
          mode: "UpdateCurrent",
          mutation: {
            runId: runId(1),
            ...over,
            standing: continued,
            expected: { dbRecordVersion: 2n },
            remove: { activities: new Set([5n]), chasmNodes: new Set([Identifiers.ChasmPath.make("a$b")]) },
            clearBufferedEvents: true
          },
          newRun: { runId: runId(2), ...next, standing: running, ...parts("next") }
        })
      ),
      go: Effect.all([
        own,
        lockCurrent,
        Plain.update(currentTable, currentKey, current(2, next, running)),
        lock(1),
        Plain.update("executions", key(1), row(over, 3n)),
        Plain.remove("activity_info_maps", { ...key(1), schedule_id: 5n }),
        Plain.remove("chasm_node_maps", { ...key(1), chasm_path: "a$b" }),
        Plain.remove("buffered_events", key(1)),
        Plain.insert("executions", { ...key(2), ...row(next, 1n) }),
        put(2, parts("next"))
      ])
    },
    {
      name: `bring a zombie beside ${businessId}`,
      stores: use((store) =>
        store.create(at, { _tag: "BypassCurrent" }, { runId: runId(3), ...begun, standing: zombie })
      ),
      go: Effect.all([own, lockCurrent, Plain.insert("executions", { ...key(3), ...row(begun, 1n) })])
    },
    {
      name: `resolve a conflict of ${businessId}`,
      stores: use((store) =>
        store.conflictResolve(at, {
          mode: "UpdateCurrent",
          run: {
            runId: runId(3),
            ...changed,
            standing: running,
            expected: { dbRecordVersion: 1n },
            ...parts("rebuilt")
          },
          current: { runId: runId(2), ...over, standing: zombie, expected: { dbRecordVersion: 1n } }
        })
      ),
      go: Effect.all([
        own,
        lockCurrent,
        Plain.update(currentTable, currentKey, current(3, changed, running)),
        lock(3),
        Plain.update("executions", key(3), row(changed, 2n)),
        put(3, parts("rebuilt")),
        lock(2),
        Plain.update("executions", key(2), row(over, 2n))
      ])
    },
    {
      name: `set the first run of ${businessId}`,
      stores: use((store) =>
        store.set(at, { runId: runId(1), ...changed, standing: continued, expected: { dbRecordVersion: 3n } })
      ),
      go: Effect.all([
        own,
        lock(1),
        Plain.update("executions", key(1), row(changed, 4n)),
        Effect.forEach(tablesOf(parts("")), ([table]) => Plain.remove(table, key(1))),
        Plain.remove("buffered_events", key(1))
      ])
    },
    {
      name: `end ${businessId}`,
      stores: use((store) =>
        store.update(at, {
          mode: "UpdateCurrent",
          mutation: { runId: runId(3), ...over, standing: ended, expected: { dbRecordVersion: 2n } }
        })
      ),
      go: Effect.all([
        own,
        lockCurrent,
        Plain.update(currentTable, currentKey, current(3, over, ended)),
        lock(3),
        Plain.update("executions", key(3), row(over, 3n))
      ])
    },
    {
      name: `delete the first run of ${businessId}`,
      stores: use((store) => store.delete(at, runId(1))),
      go: Effect.andThen(
        Effect.forEach(tablesOf(parts("")), ([table]) => Plain.remove(table, key(1))),
        Effect.andThen(Plain.remove("buffered_events", key(1)), Plain.remove("executions", key(1)))
      )
    },
    ...(number % 3 === 0
      ? [
          {
            name: `delete the current execution of ${businessId}`,
            stores: use((store) => store.deleteCurrent(at, runId(3))),
            go: Plain.remove(currentTable, { ...currentKey, run_id: runId(3) })
          }
        ]
      : [])
  ]
}

const chasm = Archetype.ArchetypeId.make(4_294_967_295)

export const steps: ReadonlyArray<Step> = [
  ...shards,
  ...times(8, (number) => execution(number, number % 4 === 0 ? chasm : Archetype.workflow)).flat()
]
