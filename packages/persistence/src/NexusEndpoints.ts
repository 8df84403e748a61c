/**
 * Nexus endpoints, and the one version that fences their table.
 *
 * A single row counts the changes of all endpoints. Every change is one
 * statement that compares that version, moves it by one and writes the
 * endpoint, so all changes conflict with each other, and a list that carries
 * its version can be held and checked as a whole.
 *
 * The row comes with the first change; until then the version is 0.
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
import type { Fragment } from "effect/sql/Statement"
import type * as Stream from "effect/Stream"
import { equals } from "./DataBlob.ts"
import { EndpointId } from "./Identifiers.ts"
import * as List from "./internal/list.ts"
import * as Row from "./internal/row.ts"
import {
  Columns,
  fromColumns,
  type NexusEndpoint,
  NexusEndpointNotFound,
  NexusEndpointVersionConflict,
  NexusTableVersionConflict
} from "./NexusEndpoint.ts"
import * as PageToken from "./PageToken.ts"
import type { MalformedRow, PageTokenInvalid } from "./PersistenceError.ts"

/**
 * What reading can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type ReadError = MalformedRow | TransactionError

/**
 * What a change can end with, besides a condition of its own that did not hold.
 *
 * @since 0.1.0
 * @category models
 */
export type WriteError = NexusTableVersionConflict | LimitExceeded | ReadError

/**
 * Which page of endpoints is asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListRequest extends PageToken.PageRequest {
  /**
   * The table version that the list has to be of. Default: on a first page the current one, on a later page the one
   * that the first page was of.
   */
  readonly tableVersion?: bigint | undefined
}

/**
 * A page of endpoints. All pages of a list are of one table version.
 *
 * @since 0.1.0
 * @category models
 */
export interface EndpointPage extends PageToken.Page<NexusEndpoint> {
  readonly tableVersion: bigint
}

/**
 * What listing can end with. After a `NexusTableVersionConflict` the list is begun again.
 *
 * @since 0.1.0
 * @category models
 */
export type ListError = NexusTableVersionConflict | PageTokenInvalid | ReadError

/**
 * Keeps Nexus endpoints. Each operation is one statement and one round trip; a stream is one per page.
 *
 * @example
 * ```ts
 * import { type DataBlob, type Identifiers, NexusEndpoints } from "@effect-dsql/persistence"
 * import { Effect } from "effect"
 *
 * const add = (id: Identifiers.EndpointId, spec: DataBlob.DataBlob) =>
 *   Effect.gen(function*() {
 *     const endpoints = yield* NexusEndpoints.NexusEndpoints
 *     const { tableVersion } = yield* endpoints.list({ size: 1 })
 *     return yield* endpoints.create({ id, spec }, tableVersion)
 *   }).pipe(Effect.retry({ while: (error) => error._tag === "NexusTableVersionConflict", times: 3 }))
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class NexusEndpoints extends Context.Service<
  NexusEndpoints,
  {
    /** Creates an endpoint, and gives it with version 1. */
    readonly create: (
      endpoint: Omit<NexusEndpoint, "version">,
      tableVersion: bigint
    ) => Effect.Effect<NexusEndpoint, WriteError | NexusEndpointVersionConflict>
    /** Replaces an endpoint of this version, and gives it with the next one. */
    readonly update: (
      endpoint: NexusEndpoint,
      tableVersion: bigint
    ) => Effect.Effect<NexusEndpoint, WriteError | NexusEndpointVersionConflict | NexusEndpointNotFound>
    /** Deletes an endpoint, whatever its version. */
    readonly delete: (
      id: EndpointId,
      tableVersion: bigint
    ) => Effect.Effect<void, NexusTableVersionConflict | NexusEndpointNotFound | ReadError>
    readonly get: (id: EndpointId) => Effect.Effect<NexusEndpoint, ReadError | NexusEndpointNotFound>
    /** One page of all endpoints, by id, with the table version that it is of. */
    readonly list: (request?: ListRequest) => Effect.Effect<EndpointPage, ListError>
    /** All endpoints of one table version, by id. */
    readonly stream: (request?: ListRequest) => Stream.Stream<NexusEndpoint, ListError>
  }
