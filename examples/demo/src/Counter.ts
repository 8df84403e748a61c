/**
 * A counter kept in a current execution: what is incremented by whoever owns the shard.
 */
import { type CurrentExecution, Identifiers } from "@effect-dsql/persistence"
import { Schema } from "effect"
import { randomUUID } from "node:crypto"

/** The namespace of the demo. */
export const namespaceId = Identifiers.NamespaceId.make("de300000-0000-4000-8000-000000000000")

const Content = Schema.Struct({ count: Schema.Int, rangeId: Schema.BigInt })

/** How often the counter was incremented, and the range of the owner who did it last. */
export type Content = typeof Content.Type

const Json = Schema.fromJsonString(Schema.toCodecJson(Content))
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const key = (shardId: Identifiers.ShardId): CurrentExecution.Key => ({
  shardId,
  namespaceId,
  businessId: Identifiers.BusinessId.make("counter")
})

/** The counter's row: each state of it is a run of its own, and the run id is its token. */
export const row = (shardId: Identifiers.ShardId, content: Content): CurrentExecution.CurrentExecution => ({
  ...execution(shardId, key(shardId).businessId),
  data: { data: encoder.encode(Schema.encodeSync(Json)(content)), encoding: "Json" }
})

export const content = (execution: CurrentExecution.CurrentExecution): Content =>
  Schema.decodeSync(Json)(decoder.decode(execution.data?.data))

/** An execution that has just been started. */
export const execution = (
  shardId: Identifiers.ShardId,
  businessId: Identifiers.BusinessId
): CurrentExecution.CurrentExecution => ({
  shardId,
  namespaceId,
  businessId,
  runId: Identifiers.RunId.make(randomUUID()),
  createRequestId: randomUUID(),
  state: "Running",
  status: "Running",
  startTime: undefined,
  lastWriteVersion: 0n,
  data: undefined
})
