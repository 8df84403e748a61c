/**
 * What a worker tells its parent, one JSON object a line.
 */
import { Schema } from "effect"

/** How a worker is doing, sent several times a second. */
const Progress = Schema.TaggedStruct("Progress", { operations: Schema.Int, conflicts: Schema.Int, refused: Schema.Int })

/** An owner took a shard with a range, and the database acknowledged it. */
export const Takeover = Schema.Struct({ shardId: Schema.Int, rangeId: Schema.BigInt })

/** An execution was started, and the database acknowledged it. */
export const Started = Schema.Struct({ shardId: Schema.Int, businessId: Schema.String, runId: Schema.String })

/** Everything that a worker was told had happened. */
export const Result = Schema.TaggedStruct("Result", {
  worker: Schema.String,
  takeovers: Schema.Array(Takeover),
  started: Schema.Array(Started),
  /** Acknowledged increments of each shard's counter. */
  increments: Schema.Array(Schema.Struct({ shardId: Schema.Int, count: Schema.Int })),
  /** Writes that were refused because the shard had a new owner. */
  refused: Schema.Int,
  /** Writes whose outcome is not known. */
  unknown: Schema.Int,
  /** Writes that went through although a newer owner had written before. There may be none. */
  stale: Schema.Int,
  conflicts: Schema.Int,
  retries: Schema.Int,
  /** Milliseconds of each operation. */
  latencies: Schema.Array(Schema.Number)
})

export type Result = typeof Result.Type

const Message = Schema.fromJsonString(Schema.toCodecJson(Schema.Union([Progress, Result])))

export const encode = Schema.encodeEffect(Message)

export const decode = Schema.decodeEffect(Message)
