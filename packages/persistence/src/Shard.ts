/**
 * A shard, as a model.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { ShardId } from "./Identifiers.ts"

/**
 * A shard as it is stored.
 *
 * @since 0.1.0
 * @category models
 */
export const Shard = Schema.Struct({
  shardId: ShardId,
  /** The fencing token: whoever takes the shard raises it. */
  rangeId: Schema.BigInt,
  info: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type Shard = typeof Shard.Type

/**
 * A shard, and the range that the caller holds it with: who writes below it names it so.
 *
 * @since 0.1.0
 * @category models
 */
export type OwnedShard = Pick<Shard, "shardId" | "rangeId">
