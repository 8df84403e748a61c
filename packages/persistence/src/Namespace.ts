/**
 * A namespace, as a model, and what a change of one can be refused for.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { NamespaceId, NamespaceName } from "./Identifiers.ts"

const id = (tag: string) => `@effect-dsql/persistence/Namespace/${tag}`

/**
 * A namespace as it is stored.
 *
 * @since 0.1.0
 * @category models
 */
export const Namespace = Schema.Struct({
  id: NamespaceId,
  name: NamespaceName,
  /** Whether several clusters have it. */
  isGlobal: Schema.Boolean,
  /** Its info, configuration and replication state. */
  detail: DataBlob,
  /** The global version that its last change was made at: who watches namespaces takes those that are newer. */
  notificationVersion: Schema.BigInt
})

/**
 * @since 0.1.0
 * @category models
 */
export type Namespace = typeof Namespace.Type

/**
 * The id of the namespace that the servers' own workflows run in.
 *
 * @since 0.1.0
 * @category constants
 */
export const systemId: NamespaceId = NamespaceId.make("32049b68-7872-4094-8e63-d0dd59896a83")

/**
 * The name of the namespace that the servers' own workflows run in.
 *
 * @since 0.1.0
 * @category constants
 */
export const systemName: NamespaceName = NamespaceName.make("temporal-system")

/**
 * The id or the name belongs to a namespace already. Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class NamespaceAlreadyExists extends Schema.TaggedError<NamespaceAlreadyExists>(id("NamespaceAlreadyExists"))(
  "NamespaceAlreadyExists",
  {
    /** The id of the namespace that is there. */
    id: NamespaceId,
    /** Its name. */
    name: Schema.String
  }
) {
  override get message(): string {
    return `namespace ${this.name} exists already, with the id ${this.id}`
  }
}

/**
 * There is no such namespace.
 *
 * @since 0.1.0
 * @category errors
 */
export class NamespaceNotFound extends Schema.TaggedError<NamespaceNotFound>(id("NamespaceNotFound"))(
  "NamespaceNotFound",
  {
    /** What it was looked for by. */
    by: Schema.Literals(["id", "name"]),
    value: Schema.String
  }
) {
  override get message(): string {
    return `there is no namespace with the ${this.by} ${this.value}`
  }
}

/**
 * Namespaces have changed since the caller read their version. Nothing was written; read again and decide anew.
 *
 * @since 0.1.0
 * @category errors
 */
export class NamespaceVersionConflict extends Schema.TaggedError<NamespaceVersionConflict>(
  id("NamespaceVersionConflict")
)("NamespaceVersionConflict", {
  /** The global version that the caller held. */
  expected: Schema.BigInt,
  /** The one that is current. */
  actual: Schema.BigInt
}) {
  override get message(): string {
    return `namespaces have changed: their version is ${this.actual}, not ${this.expected}; read again`
  }
}

/**
 * What a namespace becomes by an update: all of it but its id and name.
 *
 * @since 0.1.0
 * @category models
 */
export type NamespaceChange = Pick<Namespace, "id" | "isGlobal" | "detail">
