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
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { LimitExceeded, TransactionError } from "@effect-dsql/core/DsqlError"
import * as Fence from "@effect-dsql/core/Fence"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type * as Stream from "effect/Stream"
import { type DataBlob, equals } from "./DataBlob.ts"
import { NamespaceId, type NamespaceName } from "./Identifiers.ts"
import * as List from "./internal/list.ts"
import * as Row from "./internal/row.ts"
import {
  Columns,
  fromColumns,
  type Namespace,
  NamespaceAlreadyExists,
  NamespaceNotFound,
  NamespaceVersionConflict,
  systemId,
  systemName
} from "./Namespace.ts"
import * as PageToken from "./PageToken.ts"
import { MalformedRow, type PageTokenInvalid } from "./PersistenceError.ts"

/**
 * What reading can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type ReadError = MalformedRow | TransactionError

/**
 * What a change can end with, besides a condition that did not hold.
 *
 * @since 0.1.0
 * @category models
 */
export type WriteError = LimitExceeded | ReadError

/**
 * What a namespace becomes by an update: all of it but its id and name.
 *
 * @since 0.1.0
 * @category models
 */
export type Change = Pick<Namespace, "id" | "isGlobal" | "detail">

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
      change: Change,
      expectedVersion: bigint
    ) => Effect.Effect<void, WriteError | NamespaceVersionConflict | NamespaceNotFound>
    /** Replaces a namespace as `update` does, its name too. */
    readonly rename: (
      change: Change & Pick<Namespace, "name">,
      expectedVersion: bigint
    ) => Effect.Effect<void, WriteError | NamespaceVersionConflict | NamespaceNotFound | NamespaceAlreadyExists>
    /** Deletes the namespace if there is one. The global version stays. */
    readonly deleteById: (id: NamespaceId) => Effect.Effect<void, TransactionError>
    /** Deletes the namespace if there is one. The global version stays. */
    readonly deleteByName: (name: NamespaceName) => Effect.Effect<void, TransactionError>
    /** One page of all namespaces, by id. */
    readonly list: (
      request?: PageToken.PageRequest
    ) => Effect.Effect<PageToken.Page<Namespace>, ReadError | PageTokenInvalid>
    /** All namespaces, by id. Ends with an error at a row that does not decode. */
    readonly stream: (request?: PageToken.PageRequest) => Stream.Stream<Namespace, ReadError | PageTokenInvalid>
    /** The global notification version: what the next change will carry. */
    readonly version: Effect.Effect<bigint, ReadError>
  }
>()("@effect-dsql/persistence/Namespaces") {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Namespaces, never, DsqlClient> = Layer.effect(
  Namespaces,
  Effect.map(DsqlClient, (client) => {
    const connected = <A, E>(effect: Effect.Effect<A, E, DsqlClient>) =>
      Effect.provideService(effect, DsqlClient, client)
    const page = (request: PageToken.PageRequest) => connected(list(request))
    return Namespaces.of({
      create: Effect.fn("Namespaces.create")((namespace) => connected(create(namespace))),
      initializeSystem: Effect.fn("Namespaces.initializeSystem")((detail) => connected(initializeSystem(detail))),
      getById: Effect.fn("Namespaces.getById")((id) => connected(get("id", id))),
      getByName: Effect.fn("Namespaces.getByName")((name) => connected(get("name", name))),
      update: Effect.fn("Namespaces.update")((change, expected) => connected(update(change, expected))),
      rename: Effect.fn("Namespaces.rename")((change, expected) => connected(rename(change, expected))),
      deleteById: Effect.fn("Namespaces.deleteById")((id) => connected(remove("id", id))),
      deleteByName: Effect.fn("Namespaces.deleteByName")((name) => connected(remove("name", name))),
      list: Effect.fn("Namespaces.list")((request = {}) => page(request)),
      stream: (request = {}) => List.stream(request, page),
      version: connected(Transaction.autocommit(version, { operation: "GetNamespaceVersion", readOnly: true })).pipe(
        Effect.withSpan("Namespaces.version")
      )
    })
  })
)

/** Temporal keeps all namespaces under this number. */
const partition = 54_321

/** The row that every change moves. */
const metadata = {
  table: "namespace_metadata",
  key: { partition_id: partition },
  token: "notification_version"
} satisfies Fence.Guard

const columns = (namespace: Omit<Change, "id">) => ({
  is_global: namespace.isGlobal,
  data: namespace.detail.data,
  data_encoding: namespace.detail.encoding
})

const check = (change: Change, name: NamespaceName | undefined) =>
  Size.check("namespaces", { partition_id: partition, id: change.id, name, ...columns(change) }, ["partition_id", "id"])

const create = Effect.fnUntraced(function* (namespace: Omit<Namespace, "notificationVersion">) {
  const { detail, id, isGlobal, name } = namespace
  yield* check(namespace, name)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    // One row comes back in any case: the version that was given, or who has the id or the name.
    const rows = yield* sql<{ readonly version: bigint | null } & Taken>`
      WITH taken AS (
        SELECT id, name FROM namespaces WHERE partition_id = ${partition} AND id = ${id}
        UNION ALL
        SELECT id, name FROM namespaces WHERE partition_id = ${partition} AND name = ${name}
      ),
      moved AS (
        UPDATE namespace_metadata SET notification_version = notification_version + 1
        WHERE partition_id = ${partition} AND NOT EXISTS (SELECT 1 FROM taken)
        RETURNING notification_version - 1 AS version
      ),
      written AS (
        INSERT INTO namespaces (partition_id, id, name, is_global, data, data_encoding, notification_version)
        SELECT ${partition}::integer, ${id}::uuid, ${name}::text, ${isGlobal}::boolean,
          ${detail.data}::bytea, ${detail.encoding}::text, version
        FROM moved
        RETURNING notification_version AS version
      )
      SELECT (SELECT version FROM written) AS version, taken.id, taken.name
      FROM (VALUES (1)) AS always LEFT JOIN taken ON true
      LIMIT 1`
    const [answer] = rows
    if (answer?.id != null) return yield* new NamespaceAlreadyExists({ id: answer.id, name: answer.name })
    if (answer?.version == null) return yield* noMetadata
    return { ...namespace, notificationVersion: answer.version }
  })
  const verify = () =>
    Effect.map(settled(id), ({ found }) => {
      if (Option.isNone(found)) return Transaction.notCommitted
      return found.value.name === name && same(found.value, namespace)
        ? Transaction.committed(found.value)
        : Transaction.unknown
    })
  return yield* Transaction.autocommit(body, { operation: "CreateNamespace", verify })
})

