/**
 * Clusters: what each one is, its metadata, under a version of its own.
 *
 * What may change is for the caller to decide, because the metadata are opaque
 * here: read them, decide, and save with the version that was read. If anyone
 * has saved in between, that save is refused, and the decision is made anew.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Fence from "@effect-dsql/core/Fence"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { type Cluster, ClusterNotFound, ClusterVersionConflict } from "./Cluster.ts"
import { Encoding, equals } from "./DataBlob.ts"
import { ClusterName } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as List from "./internal/page/list.ts"
import * as Row from "./internal/page/row.ts"
import * as Tokens from "./internal/page/tokens.ts"
import type * as PageToken from "./PageToken.ts"
import type { MalformedRow, OperationError, PageError, ReadError, WriteError } from "./PersistenceError.ts"

/**
 * Keeps the metadata of clusters. Each operation is one statement and one round trip; a stream is one per page.
 *
 * @example
 * ```ts
 * import { Clusters, type DataBlob, type Identifiers } from "@effect-dsql/persistence"
 * import { Effect } from "effect"
 *
 * // What may not change is compared with what is stored; the version keeps it so until it is saved.
 * const save = (
 *   name: Identifiers.ClusterName,
 *   metadata: DataBlob.DataBlob,
 *   allowed: (stored: DataBlob.DataBlob) => boolean
 * ) =>
 *   Effect.gen(function*() {
 *     const clusters = yield* Clusters.Clusters
 *     const stored = yield* clusters.get(name)
 *     if (!allowed(stored.metadata)) return false
 *     yield* clusters.save({ name, metadata }, stored.version)
 *     return true
 *   })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Clusters extends Context.Service<
  Clusters,
  {
    /**
     * Saves metadata whose stored version is the expected one, 0 for the first time, and gives them with the next. After a
     * lost answer it is looked up whether they are there; where they are not, others may have saved or deleted them
     * since, and it is `CommitOutcomeUnknown`.
     */
    readonly save: (
      cluster: Omit<Cluster, "version">,
      expectedVersion: bigint
    ) => Effect.Effect<Cluster, WriteError | ClusterVersionConflict>
    readonly get: (name: ClusterName) => Effect.Effect<Cluster, ReadError | ClusterNotFound>
    /** Deletes the metadata if there are any, whatever their version. */
    readonly delete: (name: ClusterName) => Effect.Effect<void, OperationError>
    /** One page of all clusters, by name. */
    readonly list: (request?: PageToken.PageRequest) => Effect.Effect<PageToken.Page<Cluster>, PageError>
    /** All clusters, by name. Ends with an error at a row that does not decode. */
    readonly stream: (request?: PageToken.PageRequest) => Stream.Stream<Cluster, PageError>
  }
>()("@effect-dsql/persistence/Clusters") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Clusters, never, DsqlClient> = Layer.effect(
  Clusters,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const page = operation("Clusters.list", list)
    return Clusters.of({
      save: operation("Clusters.save", save),
      get: operation("Clusters.get", get),
      delete: operation("Clusters.delete", remove),
      list: (request = {}) => page(request),
      stream: (request = {}) => List.stream(request, page)
    })
  })
)

const table = "cluster_metadata_info"

/** Temporal keeps all clusters under this number. */
const partition = 0

const key = (name: string) => ({ metadata_partition: partition, cluster_name: name })

