/**
 * Executions with everything that a run can have, and what the tests ask of the store about them.
 */
import {
  Archetype,
  type CurrentExecution,
  type Execution,
  type ExecutionWrite,
  Executions,
  HistoryTask,
  Identifiers,
  Shards
} from "@effect-dsql/persistence"
import { DsqlClient } from "@effect-dsql/core"
import { assert } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { randomInt, randomUUID } from "node:crypto"
import { blob, key, runId } from "./rows.ts"

export const chasm = Archetype.ArchetypeId.make(4_294_967_295)

/** The archetypes that every contract runs with. */
export const archetypes = [
  ["workflows", Archetype.workflow],
  ["a CHASM archetype", chasm]
] as const

export const event = (): bigint => BigInt(randomInt(1, 2 ** 40))

const several = <A>(make: () => A, count = 3): ReadonlyArray<A> => Array.from({ length: count }, make)

const byEvent = (count?: number) => new Map(several(() => [event(), blob()] as const, count))

export const timerId = () => Identifiers.TimerId.make(`timer ${randomUUID()}`)
export const signalId = () => Identifiers.SignalId.make(randomUUID())
export const chasmPath = () => Identifiers.ChasmPath.make(`${randomUUID()}$${randomUUID()}`)

/** Parts of every kind, so many of each. */
export const parts = (count = 3): Execution.Parts => ({
  activities: byEvent(count),
  timers: new Map(several(() => [timerId(), blob()] as const, count)),
  children: byEvent(count),
  cancels: byEvent(count),
  signals: byEvent(count),
  requestedSignals: new Set(several(signalId, count)),
  chasmNodes: new Map(
    several(() => chasmPath(), count).map((path, index) => [
      path,
      index % 2 === 0 ? { metadata: blob(), data: blob() } : { metadata: blob() }
    ])
  )
})

export const noParts: Execution.Parts = {
  activities: new Map(),
  timers: new Map(),
  children: new Map(),
  cancels: new Map(),
  signals: new Map(),
  requestedSignals: new Set(),
  chasmNodes: new Map()
}

export const standing = (
  state: CurrentExecution.State = "Running",
  status: CurrentExecution.Status = state === "Completed" ? "Completed" : "Running"
): ExecutionWrite.Snapshot["standing"] => ({
  createRequestId: randomUUID(),
  state,
  status,
  startTime: DateTime.makeUnsafe(1_758_000_000_123 + randomInt(1_000_000))
})

const head = () => ({ nextEventId: event(), lastWriteVersion: event(), info: blob(), state: blob() })

/** A task of every kind of table. */
export const tasks = (): ReadonlyArray<HistoryTask.HistoryTask> => [
  ...[HistoryTask.transfer, HistoryTask.replication, HistoryTask.visibility, HistoryTask.outbound].map((category) => ({
    category,
    taskId: event(),
    task: blob()
  })),
  ...[HistoryTask.timer, HistoryTask.archival].map((category) => ({
    category,
    fireTime: HistoryTask.FireTime.make(1_758_000_000_123_457n),
    taskId: event(),
    task: blob()
  }))
]

export const snapshot = (changed: Partial<ExecutionWrite.Snapshot> = {}): ExecutionWrite.Snapshot => ({
  runId: runId(),
  ...head(),
  standing: standing(),
  ...parts(),
  tasks: tasks(),
  ...changed
})

/** A run in place of another, which was read or made before. */
export const replacement = (
  runId: Identifiers.RunId,
  dbRecordVersion: bigint,
  changed: Partial<ExecutionWrite.Replacement> = {}
): ExecutionWrite.Replacement => ({ ...snapshot(), runId, expected: { dbRecordVersion }, ...changed })

export const mutation = (
  runId: Identifiers.RunId,
  dbRecordVersion: bigint,
  changed: Partial<ExecutionWrite.Mutation> = {}
): ExecutionWrite.Mutation => ({
  runId,
  ...head(),
  standing: standing(),
  expected: { dbRecordVersion },
  put: parts(),
  tasks: tasks(),
  ...changed
})

