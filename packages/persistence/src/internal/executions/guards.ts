/**
 * The rows that guard an execution's writes, and what is said when one does not hold.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CurrentExecutionConflict } from "../../CurrentExecution.ts"
import { ExecutionConflict, ExecutionNotFound, type Expected, type OwnedKey } from "../../Execution.ts"
import type { RunId } from "../../Identifiers.ts"
import { type MalformedRow, ShardOwnershipLost } from "../../PersistenceError.ts"
import * as Current from "./currentRow.ts"
import type { Route } from "./currentRoute.ts"
import * as Fenced from "../fenced.ts"
import type { Parameters } from "../parameters.ts"
import * as Row from "../page/row.ts"

/** What the guard of the shard can refuse with. */
export type ShardRefusal = ShardOwnershipLost | MalformedRow

/** What the guard of the current execution can refuse with. */
export type CurrentRefusal = CurrentExecutionConflict | ExecutionNotFound | MalformedRow

/** What the guard of a run can refuse with. */
export type RunRefusal = ExecutionConflict | ExecutionNotFound | MalformedRow

const ShardColumns = Schema.Struct({ range_id: Schema.BigInt })

/** The caller owns the shard, and keeps it until this commits. */
export const shard = (
  at: OwnedKey,
  key: Readonly<Record<string, string>>,
  lock: "FOR KEY SHARE" | "FOR UPDATE",
  parameters: Parameters
): Fenced.Guard<ShardRefusal> => ({
  name: "shard",
  select: Fenced.select("shards", key, ["range_id"], lock),
  columns: ["range_id"],
  holds: `EXISTS (SELECT 1 FROM shard WHERE range_id = ${parameters.one("bigint", at.rangeId)})`,
  refuse: Effect.fnUntraced(function* (found) {
    const place = { table: "shards", key: { shard_id: at.shardId } }
    const actual = found === undefined ? undefined : (yield* Row.decode(ShardColumns, found, place)).range_id
    return yield* new ShardOwnershipLost({ shardId: at.shardId, expected: at.rangeId, actual })
  })
})

const currentColumns = Object.keys(Current.Columns.fields)

/** The current execution is as `holds` says, a condition on the CTE `current`. */
export const current = (
  at: OwnedKey,
  to: Route,
  key: Readonly<Record<string, string>>,
  holds: string
): Fenced.Guard<CurrentRefusal> => ({
  name: "current",
  select: Fenced.select(to.table, key, currentColumns, "FOR UPDATE"),
  columns: currentColumns,
  holds,
  refuse: Effect.fnUntraced(function* (found) {
    if (found === undefined) {
      return yield* new ExecutionNotFound({ businessId: at.businessId, runId: undefined })
    }
    const columns = yield* Row.decode(Current.Columns, found, { table: to.table, key: to.key })
    return yield* new CurrentExecutionConflict({ current: Current.fromColumns(at, columns) })
  })
})

/** The same, with the last write version of the run itself: the current execution's is not kept once it is closed. */
export const currentWithRun = (
  at: OwnedKey,
  to: Route,
  key: Readonly<Record<string, string>>,
  runs: Readonly<Record<string, string>>,
  holds: string
): Fenced.Guard<CurrentRefusal> => {
  const guard = current(at, to, key, holds)
  const run = Fenced.select(
    "executions",
    { ...runs, run_id: "(SELECT run_id FROM named)" },
    ["last_write_version"],
    "FOR UPDATE"
  )
  const columns = currentColumns.map((column) =>
    column === "last_write_version"
      ? "COALESCE(run.last_write_version, named.last_write_version) AS last_write_version"
      : `named.${column}`
  )
  return {
    ...guard,
    select: `WITH named AS MATERIALIZED (${guard.select}), run AS MATERIALIZED (${run})
      SELECT ${columns.join(", ")} FROM named LEFT JOIN run ON TRUE`
  }
}

const RunColumns = Schema.Struct({ db_record_version: Schema.BigInt, next_event_id: Schema.BigInt })

/** The run stands as expected; without an expectation it is not there yet. */
export const run = (
  name: string,
  at: OwnedKey,
  runId: RunId,
  key: Readonly<Record<string, string>>,
  expected: Expected | undefined,
  parameters: Parameters
): Fenced.Guard<RunRefusal> => ({
  name,
  select: Fenced.select("executions", key, Object.keys(RunColumns.fields), "FOR UPDATE"),
  columns: Object.keys(RunColumns.fields),
  holds:
    expected === undefined
      ? `NOT EXISTS (SELECT 1 FROM ${name})`
      : `EXISTS (SELECT 1 FROM ${name} WHERE ${token(expected, parameters)})`,
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
export const token = (expected: Expected, parameters: Parameters): string =>
  "dbRecordVersion" in expected
    ? `db_record_version = ${parameters.one("bigint", expected.dbRecordVersion)}`
    : `next_event_id = ${parameters.one("bigint", expected.nextEventId)}`
