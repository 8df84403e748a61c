/**
 * What one write of an execution consists of, collected part by part and sent as one fenced statement.
 */
import { type LimitExceeded, SerializationConflict } from "@effect-dsql/core/DsqlError"
import * as Fence from "@effect-dsql/core/Fence"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { OwnedKey } from "../../Execution.ts"
import { type Mutation, type Replacement, type Snapshot } from "../../ExecutionWrite.ts"
import type * as HistoryTask from "../../HistoryTask.ts"
import type { RunId } from "../../Identifiers.ts"
import type { ArchetypeUnspecified } from "../../PersistenceError.ts"
import * as BufferedEvents from "./bufferedEvents.ts"
import * as Current from "./currentRow.ts"
import { type Route, route } from "./currentRoute.ts"
import * as Guards from "./guards.ts"
import * as Fenced from "../fenced.ts"
import * as Parameters from "../parameters.ts"
import * as Parts from "./parts.ts"
import type { ColumnType, Value } from "../records.ts"
import * as TaskGroups from "../historyTasks/insert.ts"

/** A write below a shard, as far as it is known; `E` is what its guards may refuse with. */
export interface Plan<E> {
  readonly at: OwnedKey
  readonly to: Route
  readonly parameters: Parameters.Parameters
  /** The business id's key in the tables of runs, bound. */
  readonly key: Readonly<Record<string, string>>
  /** The key of the current execution, bound. */
  readonly currentKey: Readonly<Record<string, string>>
  readonly guards: Array<Fenced.Guard<E>>
  readonly writes: Array<string>
  readonly rows: Array<Size.Write>
  /** Rows that are deleted by name. */
  deleted: number
  /** What the answer tells beside. */
  readonly tells: Record<string, string>
}

/** Begins a write that the shard guards. */
export const make = Effect.fnUntraced(function* <E = never>(
  at: OwnedKey
): Effect.fn.Return<Plan<Guards.ShardRefusal | E>, ArchetypeUnspecified> {
  const to = yield* route(at)
  const lock = yield* Fence.SharedLock
  const parameters = Parameters.make()
  const shard_id = parameters.one("integer", at.shardId)
  const namespace_id = parameters.one("uuid", at.namespaceId)
  const workflow_id = parameters.one("text", at.businessId)
  const archetype = to.key["archetype_id"]
  const currentKey =
    archetype === undefined
      ? { shard_id, namespace_id, workflow_id }
      : {
          shard_id,
          namespace_id,
          business_id: workflow_id,
          archetype_id: parameters.one("bigint", BigInt(archetype))
        }
  return {
    at,
    to,
    parameters,
    key: { shard_id, namespace_id, workflow_id },
    currentKey,
    guards: [Guards.shard(at, { shard_id }, lock, parameters)],
    writes: [],
    rows: [],
    deleted: 0,
    tells: {}
  }
})

/** Checks the sizes of what was collected. */
export const check = (plan: Plan<unknown>, operation: string): Effect.Effect<void, LimitExceeded> =>
  Size.checkAll(plan.rows, { operation, deleted: plan.deleted })

/**
 * Sends what was collected, in one statement. A key that the guards saw free is taken only by somebody who committed
 * since: that is a conflict, whether the server says 40001 or 23505.
 */
export const send = <E>(
  plan: Plan<E>
): Effect.Effect<Fenced.Found, E | SerializationConflict | SqlError, Transaction.Transaction> =>
  Effect.mapError(
    Effect.flatMap(Transaction.sql, (sql) => Fenced.write(sql, plan)),
    (error) => (isSqlError(error) && isTaken(error) ? conflict(error) : error)
  )

const isTaken = ({ reason }: SqlError): boolean => reason._tag === "UniqueViolation" && seenFree.has(reason.constraint)

const seenFree: ReadonlySet<string> = new Set([
  "current_chasm_executions_pkey",
  "current_executions_pkey",
  "executions_pkey",
  BufferedEvents.uniqueIndex
])

const conflict = (cause: SqlError) =>
  new SerializationConflict({ code: "unmarked", message: "another write took the key first", cause })

const currentTypes = {
  run_id: "uuid",
  create_request_id: "text",
  state: "integer",
  status: "integer",
  start_time: "timestamp",
  last_write_version: "bigint",
  data: "bytea",
  data_encoding: "text"
} as const

