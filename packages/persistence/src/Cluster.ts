/**
 * A cluster, as a model, and what a change of one can be refused for.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { ClusterName } from "./Identifiers.ts"

const id = (tag: string) => `@effect-dsql/persistence/Cluster/${tag}`

/**
 * A cluster's metadata as they are stored.
 *
 * @since 0.1.0
 * @category models
 */
export const Cluster = Schema.Struct({
  name: ClusterName,
  /** 1 when it was saved first, one more each time. */
  version: Schema.BigInt,
  metadata: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type Cluster = typeof Cluster.Type

/**
 * The cluster's metadata have another version than the caller held. Nothing was written; read them again.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClusterVersionConflict extends Schema.TaggedError<ClusterVersionConflict>(id("ClusterVersionConflict"))(
  "ClusterVersionConflict",
  {
    name: ClusterName,
    /** The version that the caller held; 0 for a first save. */
    expected: Schema.BigInt,
    /** The one that is current; 0 where there are no metadata. */
    actual: Schema.BigInt
  }
) {
  override get message(): string {
    const actual = this.actual === 0n ? "there are none" : `they have version ${this.actual}`
    return `metadata of cluster ${this.name}: version ${this.expected} was expected, but ${actual}; read again`
  }
}

/**
 * There are no metadata of this cluster.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClusterNotFound extends Schema.TaggedError<ClusterNotFound>(id("ClusterNotFound"))("ClusterNotFound", {
  name: ClusterName
}) {
  override get message(): string {
    return `there are no metadata of a cluster ${this.name}`
  }
}