const initializeSystem = (detail: DataBlob) =>
  create({ id: systemId, name: systemName, isGlobal: false, detail }).pipe(
    Effect.asVoid,
    Effect.catchTag("NamespaceAlreadyExists", (error) =>
      error.id === systemId && error.name === systemName ? Effect.void : Effect.fail(error)
    )
  )

const update = (change: Change, expected: bigint) => Effect.asVoid(write(change, undefined, expected))

const rename = (change: Change & Pick<Namespace, "name">, expected: bigint) =>
  Effect.flatMap(write(change, change.name, expected), (taken) =>
    taken === undefined ? Effect.void : Effect.fail(new NamespaceAlreadyExists(taken))
  )

/** Replaces a namespace, its name too if there is one, or gives the namespace that has that name. */
const write = Effect.fnUntraced(function* (change: Change, name: NamespaceName | undefined, expected: bigint) {
  const { detail, id, isGlobal } = change
  yield* check(change, name)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const rows = yield* sql<
      { readonly written: boolean; readonly version: bigint | null; readonly found: boolean } & Taken
    >`
      WITH target AS (SELECT id FROM namespaces WHERE partition_id = ${partition} AND id = ${id}),
      taken AS (
        SELECT id, name FROM namespaces WHERE partition_id = ${partition} AND name = ${name ?? null} AND id <> ${id}
      ),
      moved AS (
        UPDATE namespace_metadata SET notification_version = notification_version + 1
        WHERE partition_id = ${partition} AND notification_version = ${expected}
          AND EXISTS (SELECT 1 FROM target) AND NOT EXISTS (SELECT 1 FROM taken)
        RETURNING notification_version - 1 AS version
      ),
      written AS (
        UPDATE namespaces SET notification_version = moved.version, name = coalesce(${name ?? null}, name),
          is_global = ${isGlobal}, data = ${detail.data}, data_encoding = ${detail.encoding}
        FROM moved
        WHERE partition_id = ${partition} AND id = ${id}
        RETURNING 1
      )
      SELECT EXISTS (SELECT 1 FROM written) AS written, EXISTS (SELECT 1 FROM target) AS found,
        (SELECT notification_version FROM namespace_metadata WHERE partition_id = ${partition}) AS version,
        taken.id, taken.name
      FROM (VALUES (1)) AS always LEFT JOIN taken ON true
      LIMIT 1`
    const [answer] = rows
    if (answer?.written === true) return undefined
    if (answer?.version == null) return yield* noMetadata
    if (answer.version !== expected) return yield* new NamespaceVersionConflict({ expected, actual: answer.version })
    if (!answer.found) return yield* new NamespaceNotFound({ by: "id", value: id })
    return answer.id === null ? undefined : { id: answer.id, name: answer.name }
  })
  const verify = () =>
    Effect.map(settled(id), ({ actual, found }): Transaction.Outcome<undefined> => {
      if (actual === expected) return Transaction.notCommitted
      if (Option.isNone(found)) return Transaction.unknown
      const at = found.value.notificationVersion
      // One change has this version. If it is this namespace's last, its row says whose it was.
      if (at > expected) return Transaction.unknown
      const own = at === expected && (name === undefined || found.value.name === name) && same(found.value, change)
      return own ? Transaction.committed(undefined) : Transaction.notCommitted
    })
  const operation = name === undefined ? "UpdateNamespace" : "RenameNamespace"
  return yield* Transaction.autocommit(body, { operation, verify })
})

