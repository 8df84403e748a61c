/**
 * The writes of an execution, each as a plan for one statement.
 */
import * as Effect from "effect/Effect"
import type { OwnedKey } from "../../Execution.ts"
import type { ConflictResolution, CreateMode, Replacement, Snapshot, Update } from "../../ExecutionWrite.ts"
import type { RunId } from "../../Identifiers.ts"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"
import * as BufferedEvents from "./bufferedEvents.ts"
import * as Guards from "./guards.ts"
import * as Plan from "./plan.ts"
import * as Parts from "./parts.ts"

export const create = Effect.fnUntraced(function* (at: OwnedKey, mode: CreateMode, run: Snapshot) {
  const plan = yield* Plan.make<Guards.CurrentRefusal | Guards.RunRefusal>(at)
  const { currentKey, key, to } = plan
  const current = (holds: Guards.Condition) => plan.guards.push(Guards.currentWithRun(at, to, currentKey, key, holds))
  switch (mode._tag) {
    case "BrandNew": {
      const { previousRunId } = mode
      const other = previousRunId === undefined ? undefined : Expression.sql`run_id <> ${uuid(previousRunId)}`
      current((row) => Guard.absent(row, other))
      Plan.claimCurrent(plan, run, previousRunId)
      break
    }
    case "UpdateCurrent": {
      const version = Expression.value("bigint", mode.previousLastWriteVersion)
      const closed = Expression.sql`run_id = ${uuid(mode.previousRunId)} AND state = ${completed}
        AND last_write_version = ${version}`
      current((row) => Guard.exists(row, closed))
      Plan.replaceCurrent(plan, run, mode.previousRunId)
      break
    }
    case "BypassCurrent":
      current(isNot(run.runId))
  }
  Plan.create(plan, "run", run)
  return plan
})

/** The column's number for a state that is `Completed`. */
const completed = Expression.literal("3")

const uuid = (id: RunId) => Expression.value("uuid", id)

const is =
  (runId: RunId): Guards.Condition =>
  (row) =>
    Guard.exists(row, Expression.sql`run_id = ${uuid(runId)}`)

const isNot =
  (runId: RunId): Guards.Condition =>
  (row) =>
    Guard.absent(row, Expression.sql`run_id = ${uuid(runId)}`)

export const update = Effect.fnUntraced(function* (at: OwnedKey, { mode, mutation, newRun }: Update) {
  const plan = yield* Plan.make<Guards.CurrentRefusal | Guards.RunRefusal>(at)
  const current = (holds: Guards.Condition) => plan.guards.push(Guards.current(at, plan.to, plan.currentKey, holds))
  switch (mode) {
    case "UpdateCurrent":
      current(is(mutation.runId))
      Plan.replaceCurrent(plan, newRun ?? mutation, mutation.runId)
      break
    case "BypassCurrent":
      current(isNot(mutation.runId))
      break
    case "IgnoreCurrent":
  }
  Plan.mutate(plan, "run", mutation)
  if (newRun !== undefined) Plan.create(plan, "new_run", newRun)
  return plan
})

export const conflictResolve = Effect.fnUntraced(function* (at: OwnedKey, resolution: ConflictResolution) {
  const { newRun, run } = resolution
  const plan = yield* Plan.make<Guards.CurrentRefusal | Guards.RunRefusal>(at)
  const current = (holds: Guards.Condition) => plan.guards.push(Guards.current(at, plan.to, plan.currentKey, holds))
  if (resolution.mode === "UpdateCurrent") {
    const previous = (resolution.current ?? run).runId
    current(is(previous))
    Plan.replaceCurrent(plan, newRun ?? run, previous)
  } else current(isNot(run.runId))
  Plan.replace(plan, "run", run)
  if (resolution.mode === "UpdateCurrent" && resolution.current !== undefined) {
    Plan.mutate(plan, "current_run", resolution.current)
  }
  if (newRun !== undefined) Plan.create(plan, "new_run", newRun)
  return plan
})

export const set = Effect.fnUntraced(function* (at: OwnedKey, run: Replacement) {
  const plan = yield* Plan.make<Guards.RunRefusal>(at)
  Plan.replace(plan, "run", run)
  return plan
})

/** Rows of a table that one statement deletes: of eight tables, one with an index beside, they are below 3,000. */
const most = Expression.literal("300")

/** Deletes parts of a run, and the run once there are no more; it tells whether there are `more`. */
export const remove = Effect.fnUntraced(function* (at: OwnedKey, runId: RunId) {
  const plan = yield* Plan.make(at)
  const key = { ...plan.key, run_id: uuid(runId) }
  const tables = [...Object.values(Parts.tables), BufferedEvents]
  const more = tables.map(({ table }) => {
    const rows = Expression.sql`SELECT 1 FROM ${Expression.name(table)} WHERE ${Expression.key(table, key)}`
    return Expression.sql`EXISTS (${rows} OFFSET ${most})`
  })
  for (const { id, table } of tables) {
    const own = Expression.key(table, key)
    const column = Expression.column(id)
    const some = Expression.sql`SELECT ${column} FROM ${Expression.name(table)} WHERE ${own} ORDER BY ${column} LIMIT (SELECT ${most})`
    const last = Expression.sql`SELECT ${column} FROM (${some}) AS first ORDER BY ${column} DESC LIMIT 1`
    plan.writes.push(Write.remove({ table, where: Expression.sql`${own} AND ${column} <= (${last})` }))
  }
  plan.tells["more"] = Expression.join(more, " OR ")
  const where = Expression.sql`${Expression.key("executions", key)} AND NOT ${Guarded.told("more", "boolean")}`
  plan.writes.push(Write.remove({ table: "executions", where }))
  return plan
})

export const removeCurrent = Effect.fnUntraced(function* (at: OwnedKey, runId: RunId) {
  const plan = yield* Plan.make(at)
  const { currentKey, to } = plan
  const where = Expression.key(to.table, { ...currentKey, run_id: uuid(runId) })
  plan.writes.push(Write.remove({ table: to.table, where }))
  return plan
})
