/**
 * All that is kept of a run, read by one statement, which sees one snapshot.
 *
 * Every table gives its rows in the same columns, so that one UNION ALL brings them together and bytes stay bytes. A row
 * that does not decode spoils nothing but itself.
 */
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type DataBlob, Encoding } from "../../DataBlob.ts"
import type { ChasmNode, Execution, RunKey, Salvaged } from "../../Execution.ts"
import { ChasmPath, SignalId, TimerId } from "../../Identifiers.ts"
import type { MalformedRow } from "../../PersistenceError.ts"
import * as BufferedEvents from "./bufferedEvents.ts"
import * as Parts from "./parts.ts"
import * as Row from "../page/row.ts"

type Source = "execution" | "bufferedEvents" | Parts.PartName

/** The columns that all tables give, as they are called where they come from, and what a table gives that has none. */
const columns = {
  event: "NULL::bigint",
  name: "NULL::varchar",
  next_event_id: "NULL::bigint",
  last_write_version: "NULL::bigint",
  db_record_version: "NULL::bigint",
  data: "NULL::bytea",
  data_encoding: "NULL::varchar",
  state: "NULL::bytea",
  state_encoding: "NULL::varchar",
  metadata: "NULL::bytea",
  metadata_encoding: "NULL::varchar"
}

/** A row of any of the tables; `event` or `name` is what its key has beside the run's. */
interface AnyRow extends Readonly<Record<Exclude<keyof typeof columns, "event" | "name">, unknown>> {
  readonly source: Source
  readonly event: bigint | null
  readonly name: string | null
}

const own = (...names: ReadonlyArray<keyof typeof columns>) => Object.fromEntries(names.map((name) => [name, name]))

const blob = own("data", "data_encoding")

const tables: ReadonlyArray<readonly [Source, string, Partial<typeof columns>]> = [
  [
    "execution",
    "executions",
    { ...blob, ...own("state", "state_encoding", "next_event_id", "last_write_version", "db_record_version") }
  ],
  ...Parts.names.map((part) => {
    const { columns, id, idType, table } = Parts.tables[part]
    const key = { [idType === "bigint" ? "event" : "name"]: id }
    return [part, table, { ...key, ...Object.fromEntries(Object.keys(columns).map((name) => [name, name])) }] as const
  }),
  ["bufferedEvents", BufferedEvents.table, { ...blob, event: "id" }]
]

const where = "shard_id = $1::integer AND namespace_id = $2::uuid AND workflow_id = $3::text AND run_id = $4::uuid"

const statement = tables
  .map(([source, table, given]) => {
    const list = Object.entries({ ...columns, ...given }).map(([name, value]) => `${value} AS ${name}`)
    return `SELECT '${source}' AS source, ${list.join(", ")} FROM ${table} WHERE ${where}`
  })
  .join("\nUNION ALL\n")

/** Reads a run. */
export const read = Effect.fnUntraced(function* (key: RunKey) {
  const sql = yield* Transaction.sql
  return yield* decode(key, yield* sql.unsafe<AnyRow>(statement, Object.values(plain(key))))
})

const plain = (key: RunKey) => ({
  shard_id: key.shardId,
  namespace_id: key.namespaceId,
  workflow_id: key.businessId,
  run_id: key.runId
})

const BlobColumns = Schema.Struct({ data: Schema.Uint8Array, data_encoding: Encoding })

const ExecutionColumns = Schema.Struct({
  ...BlobColumns.fields,
  state: Schema.Uint8Array,
  state_encoding: Encoding,
  next_event_id: Schema.BigInt,
  last_write_version: Schema.BigInt,
  db_record_version: Schema.BigInt
})

const Metadata = { metadata: Schema.Uint8Array, metadata_encoding: Encoding }

const NodeColumns = Schema.Union([
  Schema.Struct({ ...Metadata, ...BlobColumns.fields }),
  // A node without data; its encoding is empty, and NULL where an earlier version of this store wrote it.
  Schema.Struct({ ...Metadata, data: Schema.Null })
])

const NoColumns = Schema.Struct({})

const keyed = <K, E>(id: string, key: Schema.Codec<K, E>) => Schema.Struct({ [id]: key })