const get = Effect.fnUntraced(function* (by: "id" | "name", value: string) {
  const found = yield* Transaction.autocommit(select(by, value), { operation: "GetNamespace", readOnly: true })
  return yield* Option.match(found, {
    onNone: () => Effect.fail(new NamespaceNotFound({ by, value })),
    onSome: Effect.succeed
  })
})

const remove = (by: "id" | "name", value: string) => {
  const body = Effect.flatMap(
    Transaction.sql,
    (sql) => sql`DELETE FROM namespaces WHERE partition_id = ${partition} AND ${sql(by)} = ${value}`
  )
  const verify = () =>
    Effect.map(present(by, value), (there): Transaction.Outcome<void> => {
      if (!there) return Transaction.committed(undefined)
      // An id is given once, but the namespace that has the name may be a new one.
      return by === "id" ? Transaction.notCommitted : Transaction.unknown
    })
  return Transaction.autocommit(Effect.asVoid(body), { operation: "DeleteNamespace", verify })
}

const tokens = PageToken.codec("namespaces", Schema.Struct({ id: NamespaceId }))

const list = Effect.fnUntraced(function* (request: PageToken.PageRequest) {
  const start = yield* List.start(tokens, request)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const after = Option.isSome(start) ? sql`AND id > ${start.value.id}` : sql``
    return yield* sql<{ readonly id: NamespaceId }>`
      SELECT ${columnNames(sql)} FROM namespaces WHERE partition_id = ${partition} ${after}
      ORDER BY partition_id, id LIMIT ${List.size(request) + 1}`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListNamespaces", readOnly: true })
  return yield* List.page(
    rows,
    request,
    (row) => decode(row, { id: row.id }),
    ({ id }) => ({ id }),
    tokens
  )
})

const version = Effect.gen(function* () {
  const sql = yield* Transaction.sql
  const rows = yield* sql<{ readonly notification_version: bigint }>`
    SELECT notification_version FROM namespace_metadata WHERE partition_id = ${partition}`
  return rows[0] === undefined ? yield* noMetadata : rows[0].notification_version
})

const select = Effect.fnUntraced(function* (by: "id" | "name", value: string) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT ${columnNames(sql)} FROM namespaces WHERE partition_id = ${partition} AND ${sql(by)} = ${value}`
  return rows[0] === undefined ? Option.none() : Option.some(yield* decode(rows[0], { [by]: value }))
})

/** Whether the namespace is there, held against a deletion that may still be under way. */
const present = Effect.fnUntraced(function* (by: "id" | "name", value: string) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT 1 FROM namespaces WHERE partition_id = ${partition} AND ${sql(by)} = ${value} FOR UPDATE`
  return rows.length > 0
})

/** The namespace and the global version, held against every change that may still be under way. */
const settled = Effect.fnUntraced(function* (id: NamespaceId) {
  const actual = yield* Fence.exclusive(metadata)
  const found = yield* select("id", id)
  return { actual: Option.getOrUndefined(actual), found }
})

/** Who has the id or the name that is asked for. */
type Taken = { readonly id: NamespaceId; readonly name: string } | { readonly id: null; readonly name: null }

const noMetadata = Effect.suspend(() =>
  Effect.fail(
    new MalformedRow({
      table: metadata.table,
      key: Row.describe(metadata),
      reason: "there is no such row; setup-schema makes it"
    })
  )
)

const columnNames = (sql: SqlClient) => sql.csv(Object.keys(Columns.fields).map((column) => sql`${sql(column)}`))

const decode = (row: unknown, key: Row.Place["key"]): Effect.Effect<Namespace, MalformedRow> =>
  Effect.map(Row.decode(Columns, row, { table: "namespaces", key: { partition_id: partition, ...key } }), fromColumns)

const same = (a: Change, b: Change): boolean => a.isGlobal === b.isGlobal && equals(a.detail, b.detail)
