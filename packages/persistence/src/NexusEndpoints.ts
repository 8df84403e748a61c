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
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { EndpointId } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as List from "./internal/page/list.ts"
import { decode, select, table } from "./internal/nexus/rows.ts"
import * as Writes from "./internal/nexus/writes.ts"
import {
  type NexusEndpoint,
  NexusEndpointNotFound,
  type NexusEndpointVersionConflict,
  NexusTableVersionConflict
} from "./NexusEndpoint.ts"
import type * as PageToken from "./PageToken.ts"
import type { PageError, ReadError, WriteError } from "./PersistenceError.ts"
import * as Tokens from "./internal/page/tokens.ts"

/**
 * What an endpoint becomes by an update, and the version that it was read with.
 *
 * @since 0.1.0
 * @category models
 */
export interface EndpointChange extends Omit<NexusEndpoint, "version"> {
  readonly expectedVersion: bigint
}

/**
 * Which page of endpoints is asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListRequest extends PageToken.PageRequest {
  /** Here 0 as well: a page without endpoints, which tells the table version. */
  readonly size?: number | undefined
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
      expectedTableVersion: bigint
    ) => Effect.Effect<NexusEndpoint, WriteError | NexusTableVersionConflict | NexusEndpointVersionConflict>
    /** Replaces an endpoint that has the expected version, and gives it with the next one. */
    readonly update: (
      endpoint: EndpointChange,
      expectedTableVersion: bigint
    ) => Effect.Effect<
      NexusEndpoint,
      WriteError | NexusTableVersionConflict | NexusEndpointVersionConflict | NexusEndpointNotFound
    >
    /** Deletes an endpoint, whatever its version. */
    readonly delete: (
      id: EndpointId,
      expectedTableVersion: bigint
    ) => Effect.Effect<void, NexusTableVersionConflict | NexusEndpointNotFound | ReadError>
    readonly get: (id: EndpointId) => Effect.Effect<NexusEndpoint, ReadError | NexusEndpointNotFound>
    /** One page of all endpoints, by id, with the table version that it is of. */
    readonly list: (request?: ListRequest) => Effect.Effect<EndpointPage, PageError | NexusTableVersionConflict>
    /** All endpoints of one table version, by id. */
    readonly stream: (request?: ListRequest) => Stream.Stream<NexusEndpoint, PageError | NexusTableVersionConflict>
  }
>()("@effect-dsql/persistence/NexusEndpoints") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<NexusEndpoints, never, DsqlClient> = Layer.effect(
  NexusEndpoints,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const page = operation("NexusEndpoints.list", list)
    return NexusEndpoints.of({
      create: operation("NexusEndpoints.create", Writes.create),
      update: operation("NexusEndpoints.update", Writes.update),
      delete: operation("NexusEndpoints.delete", Writes.remove),
      get: operation("NexusEndpoints.get", get),
      list: (request = {}) => page(request),
      stream: (request = {}) => List.stream(request, (each) => page({ ...each, tableVersion: request.tableVersion }))
    })
  })
)

const get = Effect.fnUntraced(function* (id: EndpointId) {
  const found = yield* Transaction.autocommit(select(id), { operation: "GetNexusEndpoint", readOnly: "proven" })
  return yield* Option.match(found, {
    onNone: () => Effect.fail(new NexusEndpointNotFound({ id })),
    onSome: Effect.succeed
  })
})

const tokens = Tokens.codec(table, Schema.Struct({ id: EndpointId, tableVersion: Schema.BigInt }))

const list = Effect.fnUntraced(function* (request: ListRequest) {
  const onlyVersion = request.size === 0
  const start = yield* List.start(tokens, onlyVersion ? { token: request.token } : request)
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
        SELECT * FROM nexus_endpoints ${after} ORDER BY id LIMIT ${onlyVersion ? 0 : List.size(request) + 1}
      ) AS endpoints ON true
      ORDER BY endpoints.id`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListNexusEndpoints", readOnly: "proven" })
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
