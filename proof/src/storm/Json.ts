/**
 * Values as the workload stores them: JSON in a blob.
 */
import type { DataBlob } from "@effect-dsql/persistence"
import * as Schema from "effect/Schema"

/** Turns values of a schema into blobs and back. What the workload has not written does not decode, and throws. */
export const blobs = <A, I>(schema: Schema.Codec<A, I>) => {
  const json = Schema.fromJsonString(Schema.toCodecJson(schema))
  const encode = Schema.encodeSync(json)
  const decode = Schema.decodeUnknownSync(json)
  return {
    encode: (value: A): DataBlob.DataBlob => ({ data: new TextEncoder().encode(encode(value)), encoding: "Json" }),
    decode: (data: Uint8Array): A => decode(new TextDecoder().decode(data))
  }
}

/** Which write left a row, and the range that its writer held. */
export const Mark = blobs(Schema.Struct({ op: Schema.String, rangeId: Schema.optional(Schema.BigInt) }))

/** A step of a workflow, as its task says it. */
export const Step = blobs(
  Schema.Struct({ op: Schema.String, rangeId: Schema.BigInt, workflow: Schema.String, step: Schema.Int })
)

/** How far a run is, and the end of its history. */
export const Progress = blobs(
  Schema.Struct({
    step: Schema.Int,
    treeId: Schema.String,
    branchId: Schema.String,
    nodeId: Schema.BigInt,
    txnId: Schema.BigInt
  })
)
