/**
 * The rows that guard an execution's writes beside the shard, and what is said when one does not hold.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CurrentExecutionConflict } from "../../CurrentExecution.ts"
import { ExecutionConflict, ExecutionNotFound, type Expected, type OwnedKey } from "../../Execution.ts"
import type { RunId } from "../../Identifiers.ts"
import type { MalformedRow } from "../../PersistenceError.ts"
import * as Row from "../page/row.ts"
import * as Current from "./currentRow.ts"
import type { Route } from "./currentRoute.ts"

/** What the guard of the current execution can refuse with. */
export type CurrentRefusal = CurrentExecutionConflict | ExecutionNotFound | MalformedRow

/** What the guard of a run can refuse with. */
export type RunRefusal = ExecutionConflict | ExecutionNotFound | MalformedRow

/** A key, column by column. */
export type Key = Readonly<Record<string, Expression.Expression>>

/** What must hold of rows that stand in FROM. */
export type Condition = (row: Expression.Expression) => Expression.Expression

const currentColumns = Object.keys(Current.Columns.fields)

/** The current execution is as `holds` says. */
export const current = (at: OwnedKey, to: Route, key: Key, holds: Condition): Guard.Guard<CurrentRefusal> =>
  Guard.make({
    name: "current",
    row: Guard.row(to.table, key, currentColumns, "exclusive"),
    columns: currentColumns,
    holds,
    refuse: refuseCurrent(at, to)
  })

/** The same, with the last write version of the run itself: the current execution's is not kept once it is closed. */
export const currentWithRun = (
  at: OwnedKey,
  to: Route,
  key: Key,
  runs: Key,
  holds: Condition
): Guard.Guard<CurrentRefusal> => {
  const table = Expression.name(to.table)
  const run = { ...runs, run_id: Expression.sql`(SELECT run_id FROM ${table} WHERE ${Expression.key(to.table, key)})` }
  const version = Expression.literal("COALESCE(beside.last_write_version, found.last_write_version)")
  return Guard.make({
    name: "current",
    row: Guard.row(to.table, key, currentColumns, "exclusive"),
    beside: Guard.row("executions", run, ["last_write_version"], "exclusive"),
    columns: Object.fromEntries(
      currentColumns.map((column) => [
        column,
        column === "last_write_version" ? version : Expression.sql`found.${Expression.column(column)}`
      ])
    ),
    holds,
    refuse: refuseCurrent(at, to)
  })
}

const refuseCurrent = (at: OwnedKey, to: Route): Guard.Guard<CurrentRefusal>["refuse"] =>
  Effect.fnUntraced(function* (found) {
    if (found === undefined) {
      return yield* new ExecutionNotFound({ businessId: at.businessId, runId: undefined })
    }
    const columns = yield* Row.decode(Current.Columns, found, { table: to.table, key: to.key })
    return yield* new CurrentExecutionConflict({ current: Current.fromColumns(at, columns) })
  })

const RunColumns = Schema.Struct({ db_record_version: Schema.BigInt, next_event_id: Schema.BigInt })

/** The run stands as expected; without an expectation it is not there yet. */
export const run = (
  name: string,
  at: OwnedKey,
  runId: RunId,
  key: Key,
  expected: Expected | undefined
): Guard.Guard<RunRefusal> =>
  Guard.make({
    name,
    row: Guard.row("executions", key, Object.keys(RunColumns.fields), "exclusive"),
    columns: Object.keys(RunColumns.fields),
    holds: (row) => (expected === undefined ? Guard.absent(row) : Guard.exists(row, token(expected))),
    refuse: Effect.fnUntraced(function* (found) {
      const { businessId, namespaceId, shardId } = at
      if (found === undefined) return yield* new ExecutionNotFound({ businessId, runId })
      const place = {
        table: "executions",
        key: { shard_id: shardId, namespace_id: namespaceId, workflow_id: businessId, run_id: runId }
      }
      const { db_record_version, next_event_id } = yield* Row.decode(RunColumns, found, place)
      const actual = { dbRecordVersion: db_record_version, nextEventId: next_event_id }
      return yield* new ExecutionConflict({ businessId, runId, expected, actual })
    })
  })

/** The condition that a row of a run has the token that is expected. */
export const token = (expected: Expected): Expression.Expression =>
  "dbRecordVersion" in expected
    ? Expression.sql`db_record_version = ${Expression.value("bigint", expected.dbRecordVersion)}`
    : Expression.sql`next_event_id = ${Expression.value("bigint", expected.nextEventId)}`
