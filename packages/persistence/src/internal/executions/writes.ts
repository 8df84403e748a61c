/**
 * The writes of an execution, each as a plan for one statement.
 */
import * as Effect from "effect/Effect"
import type { OwnedKey } from "../../Execution.ts"
import type { ConflictResolution, CreateMode, Replacement, Snapshot, Update } from "../../ExecutionWrite.ts"
import type { RunId } from "../../Identifiers.ts"
import * as BufferedEvents from "./bufferedEvents.ts"
import * as Guards from "./guards.ts"
import * as Plan from "./plan.ts"
import { matches } from "../fenced.ts"
import * as Parts from "./parts.ts"

export const create = Effect.fnUntraced(function* (at: OwnedKey, mode: CreateMode, run: Snapshot) {
  const plan = yield* Plan.make<Guards.CurrentRefusal | Guards.RunRefusal>(at)
  const { currentKey, key, parameters, to } = plan
  const current = (holds: string) => plan.guards.push(Guards.currentWithRun(at, to, currentKey, key, holds))
  switch (mode._tag) {
    case "BrandNew": {
      const { previousRunId } = mode
      const previous = previousRunId === undefined ? "" : ` WHERE run_id <> ${parameters.one("uuid", previousRunId)}`
      current(`NOT EXISTS (SELECT 1 FROM current${previous})`)
      Plan.claimCurrent(plan, run, previousRunId)
      break
    }
    case "UpdateCurrent": {
      const previous = parameters.one("uuid", mode.previousRunId)
      const version = parameters.one("bigint", mode.previousLastWriteVersion)
      current(
        `EXISTS (SELECT 1 FROM current
          WHERE run_id = ${previous} AND state = ${completed} AND last_write_version = ${version})`
      )
      Plan.replaceCurrent(plan, run, mode.previousRunId)
      break
    }
    case "BypassCurrent":
      current(isNot(run.runId, plan))
  }
  Plan.create(plan, "run", run)
  return plan
})

/** The column's number for a state that is `Completed`. */
const completed = 3

const is = (runId: RunId, { parameters }: Plan.Plan<unknown>) =>
  `EXISTS (SELECT 1 FROM current WHERE run_id = ${parameters.one("uuid", runId)})`

const isNot = (runId: RunId, plan: Plan.Plan<unknown>) => `NOT ${is(runId, plan)}`

export const update = Effect.fnUntraced(function* (at: OwnedKey, { mode, mutation, newRun }: Update) {
  const plan = yield* Plan.make<Guards.CurrentRefusal | Guards.RunRefusal>(at)
  const current = (holds: string) => plan.guards.push(Guards.current(at, plan.to, plan.currentKey, holds))
  switch (mode) {
    case "UpdateCurrent":
      current(is(mutation.runId, plan))
      Plan.replaceCurrent(plan, newRun ?? mutation, mutation.runId)
      break
    case "BypassCurrent":
      current(isNot(mutation.runId, plan))
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
  const current = (holds: string) => plan.guards.push(Guards.current(at, plan.to, plan.currentKey, holds))
  if (resolution.mode === "UpdateCurrent") {
    const previous = (resolution.current ?? run).runId
    current(is(previous, plan))
    Plan.replaceCurrent(plan, newRun ?? run, previous)
    // A statement changes a row once.
    if (resolution.current?.runId === run.runId) {
      return yield* Effect.die(new Error(`run ${run.runId} is rebuilt and changed by one write: leave the change out`))
    }
  } else current(isNot(run.runId, plan))
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
const most = 300

/** Deletes parts of a run, and the run once there are no more; it tells whether there are `more`. */
export const remove = Effect.fnUntraced(function* (at: OwnedKey, runId: RunId) {
  const plan = yield* Plan.make(at)
  const key = { ...plan.key, run_id: plan.parameters.one("uuid", runId) }
  const tables = [...Object.values(Parts.tables), BufferedEvents]
  const more = tables.map(({ table }) => `EXISTS (SELECT 1 FROM ${table} WHERE ${matches(table, key)} OFFSET ${most})`)
  for (const { id, table } of tables) {
    const where = matches(table, key)
    plan.writes.push(
      `DELETE FROM ${table} USING held WHERE ${where}
        AND ${table}.${id} IN (SELECT ${id} FROM ${table} WHERE ${where} ORDER BY ${id} LIMIT ${most})`
    )
  }
  plan.tells["more"] = more.join(" OR ")
  plan.writes.push(
    `DELETE FROM executions USING held WHERE ${matches("executions", key)} AND NOT (${more.join(" OR ")})`
  )
  return plan
})

export const removeCurrent = Effect.fnUntraced(function* (at: OwnedKey, runId: RunId) {
  const plan = yield* Plan.make(at)
  const { currentKey, parameters, to } = plan
  plan.writes.push(
    `DELETE FROM ${to.table} USING held
      WHERE ${matches(to.table, currentKey)} AND ${to.table}.run_id = ${parameters.one("uuid", runId)}`
  )
  return plan
})