const save = Effect.fnUntraced(function* ({ metadata, name }: Omit<Cluster, "version">, expected: bigint) {
  const columns = { data: metadata.data, data_encoding: metadata.encoding }
  yield* Size.check(table, { ...key(name), ...columns }, Object.keys(key(name)))
  const saved: Cluster = { name, metadata, version: expected + 1n }
  const version = Expression.value("bigint", expected)
  const guard = Guard.make({
    name: "cluster",
    row: Guard.row(table, bound(name), ["version"], "exclusive"),
    columns: ["version"],
    holds: (row) => Expression.sql`COALESCE((SELECT version FROM ${row}), 0) = ${version}`,
    // The column is a BIGINT NOT NULL.
    refuse: (found) =>
      Effect.fail(new ClusterVersionConflict({ name, expected, actual: (found?.["version"] ?? 0n) as bigint }))
  })
  const set = {
    data: Expression.value("bytea", metadata.data),
    data_encoding: Expression.value("text", metadata.encoding),
    version: Expression.sql`${version} + 1`
  }
  const stands = Expression.sql`cluster_metadata_info.version = ${version}`
  const body = Guarded.write({
    guards: [guard],
    writes: [
      Write.insert({
        into: table,
        columns: { ...bound(name), ...set },
        onConflict: Write.replacing(Object.keys(key(name)), Object.keys(set), stands)
      })
    ]
  })
  // Versions begin anew where metadata were deleted: none tells that nothing was saved.
  const verify = () =>
    Effect.map(select(name), (found) =>
      Option.isSome(found) && found.value.version === saved.version && equals(found.value.metadata, metadata)
        ? Transaction.committed(saved)
        : Transaction.unknown
    )
  return yield* Transaction.autocommit(Effect.as(body, saved), { operation: "SaveClusterMetadata", verify })
})

const get = Effect.fnUntraced(function* (name: ClusterName) {
  const found = yield* Transaction.autocommit(select(name), { operation: "GetClusterMetadata", readOnly: "proven" })
  return yield* Option.match(found, {
    onNone: () => Effect.fail(new ClusterNotFound({ name })),
    onSome: Effect.succeed
  })
})

/** A deletion that comes late would take what was saved since. */
const remove = (name: ClusterName) => {
  const guard = Guard.make({
    name: "cluster",
    row: Guard.row(table, bound(name), ["version"], "exclusive"),
    columns: [],
    holds: () => Expression.literal("TRUE"),
    refuse: () => Effect.die(new Error("nothing is asked of what is deleted"))
  })
  const body = Guarded.write({
    guards: [guard],
    writes: [Write.remove({ table, where: Expression.key(table, bound(name)) })]
  })
  const verify = () =>
    Effect.map(
      Fence.exclusive({ table, key: key(name), token: "version" }),
      // One that is there may have been saved since.
      (found): Transaction.Outcome<void> =>
        Option.isNone(found) ? Transaction.committed(undefined) : Transaction.unknown
    )
  return Transaction.autocommit(Effect.asVoid(body), { operation: "DeleteClusterMetadata", verify })
}

const bound = (name: string) => ({
  metadata_partition: Expression.value("integer", partition),
  cluster_name: Expression.value("text", name)
})

const select = Effect.fnUntraced(function* (name: string) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT cluster_name, version, data, data_encoding FROM cluster_metadata_info
    WHERE metadata_partition = ${partition} AND cluster_name = ${name}`
  return rows[0] === undefined ? Option.none() : Option.some(yield* decode(rows[0], name))
})

const tokens = Tokens.codec(table, Schema.Struct({ name: ClusterName }))

const list = Effect.fnUntraced(function* (request: PageToken.PageRequest) {
  const start = yield* List.start(tokens, request)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const after = Option.isSome(start) ? sql`AND cluster_name > ${start.value.name}` : sql``
    return yield* sql<{ readonly cluster_name: ClusterName }>`
      SELECT cluster_name, version, data, data_encoding FROM cluster_metadata_info
      WHERE metadata_partition = ${partition} ${after}
      ORDER BY metadata_partition, cluster_name LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListClusterMetadata", readOnly: "proven" })
  return yield* List.page(
    rows,
    request,
    (row) => decode(row, row.cluster_name),
    (row) => ({ name: row.cluster_name }),
    tokens
  )
})

const Columns = Schema.Struct({
  cluster_name: ClusterName,
  version: Schema.BigInt,
  data: Schema.Uint8Array,
  data_encoding: Encoding
})

const decode = (row: unknown, name: string): Effect.Effect<Cluster, MalformedRow> =>
  Effect.map(Row.decode(Columns, row, { table, key: key(name) }), (columns) => ({
    name: columns.cluster_name,
    version: columns.version,
    metadata: { data: columns.data, encoding: columns.data_encoding }
  }))