>()("@effect-dsql/persistence/NexusEndpoints") {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<NexusEndpoints, never, DsqlClient> = Layer.effect(
  NexusEndpoints,
  Effect.map(DsqlClient, (client) => {
    const connected = <A, E>(effect: Effect.Effect<A, E, DsqlClient>) =>
      Effect.provideService(effect, DsqlClient, client)
    const page = (request: ListRequest) => connected(list(request))
    return NexusEndpoints.of({
      create: Effect.fn("NexusEndpoints.create")((endpoint, tableVersion) => connected(create(endpoint, tableVersion))),
      update: Effect.fn("NexusEndpoints.update")((endpoint, tableVersion) => connected(update(endpoint, tableVersion))),
      delete: Effect.fn("NexusEndpoints.delete")((id, tableVersion) => connected(remove(id, tableVersion))),
      get: Effect.fn("NexusEndpoints.get")((id) => connected(get(id))),
      list: Effect.fn("NexusEndpoints.list")((request = {}) => page(request)),
      stream: (request = {}) => List.stream(request, (each) => page({ ...each, tableVersion: request.tableVersion }))
    })
  })
)

const table = "nexus_endpoints"

/** The row that every change moves. The table has no other: its store writes no other id. */
const status = {
  table: "nexus_endpoints_partition_status",
  key: { id: 0 },
  token: "version"
} satisfies Fence.Guard

const check = ({ id, spec }: Omit<NexusEndpoint, "version">) =>
  Size.check(table, { id, data: spec.data, data_encoding: spec.encoding }, ["id"])

/** What is known of the table and of one endpoint when a change is tried. */
interface Known {
  readonly written: boolean
  readonly tableVersion: bigint
  /** Null where there is no such endpoint. */
  readonly version: bigint | null
}

/** A change of one endpoint: `write` reads from `moved`, which is empty unless the table and the endpoint are as expected. */
const change = Effect.fnUntraced(function* (
  id: EndpointId,
  tableVersion: bigint,
  expected: (sql: SqlClient) => Fragment,
  write: (sql: SqlClient) => Fragment
) {
  const sql = yield* Transaction.sql
  const rows = yield* sql<Known>`
    WITH known AS (
      SELECT coalesce((SELECT version FROM nexus_endpoints_partition_status WHERE id = 0), 0) AS table_version,
        (SELECT version FROM nexus_endpoints WHERE id = ${id}) AS version
    ),
    moved AS (
      INSERT INTO nexus_endpoints_partition_status AS status (id, version)
      SELECT 0, table_version + 1 FROM known WHERE table_version = ${tableVersion} AND ${expected(sql)}
      ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version WHERE status.version = ${tableVersion}
      RETURNING 1
    ),
    written AS (${write(sql)} RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM written) AS written, table_version AS "tableVersion", version FROM known`
  const known = rows[0] ?? { written: false, tableVersion: 0n, version: null }
  if (!known.written && known.tableVersion !== tableVersion) {
    return yield* new NexusTableVersionConflict({ expected: tableVersion, actual: known.tableVersion })
  }
  return known
})

const create = Effect.fnUntraced(function* (endpoint: Omit<NexusEndpoint, "version">, tableVersion: bigint) {
  const { id, spec } = endpoint
  yield* check(endpoint)
  const created = { ...endpoint, version: 1n }
  const body = Effect.gen(function* () {
    const { version, written } = yield* change(
      id,
      tableVersion,
      (sql) => sql`version IS NULL`,
      (sql) => sql`
        INSERT INTO nexus_endpoints (id, data, data_encoding, version)
        SELECT ${id}::uuid, ${spec.data}::bytea, ${spec.encoding}::text, 1 FROM moved`
    )
    if (!written) return yield* new NexusEndpointVersionConflict({ id, expected: 0n, actual: version ?? 0n })
    return created
  })
  const operation = "CreateNexusEndpoint"
  return yield* Transaction.autocommit(body, { operation, verify: () => settle(created, tableVersion) })
})

const update = Effect.fnUntraced(function* (endpoint: NexusEndpoint, tableVersion: bigint) {
  const { id, spec, version: expected } = endpoint
  yield* check(endpoint)
  const updated = { ...endpoint, version: expected + 1n }
  const body = Effect.gen(function* () {
    const { version, written } = yield* change(
      id,
      tableVersion,
      (sql) => sql`version = ${expected}`,
      (sql) => sql`
        UPDATE nexus_endpoints
        SET data = ${spec.data}, data_encoding = ${spec.encoding}, version = nexus_endpoints.version + 1
        FROM moved
        WHERE id = ${id} AND nexus_endpoints.version = ${expected}`
    )
    if (written) return updated
    if (version === null) return yield* new NexusEndpointNotFound({ id })
    return yield* new NexusEndpointVersionConflict({ id, expected, actual: version })
  })
  const operation = "UpdateNexusEndpoint"
  return yield* Transaction.autocommit(body, { operation, verify: () => settle(updated, tableVersion) })
})

const remove = Effect.fnUntraced(function* (id: EndpointId, tableVersion: bigint) {
  const body = Effect.gen(function* () {
    const { written } = yield* change(
      id,
      tableVersion,
      (sql) => sql`version IS NOT NULL`,
      (sql) => sql`DELETE FROM nexus_endpoints USING moved WHERE id = ${id}`
    )
    if (!written) yield* new NexusEndpointNotFound({ id })
  })
  const verify = () =>
    Effect.map(settled(id), ({ actual, found }): Transaction.Outcome<void> => {
      if (Option.isSome(found) || actual === tableVersion) return Transaction.notCommitted
      return actual === tableVersion + 1n ? Transaction.committed(undefined) : Transaction.unknown
    })
  yield* Transaction.autocommit(body, { operation: "DeleteNexusEndpoint", verify })
})

/** Whether a write left this endpoint, at the table version that it was tried at. */
const settle = (written: NexusEndpoint, tableVersion: bigint) =>
  Effect.map(settled(written.id), ({ actual, found }): Transaction.Outcome<NexusEndpoint> => {
    if (actual === tableVersion) return Transaction.notCommitted
    // Without the status row nothing holds a change that may still be under way.
    if (actual === undefined || Option.isNone(found)) return Transaction.unknown
    const { spec, version } = found.value
    if (version > written.version) return Transaction.unknown
    return version === written.version && equals(spec, written.spec)
      ? Transaction.committed(written)
      : Transaction.notCommitted
  })

/** The endpoint and the table version, held against every change that may still be under way. */
const settled = Effect.fnUntraced(function* (id: EndpointId) {
  const actual = yield* Fence.exclusive(status)
  const found = yield* select(id)
  return { actual: Option.getOrUndefined(actual), found }
})

const get = Effect.fnUntraced(function* (id: EndpointId) {
  const found = yield* Transaction.autocommit(select(id), { operation: "GetNexusEndpoint", readOnly: true })
  return yield* Option.match(found, {
    onNone: () => Effect.fail(new NexusEndpointNotFound({ id })),
    onSome: Effect.succeed
  })
})

const select = Effect.fnUntraced(function* (id: EndpointId) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`SELECT id, version, data, data_encoding FROM nexus_endpoints WHERE id = ${id}`
  return rows[0] === undefined ? Option.none() : Option.some(yield* decode(rows[0], id))
})

