/**
 * How far each cluster has acknowledged a queue, as Temporal keeps it: `{"clusterAckLevels":{"cluster":"10"}}`, the
 * JSON form of its `QueueMetadata`, where a number of 64 bits is a string.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Row from "../page/row.ts"

/** By cluster, the id of the last message that it has acknowledged. */
export type AckLevels = Readonly<Record<string, bigint>>

const Metadata = Schema.Struct({
  clusterAckLevels: Schema.optional(Schema.Record(Schema.String, Schema.BigIntFromString))
})

const Columns = Schema.Struct({
  data: Schema.Uint8Array,
  data_encoding: Schema.Literal("Json"),
  version: Schema.BigInt
})

const Text = Schema.Struct({ data: Schema.fromJsonString(Metadata) })

const write = Schema.encodeSync(Schema.fromJsonString(Metadata))

/** The columns that hold them: a map without entries is left out, as in every message. */
export const encode = (levels: AckLevels) => ({
  data: new TextEncoder().encode(write(Object.keys(levels).length === 0 ? {} : { clusterAckLevels: levels })),
  data_encoding: "Json"
})

/** Reads them from a row of `queue_metadata`, with their version. */
export const decode = Effect.fnUntraced(function* (row: unknown, key: Row.Place["key"]) {
  const place = { table: "queue_metadata", key }
  const { data, version } = yield* Row.decode(Columns, row, place)
  const text = yield* Row.decode(Text, { data: new TextDecoder().decode(data) }, place)
  return { version, levels: text.data.clusterAckLevels ?? {} }
})
