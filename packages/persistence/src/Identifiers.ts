/**
 * The ids of what is stored. Each is its own type, so that none is taken for another.
 *
 * Those that are UUIDs are taken in any letters and kept in small ones, as the database gives them: the same id is the
 * same text.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { isStorable } from "./internal/storable/text.ts"
import { anyLetters, Uuid } from "./internal/storable/uuid.ts"

const name = Schema.NonEmptyString.check(isStorable, Schema.isMaxCodePoints(255))

/**
 * A part of the history service's keyspace, owned by one host at a time.
 *
 * @since 0.1.0
 * @category models
 */
export const ShardId = Schema.Int.check(Schema.isInt32()).pipe(Schema.brand("ShardId"))

/**
 * @since 0.1.0
 * @category models
 */
export type ShardId = typeof ShardId.Type

/**
 * A namespace.
 *
 * @since 0.1.0
 * @category models
 */
export const NamespaceId = anyLetters(Uuid.pipe(Schema.brand("NamespaceId")))

/**
 * @since 0.1.0
 * @category models
 */
export type NamespaceId = typeof NamespaceId.Type

/**
 * One run of an execution.
 *
 * @since 0.1.0
 * @category models
 */
export const RunId = anyLetters(Uuid.pipe(Schema.brand("RunId")))

/**
 * @since 0.1.0
 * @category models
 */
export type RunId = typeof RunId.Type

/**
 * The id that a user knows an execution by; a workflow's is its workflow id.
 * Unique among the running executions of one archetype in a namespace.
 *
 * @since 0.1.0
 * @category models
 */
export const BusinessId = name.pipe(Schema.brand("BusinessId"))

/**
 * @since 0.1.0
 * @category models
 */
export type BusinessId = typeof BusinessId.Type

/**
 * A tree of history branches: all histories that were forked from one.
 *
 * @since 0.1.0
 * @category models
 */
export const TreeId = anyLetters(Uuid.pipe(Schema.brand("TreeId")))

/**
 * @since 0.1.0
 * @category models
 */
export type TreeId = typeof TreeId.Type

/**
 * One history in a tree.
 *
 * @since 0.1.0
 * @category models
 */
export const BranchId = anyLetters(Uuid.pipe(Schema.brand("BranchId")))

/**
 * @since 0.1.0
 * @category models
 */
export type BranchId = typeof BranchId.Type

/**
 * What a namespace is called; no two have the same name.
 *
 * @since 0.1.0
 * @category models
 */
export const NamespaceName = name.pipe(Schema.brand("NamespaceName"))

/**
 * @since 0.1.0
 * @category models
 */
export type NamespaceName = typeof NamespaceName.Type

/**
 * What a cluster of servers is called.
 *
 * @since 0.1.0
 * @category models
 */
export const ClusterName = name.pipe(Schema.brand("ClusterName"))

/**
 * @since 0.1.0
 * @category models
 */
export type ClusterName = typeof ClusterName.Type

/**
 * A server process, as a member of its cluster.
 *
 * @since 0.1.0
 * @category models
 */
export const HostId = anyLetters(Uuid.pipe(Schema.brand("HostId")))

/**
 * @since 0.1.0
 * @category models
 */
export type HostId = typeof HostId.Type

/**
 * A Nexus endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export const EndpointId = anyLetters(Uuid.pipe(Schema.brand("EndpointId")))

/**
 * @since 0.1.0
 * @category models
 */
export type EndpointId = typeof EndpointId.Type

/**
 * What a user calls a task queue.
 *
 * @since 0.1.0
 * @category models
 */
export const TaskQueueName = name.pipe(Schema.brand("TaskQueueName"))

/**
 * @since 0.1.0
 * @category models
 */
export type TaskQueueName = typeof TaskQueueName.Type

/**
 * A version of a worker's code.
 *
 * @since 0.1.0
 * @category models
 */
export const BuildId = name.pipe(Schema.brand("BuildId"))

/**
 * @since 0.1.0
 * @category models
 */
export type BuildId = typeof BuildId.Type

/**
 * A workflow's own name for a timer.
 *
 * @since 0.1.0
 * @category models
 */
export const TimerId = name.pipe(Schema.brand("TimerId"))

/**
 * @since 0.1.0
 * @category models
 */
export type TimerId = typeof TimerId.Type

/**
 * The request id of a signal, by which a repeated one is recognised.
 *
 * @since 0.1.0
 * @category models
 */
export const SignalId = name.pipe(Schema.brand("SignalId"))

/**
 * @since 0.1.0
 * @category models
 */
export type SignalId = typeof SignalId.Type

/**
 * Where a node stands in the tree of a CHASM execution, encoded as text. The root's is empty.
 *
 * It has at most 1,024 characters. In a database that the earlier system made the column has 255 of them; there a
 * longer path ends with `LimitExceeded` (`column_characters`), and nothing is written.
 *
 * @since 0.1.0
 * @category models
 */
export const ChasmPath = Schema.String.check(isStorable, Schema.isMaxCodePoints(1024)).pipe(Schema.brand("ChasmPath"))

/**
 * @since 0.1.0
 * @category models
 */
export type ChasmPath = typeof ChasmPath.Type
