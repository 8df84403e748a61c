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
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import type { DataBlob } from "./DataBlob.ts"
import type { NamespaceId, NamespaceName } from "./Identifiers.ts"
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
import type { PageError, ReadError, WriteError } from "./PersistenceError.ts"

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
    /** Creates a namespace, and gives it with the version that it has. */
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
    readonly deleteById: (id: NamespaceId) => Effect.Effect<void, TransactionError>
    /** Deletes the namespace if there is one. The global version stays. */
    readonly deleteByName: (name: NamespaceName) => Effect.Effect<void, TransactionError>
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
    const connected = <A, E>(effect: Effect.Effect<A, E, DsqlClient>) =>
      Effect.provideService(effect, DsqlClient, client)
    const page = (request: PageToken.PageRequest) => connected(Reads.list(request))
    return Namespaces.of({
      create: Effect.fn("Namespaces.create")((namespace) => connected(Writes.create(namespace))),
      initializeSystem: Effect.fn("Namespaces.initializeSystem")((detail) =>
        connected(Writes.initializeSystem(detail))
      ),
      getById: Effect.fn("Namespaces.getById")((id) => connected(Reads.get("id", id))),
      getByName: Effect.fn("Namespaces.getByName")((name) => connected(Reads.get("name", name))),
      update: Effect.fn("Namespaces.update")((change, expected) => connected(Writes.update(change, expected))),
      rename: Effect.fn("Namespaces.rename")((change, expected) => connected(Writes.rename(change, expected))),
      deleteById: Effect.fn("Namespaces.deleteById")((id) => connected(Writes.remove("id", id))),
      deleteByName: Effect.fn("Namespaces.deleteByName")((name) => connected(Writes.remove("name", name))),
      list: Effect.fn("Namespaces.list")((request = {}) => page(request)),
      stream: (request = {}) => List.stream(request, page),
      version: Effect.withSpan(connected(Reads.version), "Namespaces.version")
    })
  })
)
