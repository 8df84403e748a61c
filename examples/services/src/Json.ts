/**
 * Values as the stores keep them: bytes, and how they are encoded.
 */
import type { DataBlob } from "@effect-dsql/persistence"
import { Effect, Schema } from "effect"

/** Turns values of a schema into blobs and back. A blob that is none is a defect: only this backend writes them. */
export const blobs = <A, I>(schema: Schema.Codec<A, I>) => {
  const json = Schema.fromJsonString(Schema.toCodecJson(schema))
  const encode = Schema.encodeSync(json)
  const decode = Schema.decodeUnknownEffect(json)
  return {
    encode: (value: A): DataBlob.DataBlob => ({ data: new TextEncoder().encode(encode(value)), encoding: "Json" }),
    decode: (blob: DataBlob.DataBlob): Effect.Effect<A> => Effect.orDie(decode(new TextDecoder().decode(blob.data)))
  }
}