/** What is kept of a run that was written as a whole. */
export const stateOf = (run: ExecutionWrite.Snapshot, dbRecordVersion = 1n): Execution.MutableState => ({
  execution: executionOf(run, dbRecordVersion),
  activities: run.activities ?? noParts.activities,
  timers: run.timers ?? noParts.timers,
  children: run.children ?? noParts.children,
  cancels: run.cancels ?? noParts.cancels,
  signals: run.signals ?? noParts.signals,
  requestedSignals: run.requestedSignals ?? noParts.requestedSignals,
  chasmNodes: run.chasmNodes ?? noParts.chasmNodes,
  bufferedEvents: []
})

/** The row of a run that was written. */
export const executionOf = (
  { info, lastWriteVersion, nextEventId, state }: ExecutionWrite.Snapshot | ExecutionWrite.Mutation,
  dbRecordVersion: bigint
): Execution.Execution => ({ nextEventId, lastWriteVersion, dbRecordVersion, info, state })

/** A place for an execution below a shard of its own, which is there, with range 5. */
export const place = Effect.fnUntraced(function* (archetypeId: Archetype.ArchetypeId) {
  const at: Execution.OwnedKey = { ...key(archetypeId), rangeId: 5n }
  const shards = yield* Shards.Shards
  yield* shards.getOrCreate(at.shardId, () => ({ rangeId: at.rangeId, info: blob() }))
  return at
})

export const get = (at: Execution.OwnedKey, runId: Identifiers.RunId) =>
  Effect.flatMap(Executions.Executions, (executions) => executions.get({ ...at, runId }))

const tables = [
  "shards",
  "executions",
  "current_executions",
  "current_chasm_executions",
  "buffered_events",
  "activity_info_maps",
  "timer_info_maps",
  "child_execution_info_maps",
  "request_cancel_info_maps",
  "signal_info_maps",
  "signals_requested_sets",
  "chasm_node_maps",
  "transfer_tasks",
  "timer_tasks",
  "replication_tasks",
  "visibility_tasks",
  "history_immediate_tasks",
  "history_scheduled_tasks"
]

/** Every row below a shard, the shard's own among them: what a write that fails must leave as it was. */
export const everything = Effect.fnUntraced(function* (at: Execution.OwnedKey) {
  const { sql } = yield* DsqlClient.DsqlClient
  const selects = tables.map(
    (table) => `SELECT '${table}' || row_to_json(t)::text AS row FROM ${table} t WHERE shard_id = $1`
  )
  const rows = yield* sql.unsafe<{ readonly row: string }>(`${selects.join(" UNION ALL ")} ORDER BY 1`, [at.shardId])
  return rows.map(({ row }) => row)
})

/** The error that a write ends with, once it is certain that it left everything as it was. */
export const refused = <A, E, R>(at: Execution.OwnedKey, write: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* everything(at)
    const error = yield* Effect.flip(write)
    assert.deepStrictEqual(yield* everything(at), before)
    return error
  })

/** The run that is current. */
export const currentRun = (at: Execution.OwnedKey) =>
  Effect.flatMap(Executions.Executions, (executions) => Effect.map(executions.getCurrent(at), ({ runId }) => runId))

/** The current execution that a run makes. */
export const currentOf = (
  at: Execution.OwnedKey,
  run: Pick<ExecutionWrite.Snapshot, "runId" | "standing" | "lastWriteVersion" | "state">
): CurrentExecution.CurrentExecution => ({
  shardId: at.shardId,
  namespaceId: at.namespaceId,
  businessId: at.businessId,
  archetypeId: at.archetypeId,
  runId: run.runId,
  ...run.standing,
  lastWriteVersion: run.lastWriteVersion,
  data: run.state
})

/** The tasks that are kept below a shard. */
export const taskCount = (at: Execution.OwnedKey) =>
  Effect.map(everything(at), (rows) => rows.filter((row) => row.includes("_tasks{")).length)

/** A run that is there, and the current one unless it is a zombie. */
export const created = Effect.fnUntraced(function* (
  at: Execution.OwnedKey,
  changed: Partial<ExecutionWrite.Snapshot> = {}
) {
  const executions = yield* Executions.Executions
  const run = snapshot(changed)
  const mode = run.standing.state === "Zombie" ? ({ _tag: "BypassCurrent" } as const) : ({ _tag: "BrandNew" } as const)
  yield* executions.create(at, mode, run)
  return run
})
