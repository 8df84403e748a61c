/**
 * Namespaces, and the one version that counts their changes.
 *
 * The global notification version is a single row. Every change but a deletion
 * is one statement that moves it by one and writes the namespace with it, so
 * all changes conflict with each other, and the later one starts over and sees
 * what the earlier one did. That alone keeps names unique: the unique index on
 * them is built asynchronously, and nothing here waits for it.
 *
 * An update is fenced by the global version only. The version in a namespace's
 * own row says when that one changed last, which is no fence: whoever compared
 * it could change only the namespace that changed last of all.
 *
 * A deletion leaves the version as it is, as in Temporal: whoever watches
 * namespaces finds it by listing them.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import type { DataBlob } from "./DataBlob.ts"
import type { NamespaceId, NamespaceName } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as List from "./internal/page/list.ts"
import * as Reads from "./internal/namespaces/reads.ts"
import * as Writes from "./internal/namespaces/writes.ts"
import type {
  Namespace,
  NamespaceAlreadyExists,
  NamespaceChange,
  NamespaceNotFound,
  NamespaceVersionConflict
} from "./Namespace.ts"
import type * as PageToken from "./PageToken.ts"
import type { OperationError, PageError, ReadError, WriteError } from "./PersistenceError.ts"

/**
 * Keeps namespaces. Each operation is one statement and one round trip; a stream is one per page.
 *
 * @example
 * ```ts
 * import { type DataBlob, type Identifiers, Namespaces } from "@effect-dsql/persistence"
 * import { Effect } from "effect"
 *
 * const configure = (name: Identifiers.NamespaceName, next: (detail: DataBlob.DataBlob) => DataBlob.DataBlob) =>
 *   Effect.gen(function*() {
 *     const namespaces = yield* Namespaces.Namespaces
 *     // The version first: a change that comes after it makes the update fail.
 *     const version = yield* namespaces.version
 *     const { detail, id, isGlobal } = yield* namespaces.getByName(name)
 *     yield* namespaces.update({ id, isGlobal, detail: next(detail) }, version)
 *   }).pipe(Effect.retry({ while: (error) => error._tag === "NamespaceVersionConflict", times: 3 }))
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Namespaces extends Context.Service<
  Namespaces,
  {
    /**
     * Creates a namespace, and gives it with the version that it has. After a lost answer it is looked up whether it is
     * there; where it is not, somebody may have found and deleted it, and it is `CommitOutcomeUnknown`.
     */
    readonly create: (
      namespace: Omit<Namespace, "notificationVersion">
    ) => Effect.Effect<Namespace, WriteError | NamespaceAlreadyExists>
    /** Creates the system namespace where it is missing; one that is there stays as it is. */
    readonly initializeSystem: (detail: DataBlob) => Effect.Effect<void, WriteError | NamespaceAlreadyExists>
    readonly getById: (id: NamespaceId) => Effect.Effect<Namespace, ReadError | NamespaceNotFound>
    readonly getByName: (name: NamespaceName) => Effect.Effect<Namespace, ReadError | NamespaceNotFound>
    /** Replaces a namespace, if no namespace has changed since the global version was the expected one. */
    readonly update: (
      change: NamespaceChange,
      expectedVersion: bigint
    ) => Effect.Effect<void, WriteError | NamespaceVersionConflict | NamespaceNotFound>
    /** Replaces a namespace as `update` does, its name too. */
    readonly rename: (
      change: NamespaceChange & Pick<Namespace, "name">,
      expectedVersion: bigint
    ) => Effect.Effect<void, WriteError | NamespaceVersionConflict | NamespaceNotFound | NamespaceAlreadyExists>
    /** Deletes the namespace if there is one. The global version stays. */
    readonly deleteById: (id: NamespaceId) => Effect.Effect<void, OperationError>
    /** Deletes the namespace if there is one. The global version stays. */
    readonly deleteByName: (name: NamespaceName) => Effect.Effect<void, OperationError>
    /** One page of all namespaces, by id. */
    readonly list: (request?: PageToken.PageRequest) => Effect.Effect<PageToken.Page<Namespace>, PageError>
    /** All namespaces, by id. Ends with an error at a row that does not decode. */
    readonly stream: (request?: PageToken.PageRequest) => Stream.Stream<Namespace, PageError>
    /** The global notification version: what the next change will carry. */
    readonly version: Effect.Effect<bigint, ReadError>
  }
>()("@effect-dsql/persistence/Namespaces") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Namespaces, never, DsqlClient> = Layer.effect(
  Namespaces,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const page = operation("Namespaces.list", Reads.list)
    return Namespaces.of({
      create: operation("Namespaces.create", Writes.create),
      initializeSystem: operation("Namespaces.initializeSystem", Writes.initializeSystem),
      getById: operation("Namespaces.getById", (id: NamespaceId) => Reads.get("id", id)),
      getByName: operation("Namespaces.getByName", (name: NamespaceName) => Reads.get("name", name)),
      update: operation("Namespaces.update", Writes.update),
      rename: operation("Namespaces.rename", Writes.rename),
      deleteById: operation("Namespaces.deleteById", (id: NamespaceId) => Writes.remove("id", id)),
      deleteByName: operation("Namespaces.deleteByName", (name: NamespaceName) => Writes.remove("name", name)),
      list: (request = {}) => page(request),
      stream: (request = {}) => List.stream(request, page),
      version: operation("Namespaces.version", () => Reads.version)()
    })
  })
)
