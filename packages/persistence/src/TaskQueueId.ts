/**
 * What a task queue is found by.
 *
 * Temporal's id of a task queue is binary and of any length: the namespace, the
 * name, the type, and the subqueue where there is one. A key holds two hashes
 * of it: a UUID from its SHA-256, and FarmHash Fingerprint32, which spreads the
 * queues over the keyspace. Both are one-way: a key found in a table does not
 * tell the queue's name. The name is in the queue's own data.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { createHash } from "node:crypto"
import * as Schema from "effect/Schema"
import { NamespaceId, TaskQueueName } from "./Identifiers.ts"
import { fingerprint32 } from "./internal/taskQueues/farmhash.ts"
import { Uuid } from "./internal/storable/uuid.ts"

/**
 * The key of a task queue in all tables, as earlier systems on Aurora DSQL derive it.
 *
 * @since 0.1.0
 * @category models
 */
export const TaskQueueId = Schema.Struct({
  /** FarmHash Fingerprint32 of the binary id. */
  rangeHash: Schema.BigInt,
  /** The first half of the binary id's SHA-256, marked as a UUID of version 4. */
  uuid: Uuid
})

/**
 * @since 0.1.0
 * @category models
 */
export type TaskQueueId = typeof TaskQueueId.Type

/**
 * What a task queue is for. Temporal's numbers, 1 to 3.
 *
 * @since 0.1.0
 * @category models
 */
export const TaskQueueType = Schema.Literals([1, 2, 3]).transform(["Workflow", "Activity", "Nexus"])

/**
 * @since 0.1.0
 * @category models
 */
export type TaskQueueType = typeof TaskQueueType.Type

/**
 * What a task queue is known by.
 *
 * @since 0.1.0
 * @category models
 */
export const Known = Schema.Struct({
  namespaceId: NamespaceId,
  name: TaskQueueName,
  type: TaskQueueType,
  /** Default: 0, the queue itself. */
  subqueue: Schema.optional(Schema.Int.check(Schema.isUint32()))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Known = typeof Known.Type

/**
 * The key of a task queue by its name.
 *
 * @example
 * ```ts
 * import { Identifiers, TaskQueueId } from "@effect-dsql/persistence"
 *
 * const id = TaskQueueId.make({
 *   namespaceId: Identifiers.NamespaceId.make("32049b68-7872-4094-8e63-d0dd59896a83"),
 *   name: Identifiers.TaskQueueName.make("orders"),
 *   type: "Activity"
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (known: Known): TaskQueueId => fromBinary(binary(known))

/**
 * Temporal's binary id: 16 bytes of the namespace, the name in UTF-8, the type; for a subqueue the type's highest bit
 * is set and the subqueue follows as a varint.
 *
 * @since 0.1.0
 * @category conversions
 */
export const binary = (known: Known): Uint8Array => {
  const { name, namespaceId, subqueue = 0, type } = known
  const number = encodeType(type)
  return Buffer.concat([
    Buffer.from(namespaceId.replaceAll("-", ""), "hex"),
    Buffer.from(name),
    Uint8Array.from(subqueue === 0 ? [number] : [number | 0x80, ...varint(subqueue)])
  ])
}

/**
 * The key that a binary id has.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromBinary = (id: Uint8Array): TaskQueueId => {
  const hash = createHash("sha256").update(id).digest().subarray(0, 16)
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x40
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const uuid = hash.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
  return { rangeHash: BigInt(fingerprint32(id)), uuid }
}

const encodeType = Schema.encodeSync(TaskQueueType)

const varint = (value: number): ReadonlyArray<number> =>
  value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))]
