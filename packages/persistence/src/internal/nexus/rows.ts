/**
 * One Nexus endpoint as it is stored, and the row that all their changes move.
 */
import type * as Fence from "@effect-dsql/core/Fence"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Encoding } from "../../DataBlob.ts"
import { EndpointId } from "../../Identifiers.ts"
import type { NexusEndpoint } from "../../NexusEndpoint.ts"
import type { MalformedRow } from "../../PersistenceError.ts"
import * as Row from "../page/row.ts"

export const table = "nexus_endpoints"

/** The row that every change moves. The table has no other: its store writes no other id. */
export const status = {
  table: "nexus_endpoints_partition_status",
  key: { id: 0 },
  token: "version"
} satisfies Fence.Guard

export const select = Effect.fnUntraced(function* (id: EndpointId) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`SELECT id, version, data, data_encoding FROM nexus_endpoints WHERE id = ${id}`
  return rows[0] === undefined ? Option.none() : Option.some(yield* decode(rows[0], id))
})

export const decode = (row: unknown, id: string): Effect.Effect<NexusEndpoint, MalformedRow> =>
  Effect.map(Row.decode(Columns, row, { table, key: { id } }), fromColumns)

const Columns = Schema.Struct({
  id: EndpointId,
  version: Schema.BigInt,
  data: Schema.Uint8Array,
  data_encoding: Encoding
})

const fromColumns = (columns: typeof Columns.Type): NexusEndpoint => ({
  id: columns.id,
  version: columns.version,
  spec: { data: columns.data, encoding: columns.data_encoding }
})