type CurrentRun = Pick<Snapshot, "runId" | "standing" | "lastWriteVersion" | "state">

const currentRow = (plan: Plan<unknown>, run: CurrentRun): Readonly<Record<string, string>> => {
  const { key, table } = plan.to
  const columns = Current.toColumns(Current.ofRun(plan.at, run))
  plan.rows.push({ table, row: { ...key, ...columns }, key: Object.keys(key) })
  return plan.parameters.row(currentTypes, columns)
}

const isRun = ({ parameters, to }: Plan<unknown>, runId: RunId): string =>
  `${to.table}.run_id = ${parameters.one("uuid", runId)}`

/** Makes a run the current one where none is, or where `previous` is. */
export const claimCurrent = (plan: Plan<unknown>, run: CurrentRun, previous: RunId | undefined): void => {
  const row = currentRow(plan, run)
  const key = Object.keys(plan.currentKey).join(", ")
  const set = Object.keys(row).map((column) => `${column} = excluded.${column}`)
  const resolve =
    previous === undefined ? "" : `ON CONFLICT (${key}) DO UPDATE SET ${set.join(", ")} WHERE ${isRun(plan, previous)}`
  plan.writes.push(Fenced.insert(plan.to.table, { ...plan.currentKey, ...row }, resolve))
}

/** Makes a run the current one in the place of `previous`. */
export const replaceCurrent = (plan: Plan<unknown>, run: CurrentRun, previous: RunId): void => {
  const row = currentRow(plan, run)
  plan.writes.push(Fenced.update(plan.to.table, plan.currentKey, row, isRun(plan, previous)))
}

/** What the row of a run holds, beside its token. */
export type Head = Pick<Snapshot, "nextEventId" | "lastWriteVersion" | "info" | "state">

const headTypes = {
  next_event_id: "bigint",
  last_write_version: "bigint",
  data: "bytea",
  data_encoding: "text",
  state: "bytea",
  state_encoding: "text"
} as const

const headColumns = (run: Head) => ({
  next_event_id: run.nextEventId,
  last_write_version: run.lastWriteVersion,
  data: run.info.data,
  data_encoding: run.info.encoding,
  state: run.state.data,
  state_encoding: run.state.encoding
})

/** A run's key, bound and as it is. */
interface Keys {
  readonly bound: Readonly<Record<string, string>>
  readonly plain: Readonly<Record<string, Value>>
}

const runKeys = (plan: Plan<unknown>, runId: RunId): Keys => ({
  bound: { ...plan.key, run_id: plan.parameters.one("uuid", runId) },
  plain: {
    shard_id: plan.at.shardId,
    namespace_id: plan.at.namespaceId,
    workflow_id: plan.at.businessId,
    run_id: runId
  }
})

/** Writes a run that is not there yet. */
export const create = <E>(plan: Plan<Guards.RunRefusal | E>, name: string, run: Snapshot): void => {
  const keys = runKeys(plan, run.runId)
  const columns = headColumns(run)
  plan.guards.push(Guards.run(name, plan.at, run.runId, keys.bound, undefined, plan.parameters))
  plan.rows.push({ table: "executions", row: { ...keys.plain, ...columns }, key: Object.keys(keys.plain) })
  plan.writes.push(
    Fenced.insert("executions", {
      ...keys.bound,
      ...plan.parameters.row(headTypes, columns),
      db_record_version: "1"
    })
  )
  for (const part of Parts.names) put(plan, keys, part, Parts.rowsOf(part, run, undefined))
  tasks(plan, run.tasks)
}

/** Writes a run in place of the one that is there. */
export const replace = <E>(plan: Plan<Guards.RunRefusal | E>, name: string, run: Replacement): void => {
  const keys = update(plan, name, run)
  for (const part of Parts.names) {
    const { id, idType, table } = Parts.tables[part]
    const rows = Parts.rowsOf(part, run, undefined)
    const kept = plan.parameters.many(
      idType,
      rows.map((row) => row[id] ?? null)
    )
    plan.writes.push(
      `DELETE FROM ${table} USING held WHERE ${Fenced.matches(table, keys.bound)} AND ${table}.${id} <> ALL (${kept})`
    )
    put(plan, keys, part, rows)
  }
  plan.writes.push(BufferedEvents.clear(keys.bound))
  tasks(plan, run.tasks)
}