/** What a row's key has beside the run's. A schema is compiled when it first decodes, so there is one for all rows. */
const keys = {
  bufferedEvents: keyed(BufferedEvents.id, Schema.BigInt),
  activities: keyed(Parts.tables.activities.id, Schema.BigInt),
  timers: keyed(Parts.tables.timers.id, TimerId),
  children: keyed(Parts.tables.children.id, Schema.BigInt),
  cancels: keyed(Parts.tables.cancels.id, Schema.BigInt),
  signals: keyed(Parts.tables.signals.id, Schema.BigInt),
  requestedSignals: keyed(Parts.tables.requestedSignals.id, SignalId),
  chasmNodes: keyed(Parts.tables.chasmNodes.id, ChasmPath)
}

const toBlob = (row: typeof BlobColumns.Type): DataBlob => ({ data: row.data, encoding: row.data_encoding })

const toNode = (row: typeof NodeColumns.Type): ChasmNode => ({
  metadata: { data: row.metadata, encoding: row.metadata_encoding },
  ...(row.data === null ? {} : { data: toBlob(row) })
})

const toExecution = (row: typeof ExecutionColumns.Type): Execution => ({
  nextEventId: row.next_event_id,
  lastWriteVersion: row.last_write_version,
  dbRecordVersion: row.db_record_version,
  info: toBlob(row),
  state: { data: row.state, encoding: row.state_encoding }
})

const decode = Effect.fnUntraced(function* (key: RunKey, rows: ReadonlyArray<AnyRow>): Effect.fn.Return<Salvaged> {
  const malformed: Array<MalformedRow> = []
  const kept = <A>(decoded: Effect.Effect<A, MalformedRow>): Effect.Effect<Option.Option<A>> =>
    Effect.match(decoded, {
      onFailure: (error) => {
        malformed.push(error)
        return Option.none()
      },
      onSuccess: Option.some
    })
  /** The rows of a table that decode, by the rest of their keys, which is in the column `id`. */
  const entries = Effect.fnUntraced(function* <K, A, B>(
    source: Source,
    { id, table }: Pick<Parts.PartTable, "id" | "table">,
    as: readonly [key: Schema.Decoder<Readonly<Record<string, K>>>, row: Schema.Decoder<A>],
    value: (row: A) => B
  ) {
    const found: Array<readonly [K, B]> = []
    for (const row of rows) {
      if (row.source !== source) continue
      const own = row.event ?? row.name ?? ""
      const place = { table, key: { ...plain(key), [id]: own } }
      const named = Row.decode(as[0], { [id]: own }, place)
      const both = yield* kept(Effect.all([named, Row.decode(as[1], row, place)]))
      // The struct has this one field.
      if (Option.isSome(both)) found.push([both.value[0][id] as K, value(both.value[1])])
    }
    return found
  })
  const part = <K, A, B>(
    name: Parts.PartName,
    id: Schema.Decoder<Readonly<Record<string, K>>>,
    row: Schema.Decoder<A>,
    value: (row: A) => B
  ) => entries(name, Parts.tables[name], [id, row], value)
  const first = rows.find(({ source }) => source === "execution")
  const execution =
    first === undefined
      ? Option.none()
      : yield* kept(Row.decode(ExecutionColumns, first, { table: "executions", key: plain(key) }))
  const buffered = yield* entries("bufferedEvents", BufferedEvents, [keys.bufferedEvents, BlobColumns], toBlob)
  const requested = yield* part("requestedSignals", keys.requestedSignals, NoColumns, () => undefined)
  return {
    execution: Option.map(execution, toExecution),
    activities: new Map(yield* part("activities", keys.activities, BlobColumns, toBlob)),
    timers: new Map(yield* part("timers", keys.timers, BlobColumns, toBlob)),
    children: new Map(yield* part("children", keys.children, BlobColumns, toBlob)),
    cancels: new Map(yield* part("cancels", keys.cancels, BlobColumns, toBlob)),
    signals: new Map(yield* part("signals", keys.signals, BlobColumns, toBlob)),
    requestedSignals: new Set(requested.map(([id]) => id)),
    chasmNodes: new Map(yield* part("chasmNodes", keys.chasmNodes, NodeColumns, toNode)),
    bufferedEvents: buffered.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, event]) => event),
    malformed
  }
})
