/**
 * A Nexus endpoint, as a model, and what a change of one can be refused for.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { EndpointId } from "./Identifiers.ts"

const id = (tag: string) => `@effect-dsql/persistence/NexusEndpoint/${tag}`

/**
 * An endpoint as it is stored.
 *
 * @since 0.1.0
 * @category models
 */
export const NexusEndpoint = Schema.Struct({
  id: EndpointId,
  /** 1 when it was created, one more with each update. */
  version: Schema.BigInt,
  spec: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type NexusEndpoint = typeof NexusEndpoint.Type

/**
 * Endpoints have changed since the caller read their table version. Nothing was written; list them again.
 *
 * @since 0.1.0
 * @category errors
 */
export class NexusTableVersionConflict extends Schema.TaggedError<NexusTableVersionConflict>(
  id("NexusTableVersionConflict")
)("NexusTableVersionConflict", {
  /** The version of the table that the caller held. */
  expected: Schema.BigInt,
  /** The one that is current. */
  actual: Schema.BigInt
}) {
  override get message(): string {
    return `Nexus endpoints have changed: their table version is ${this.actual}, not ${this.expected}; list them again`
  }
}

/**
 * The endpoint has another version than the caller held. Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class NexusEndpointVersionConflict extends Schema.TaggedError<NexusEndpointVersionConflict>(
  id("NexusEndpointVersionConflict")
)("NexusEndpointVersionConflict", {
  id: EndpointId,
  /** The version that the caller held; 0 for an endpoint that was to be created. */
  expected: Schema.BigInt,
  /** The one that it has. */
  actual: Schema.BigInt
}) {
  override get message(): string {
    return `Nexus endpoint ${this.id} has version ${this.actual}, not ${this.expected}`
  }
}

/**
 * There is no such endpoint.
 *
 * @since 0.1.0
 * @category errors
 */
export class NexusEndpointNotFound extends Schema.TaggedError<NexusEndpointNotFound>(id("NexusEndpointNotFound"))(
  "NexusEndpointNotFound",
  { id: EndpointId }
) {
  override get message(): string {
    return `there is no Nexus endpoint ${this.id}`
  }
}