/** Changes a run. */
export const mutate = <E>(plan: Plan<Guards.RunRefusal | E>, name: string, run: Mutation): void => {
  const keys = update(plan, name, run)
  for (const part of Parts.names) {
    const { id, idType, table } = Parts.tables[part]
    const removed: ReadonlySet<bigint | string> | undefined = run.remove?.[part]
    put(plan, keys, part, Parts.rowsOf(part, run.put, removed))
    if (removed === undefined || removed.size === 0) continue
    const gone = plan.parameters.many(idType, [...removed])
    plan.deleted += removed.size
    plan.writes.push(
      `DELETE FROM ${table} USING held WHERE ${Fenced.matches(table, keys.bound)} AND ${table}.${id} = ANY (${gone})`
    )
  }
  if (run.clearBufferedEvents === true) plan.writes.push(BufferedEvents.clear(keys.bound))
  if (run.bufferEvents !== undefined && run.bufferEvents.length > 0) {
    plan.writes.push(BufferedEvents.append(plan.parameters, keys.bound, run.runId, run.bufferEvents))
    for (const { data, encoding } of run.bufferEvents) {
      const columns = { ...keys.plain, id: 0n, data, data_encoding: encoding }
      plan.rows.push({ table: BufferedEvents.table, row: columns, key: [...Object.keys(keys.plain), "id"] })
    }
  }
  tasks(plan, run.tasks)
}

/** Writes the row that all parts of a run hang on, and moves its token. */
const update = <E>(
  plan: Plan<Guards.RunRefusal | E>,
  name: string,
  run: Pick<Mutation, keyof Head | "runId" | "expected">
): Keys => {
  const keys = runKeys(plan, run.runId)
  const columns = headColumns(run)
  plan.guards.push(Guards.run(name, plan.at, run.runId, keys.bound, run.expected, plan.parameters))
  plan.rows.push({ table: "executions", row: { ...keys.plain, ...columns }, key: Object.keys(keys.plain) })
  const set = { ...plan.parameters.row(headTypes, columns), db_record_version: "executions.db_record_version + 1" }
  const token = `executions.${Guards.token(run.expected, plan.parameters)}`
  plan.writes.push(Fenced.update("executions", keys.bound, set, token))
  return keys
}

const put = (plan: Plan<unknown>, keys: Keys, part: Parts.PartName, rows: ReadonlyArray<Parts.PartRow>): void => {
  if (rows.length === 0) return
  const { columns, id, idType, table } = Parts.tables[part]
  const types: Readonly<Record<string, ColumnType>> = { [id]: idType, ...columns }
  const key = [...Object.keys(keys.plain), id]
  const names = [...Object.keys(keys.bound), ...Object.keys(types)]
  const values = [...Object.values(keys.bound), ...Object.keys(types).map((column) => `part.${column}`)]
  const set = Object.keys(columns).map((column) => `${column} = excluded.${column}`)
  for (const row of rows) plan.rows.push({ table, row: { ...keys.plain, ...row }, key })
  plan.writes.push(
    `INSERT INTO ${table} (${names.join(", ")})
      SELECT ${values.join(", ")} FROM held, ${plan.parameters.records("part", types, rows)}
      ON CONFLICT (${key.join(", ")}) DO ${set.length === 0 ? "NOTHING" : `UPDATE SET ${set.join(", ")}`}`
  )
}

/** Adds history tasks. */
export const tasks = (plan: Plan<unknown>, list: ReadonlyArray<HistoryTask.HistoryTask> | undefined): void => {
  const shard = { shard_id: plan.at.shardId }
  for (const { records, rows, to, values } of TaskGroups.groups(plan.parameters, list ?? [])) {
    for (const row of rows) plan.rows.push({ table: to.table, row: { ...shard, ...row }, key: to.key })
    plan.writes.push(
      `INSERT INTO ${to.table} (shard_id, ${Object.keys(values).join(", ")})
        SELECT ${plan.key["shard_id"]}, ${Object.values(values).join(", ")} FROM held, ${records}`
    )
  }
}