const decode = (row: unknown, id: string): Effect.Effect<NexusEndpoint, MalformedRow> =>
  Effect.map(Row.decode(Columns, row, { table, key: { id } }), fromColumns)

const tokens = PageToken.codec(table, Schema.Struct({ id: EndpointId, tableVersion: Schema.BigInt }))

const list = Effect.fnUntraced(function* (request: ListRequest) {
  const start = yield* List.start(tokens, request)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const after = Option.isSome(start) ? sql`WHERE id > ${start.value.id}` : sql``
    // The version comes in any case, with nulls beside it where there are no endpoints.
    return yield* sql<{ readonly id: EndpointId | null; readonly table_version: bigint }>`
      SELECT status.table_version, endpoints.id, endpoints.version, endpoints.data, endpoints.data_encoding
      FROM (
        SELECT coalesce((SELECT version FROM nexus_endpoints_partition_status WHERE id = 0), 0) AS table_version
      ) AS status
      LEFT JOIN (
        SELECT * FROM nexus_endpoints ${after} ORDER BY id LIMIT ${List.size(request) + 1}
      ) AS endpoints ON true
      ORDER BY endpoints.id`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListNexusEndpoints", readOnly: true })
  const tableVersion = rows[0]?.table_version ?? 0n
  const expected = request.tableVersion ?? Option.getOrUndefined(start)?.tableVersion ?? tableVersion
  if (tableVersion !== expected) {
    return yield* new NexusTableVersionConflict({ expected, actual: tableVersion })
  }
  const page = yield* List.page(
    rows.flatMap((row) => (row.id === null ? [] : [{ ...row, id: row.id }])),
    request,
    (row) => decode(row, row.id),
    ({ id }) => ({ id, tableVersion }),
    tokens
  )
  const answer: EndpointPage = { ...page, tableVersion }
  return answer
})
