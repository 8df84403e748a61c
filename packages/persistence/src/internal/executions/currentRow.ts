/**
 * A current execution as columns, and the one that a run makes.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Archetype from "../../Archetype.ts"
import { type CurrentExecution, type Key, State, Status } from "../../CurrentExecution.ts"
import { Encoding } from "../../DataBlob.ts"
import type { Snapshot } from "../../ExecutionWrite.ts"
import { RunId } from "../../Identifiers.ts"
import type { MalformedRow } from "../../PersistenceError.ts"
import * as Row from "../page/row.ts"
import { type Route, route } from "./currentRoute.ts"

/**
 * The columns beside the key, as the driver gives them.
 */
export const Columns = Schema.Struct({
  run_id: RunId,
  create_request_id: Schema.String,
  state: State,
  status: Status,
  start_time: Schema.NullOr(Schema.DateTimeUtcFromDate),
  last_write_version: Schema.BigInt,
  data: Schema.NullOr(Schema.Uint8Array),
  data_encoding: Schema.Union([Encoding, Schema.Literal("")])
})

const encode = Schema.encodeSync(Columns)

/**
 * Times are kept to the microsecond by the database and to the millisecond by `DateTime`.
 */
export const toColumns = (row: CurrentExecution) =>
  encode({
    run_id: row.runId,
    create_request_id: row.createRequestId,
    state: row.state,
    status: row.status,
    start_time: row.startTime ?? null,
    last_write_version: row.lastWriteVersion,
    data: row.data?.data ?? null,
    data_encoding: row.data?.encoding ?? ""
  })

export const fromColumns = (key: Key, columns: typeof Columns.Type): CurrentExecution => ({
  shardId: key.shardId,
  namespaceId: key.namespaceId,
  businessId: key.businessId,
  // A row of current_executions says nothing of its archetype, because it can only be this one.
  archetypeId: key.archetypeId ?? Archetype.workflow,
  runId: columns.run_id,
  createRequestId: columns.create_request_id,
  state: columns.state,
  status: columns.status,
  startTime: columns.start_time ?? undefined,
  lastWriteVersion: columns.last_write_version,
  data:
    columns.data === null || columns.data_encoding === ""
      ? undefined
      : { data: columns.data, encoding: columns.data_encoding }
})

/** The current execution that a run makes. */
export const ofRun = (
  key: Key,
  run: Pick<Snapshot, "runId" | "standing" | "lastWriteVersion" | "state">
): CurrentExecution => ({
  shardId: key.shardId,
  namespaceId: key.namespaceId,
  businessId: key.businessId,
  archetypeId: key.archetypeId,
  runId: run.runId,
  ...run.standing,
  lastWriteVersion: run.lastWriteVersion,
  data: run.state
})

/** Reads the current execution of a key, and locks it if asked to. */
export const select = Effect.fnUntraced(function* (key: Key, lock: "" | "FOR UPDATE") {
  const to = yield* route(key)
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT * FROM ${sql(to.table)} WHERE ${matches(sql, to, to.table)} ${sql.literal(lock)}`
  return yield* first(key, to, rows)
})

/** The condition that a row, under a name, has the key. */
export const matches = (sql: Transaction.Transaction["Service"]["sql"], to: Route, alias: string) =>
  sql.and(Object.entries(to.key).map(([column, value]) => sql`${sql(alias)}.${sql(column)} = ${value}`))

/** The current execution that a row is. */
export const decode = (key: Key, to: Route, row: unknown): Effect.Effect<CurrentExecution, MalformedRow> =>
  Effect.map(Row.decode(Columns, row, { table: to.table, key: to.key }), (columns) => fromColumns(key, columns))

/** The one that was found, if there is one. */
export const first = (key: Key, to: Route, rows: ReadonlyArray<unknown>) =>
  rows[0] === undefined ? Effect.succeedNone : Effect.asSome(decode(key, to, rows[0]))

/** The key of its table, as parameters. */
export const bound = ({ key }: Route): Readonly<Record<string, Expression.Expression>> =>
  Object.fromEntries(
    Object.entries(key).map(([column, value]) => [
      column,
      column === "archetype_id"
        ? Expression.value("bigint", BigInt(value))
        : Expression.value<keyof Expression.Values>(keyTypes[column] ?? "text", value)
    ])
  )

const keyTypes: Readonly<Record<string, "integer" | "uuid">> = { shard_id: "integer", namespace_id: "uuid" }

/** The types of the columns beside the key. */
export const types = {
  run_id: "uuid",
  create_request_id: "text",
  state: "integer",
  status: "integer",
  start_time: "timestamp",
  last_write_version: "bigint",
  data: "bytea",
  data_encoding: "text"
} as const
