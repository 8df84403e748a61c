/**
 * What one write of an execution consists of, collected part by part and sent as one guarded statement.
 */
import type { LimitExceeded } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import type * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import type { Transaction } from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { OwnedKey } from "../../Execution.ts"
import type { Mutation, Replacement, Snapshot } from "../../ExecutionWrite.ts"
import type * as HistoryTask from "../../HistoryTask.ts"
import type { RunId } from "../../Identifiers.ts"
import type { ArchetypeUnspecified } from "../../PersistenceError.ts"
import * as Tasks from "../historyTasks/insert.ts"
import * as Shard from "../shards/guard.ts"
import * as BufferedEvents from "./bufferedEvents.ts"
import * as Current from "./currentRow.ts"
import { type Route, route } from "./currentRoute.ts"
import * as Guards from "./guards.ts"
import * as Parts from "./parts.ts"

/** A write below a shard, as far as it is known; `E` is what its guards may refuse with. */
export interface Plan<E> {
  readonly at: OwnedKey
  readonly to: Route
  /** The business id's key in the tables of runs. */
  readonly key: Guards.Key
  /** The key of the current execution. */
  readonly currentKey: Guards.Key
  readonly guards: Array<Guard.Guard<E>>
  readonly writes: Array<Write.Write>
  readonly rows: Array<Size.Write>
  /** Rows that are deleted by name. */
  deleted: number
  /** What the answer tells beside. */
  readonly tells: Record<string, Expression.Expression>
}

/** Begins a write that the shard guards. */
export const make = Effect.fnUntraced(function* <E = never>(
  at: OwnedKey
): Effect.fn.Return<Plan<Shard.ShardRefusal | E>, ArchetypeUnspecified> {
  const to = yield* route(at)
  const key = {
    shard_id: Expression.value("integer", at.shardId),
    namespace_id: Expression.value("uuid", at.namespaceId),
    workflow_id: Expression.value("text", at.businessId)
  }
  return {
    at,
    to,
    key,
    currentKey: Current.bound(to),
    guards: [Shard.owned(at)],
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
 * Sends what was collected. Its writes are of runs that differ, or of parts that are put where others are removed. A key
 * that the guards saw free is taken only by somebody who committed since.
 */
export const send = <E>({ guards, tells, writes }: Plan<E>): Effect.Effect<Guarded.Told, E | SqlError, Transaction> =>
  Guarded.write({ guards, tells, writes, independent: true, free: seenFree })

const seenFree = [
  "current_chasm_executions_pkey",
  "current_executions_pkey",
  "executions_pkey",
  BufferedEvents.uniqueIndex
]

type CurrentRun = Pick<Snapshot, "runId" | "standing" | "lastWriteVersion" | "state">

const currentRow = (plan: Plan<unknown>, run: CurrentRun): Guards.Key => {
  const { key, table } = plan.to
  const columns = Current.toColumns(Current.ofRun(plan.at, run))
  plan.rows.push({ table, row: { ...key, ...columns }, key: Object.keys(key) })
  return Expression.row(Current.types, columns)
}

const isRun = ({ to }: Plan<unknown>, runId: RunId): Expression.Expression =>
  Expression.key(to.table, { run_id: Expression.value("uuid", runId) })

/** Makes a run the current one where none is, or where `previous` is. */
export const claimCurrent = (plan: Plan<unknown>, run: CurrentRun, previous: RunId | undefined): void => {
  const row = currentRow(plan, run)
  plan.writes.push(
    Write.insert({
      into: plan.to.table,
      columns: { ...plan.currentKey, ...row },
      onConflict:
        previous === undefined
          ? undefined
          : Write.replacing(Object.keys(plan.currentKey), Object.keys(row), isRun(plan, previous))
    })
  )
}

/** Makes a run the current one in the place of `previous`. */
export const replaceCurrent = (plan: Plan<unknown>, run: CurrentRun, previous: RunId): void => {
  const where = Expression.all([Expression.key(plan.to.table, plan.currentKey), isRun(plan, previous)])
  plan.writes.push(Write.update({ table: plan.to.table, set: currentRow(plan, run), where }))
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
  readonly bound: Guards.Key
  readonly plain: Readonly<Record<string, number | string>>
}

const runKeys = (plan: Plan<unknown>, runId: RunId): Keys => ({
  bound: { ...plan.key, run_id: Expression.value("uuid", runId) },
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
  plan.guards.push(Guards.run(name, plan.at, run.runId, keys.bound, undefined))
  plan.rows.push({ table: "executions", row: { ...keys.plain, ...columns }, key: Object.keys(keys.plain) })
  plan.writes.push(
    Write.insert({
      into: "executions",
      columns: { ...keys.bound, ...Expression.row(headTypes, columns), db_record_version: Expression.literal("1") }
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
    const kept = ids(
      idType,
      rows.map((row) => row[id])
    )
    plan.writes.push(removal(table, keys, Expression.sql`${Expression.column(id)} <> ALL (${kept})`))
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
    plan.deleted += removed.size
    plan.writes.push(
      removal(table, keys, Expression.sql`${Expression.column(id)} = ANY (${ids(idType, [...removed])})`)
    )
  }
  if (run.clearBufferedEvents === true) plan.writes.push(BufferedEvents.clear(keys.bound))
  if (run.bufferEvents !== undefined && run.bufferEvents.length > 0) {
    plan.writes.push(BufferedEvents.append(keys.bound, run.runId, run.bufferEvents))
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
  plan.guards.push(Guards.run(name, plan.at, run.runId, keys.bound, run.expected))
  plan.rows.push({ table: "executions", row: { ...keys.plain, ...columns }, key: Object.keys(keys.plain) })
  const version = Expression.literal("executions.db_record_version + 1")
  plan.writes.push(
    Write.update({
      table: "executions",
      set: { ...Expression.row(headTypes, columns), db_record_version: version },
      where: Expression.all([Expression.key("executions", keys.bound), Guards.token(run.expected)])
    })
  )
  return keys
}

const put = (plan: Plan<unknown>, keys: Keys, part: Parts.PartName, rows: ReadonlyArray<Parts.PartRow>): void => {
  if (rows.length === 0) return
  const { columns, id, idType, table } = Parts.tables[part]
  const types: Expression.Columns = { [id]: idType, ...columns }
  const key = [...Object.keys(keys.plain), id]
  const values = Object.keys(types).map((column) => [column, Expression.literal(`part.${column}`)] as const)
  for (const row of rows) plan.rows.push({ table, row: { ...keys.plain, ...row }, key })
  plan.writes.push(
    Write.insert({
      into: table,
      columns: { ...keys.bound, ...Object.fromEntries(values) },
      from: Expression.records("part", types, rows),
      onConflict: Write.replacing(key, Object.keys(columns))
    })
  )
}

/** Deletes parts of a run. */
const removal = (table: string, keys: Keys, of: Expression.Expression): Write.Write =>
  Write.remove({ table, where: Expression.all([Expression.key(table, keys.bound), of]) })

const ids = (type: Parts.PartTable["idType"], list: ReadonlyArray<Parts.PartRow[string] | undefined>) =>
  // The ids of one table are all of its type.
  Expression.values(type, list as ReadonlyArray<bigint | string>)

/** Adds history tasks. */
const tasks = (plan: Plan<unknown>, list: ReadonlyArray<HistoryTask.HistoryTask> = []): void => {
  const groups = Tasks.groups(list)
  plan.rows.push(...Tasks.sizes(plan.at.shardId, groups))
  plan.writes.push(...Tasks.inserts(plan.at.shardId, groups))
}
