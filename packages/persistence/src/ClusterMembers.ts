/**
 * Members of the cluster: which hosts are there, by the heartbeats that they send.
 *
 * One clock decides who is there: the database's. A heartbeat is written with
 * it, and expires by it. The clock of a host that jumps makes no other host
 * disappear, and does not keep its own alive. Only the start of a session is
 * the host's own time, because it is what the host says of itself.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Expression from "@effect-dsql/core/Expression"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type * as Stream from "effect/Stream"
import { type ClusterMember, MemberExpiryInvalid, Role, RpcAddress, RpcPort } from "./ClusterMember.ts"
import { HostId } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import { drain } from "./internal/drain.ts"
import { repeatable } from "./internal/repeatable.ts"
import * as List from "./internal/page/list.ts"
import * as Row from "./internal/page/row.ts"
import * as Tokens from "./internal/page/tokens.ts"
import type * as PageToken from "./PageToken.ts"
import {
  type MalformedRow,
  NumberInvalid,
  type OperationError,
  type PageError,
  type WriteError
} from "./PersistenceError.ts"

/**
 * What a host says of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Heartbeat extends Omit<ClusterMember, "lastHeartbeat" | "recordExpiry"> {
  /** How long the host is a member after this heartbeat. */
  readonly expiresIn: Duration.Input
}

/**
 * Which members are asked for, and which page of them. What is left out does not matter; a record that has expired is
 * never given.
 *
 * @since 0.1.0
 * @category models
 */
export interface MembersRequest extends PageToken.PageRequest {
  readonly hostId?: HostId | undefined
  readonly role?: Exclude<Role, "All"> | undefined
  readonly rpcAddress?: RpcAddress | undefined
  /** Heard of less long ago than this; 0 is for ever, as Temporal has it. */
  readonly heartbeatWithin?: Duration.Input | undefined
  /** Then or later, by the hosts' own clocks. */
  readonly sessionStartedAfter?: DateTime.Utc | undefined
}

/**
 * Keeps the members of the cluster.
 *
 * @example
 * ```ts
 * import { ClusterMembers } from "@effect-dsql/persistence"
 * import { Effect, Schedule } from "effect"
 *
 * const heartbeats = (host: Omit<ClusterMembers.Heartbeat, "expiresIn">) =>
 *   Effect.gen(function*() {
 *     const members = yield* ClusterMembers.ClusterMembers
 *     yield* members.upsert({ ...host, expiresIn: "20 seconds" })
 *   }).pipe(Effect.repeat(Schedule.spaced("10 seconds")))
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class ClusterMembers extends Context.Service<
  ClusterMembers,
  {
    /**
     * Writes a heartbeat, and gives the member with the database's times. One round trip. If its answer is lost, it
     * takes some seconds until it is written again, so that the lost one cannot come after the next.
     */
    readonly upsert: (heartbeat: Heartbeat) => Effect.Effect<ClusterMember, WriteError | MemberExpiryInvalid>
    /** One page of members, by host id. One round trip. */
    readonly list: (request?: MembersRequest) => Effect.Effect<PageToken.Page<ClusterMember>, PageError>
    /** All members, by host id. One round trip per page. */
    readonly stream: (request?: MembersRequest) => Stream.Stream<ClusterMember, PageError>
    /**
     * Deletes the records that have expired, and gives how many went: all of them, or `limit`. One round trip for 500.
     * Run again after a failure, it goes on where it stopped.
     */
    readonly deleteExpired: (options?: { readonly limit?: number | undefined }) => Effect.Effect<number, OperationError>
  }
>()("@effect-dsql/persistence/ClusterMembers") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ClusterMembers, never, DsqlClient> = Layer.effect(
  ClusterMembers,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const page = operation("ClusterMembers.list", list)
    return ClusterMembers.of({
      upsert: operation("ClusterMembers.upsert", upsert),
      list: (request = {}) => page(request),
      stream: (request = {}) => List.stream(request, (each) => page({ ...request, ...each })),
      deleteExpired: operation("ClusterMembers.deleteExpired", deleteExpired)
    })
  })
)

const table = "cluster_membership"

/** Temporal keeps all members under this number. */
const partition = 0

/** The database's clock, as TIMESTAMP columns hold it. */
const clock = "(now() AT TIME ZONE 'UTC')"

const now = (sql: SqlClient) => sql.literal(clock)

/** Milliseconds of 6,300 years: the first TIMESTAMP lies 6,700 years back, and the last one that is read far ahead. */
const longest = 2e14

const interval = (sql: SqlClient, millis: number) => sql`${millis}::float8 * INTERVAL '1 millisecond'`

/** How Go writes an address that is none, and so Temporal. */
const noAddress = "<nil>"

const encodeRole = Schema.encodeSync(Role)

const key = ["membership_partition", "host_id"]

const types = {
  membership_partition: "integer",
  host_id: "uuid",
  role: "integer",
  rpc_address: "text",
  rpc_port: "integer",
  session_start: "timestamp"
} as const

const Times = Schema.Struct({ lastHeartbeat: Schema.DateTimeUtcFromDate, recordExpiry: Schema.DateTimeUtcFromDate })

const upsert = Effect.fnUntraced(function* (heartbeat: Heartbeat) {
  const { hostId, role, rpcAddress, rpcPort, sessionStart } = heartbeat
  const expiresIn = Duration.toMillis(Duration.fromInputUnsafe(heartbeat.expiresIn))
  if (!(expiresIn > 0 && expiresIn <= longest)) return yield* new MemberExpiryInvalid({ hostId, expiresIn })
  const row = {
    membership_partition: partition,
    host_id: hostId,
    role: encodeRole(role),
    rpc_address: rpcAddress ?? noAddress,
    rpc_port: rpcPort,
    session_start: DateTime.toDateUtc(sessionStart)
  }
  yield* Size.check(table, row, key)
  const now = Expression.literal(clock)
  const expiry = Expression.sql`${now} + ${Expression.value("double precision", expiresIn)} * INTERVAL '1 millisecond'`
  const columns = { ...Expression.row(types, row), last_heartbeat: now, record_expiry: expiry }
  const replaced = Object.keys(columns).filter((column) => !key.includes(column))
  const told = yield* repeatable("UpsertClusterMember", {
    guards: [],
    writes: [Write.insert({ into: table, columns, onConflict: Write.replacing(key, replaced) })],
    tells: { lastHeartbeat: now, recordExpiry: expiry }
  })
  const times = yield* Row.decode(Times, told, placeOf(hostId))
  return { hostId, role, rpcAddress, rpcPort, sessionStart, ...times }
})

const position = Tokens.codec(table, Schema.Struct({ hostId: HostId }))

/** A token goes on with the members that its first page asked for, and with no others. */
const tokensOf = ({ heartbeatWithin, hostId, role, rpcAddress, sessionStartedAfter }: MembersRequest) => {
  const asked = Object.entries({
    hostId,
    role,
    rpcAddress,
    heartbeatWithin:
      heartbeatWithin === undefined ? undefined : Duration.format(Duration.fromInputUnsafe(heartbeatWithin)),
    sessionStartedAfter: sessionStartedAfter === undefined ? undefined : DateTime.formatIso(sessionStartedAfter)
  }).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
  return asked.length === 0 ? position : position.of(asked.join(", "))
}

const list = Effect.fnUntraced(function* (request: MembersRequest) {
  const tokens = tokensOf(request)
  const within = Duration.toMillis(Duration.fromInputUnsafe(request.heartbeatWithin ?? Duration.zero))
  if (!(within >= 0 && (within <= longest || within === Number.POSITIVE_INFINITY))) {
    const reason = "give milliseconds of no more than 6,300 years, 0 for no limit"
    return yield* new NumberInvalid({ where: "heartbeatWithin", value: within, reason })
  }
  const start = yield* List.start(tokens, request)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const { hostId, role, rpcAddress, sessionStartedAfter } = request
    const key = [sql`membership_partition = ${partition}`]
    if (Option.isSome(start)) key.push(sql`host_id > ${start.value.hostId}`)
    if (hostId !== undefined) key.push(sql`host_id = ${hostId}`)
    const filters = [sql`record_expiry > ${now(sql)}`]
    if (role !== undefined) filters.push(sql`role = ${encodeRole(role)}`)
    if (rpcAddress !== undefined) filters.push(sql`rpc_address = ${rpcAddress}`)
    if (within > 0 && within <= longest) {
      filters.push(sql`last_heartbeat > ${now(sql)} - ${interval(sql, within)}`)
    }
    if (sessionStartedAfter !== undefined) {
      filters.push(sql`session_start >= ${DateTime.toDateUtc(sessionStartedAfter)}`)
    }
    // A LIMIT that limits nothing keeps the two apart: rows are read in the order of their key, and then filtered, not
    // fetched by a filter and sorted.
    return yield* sql<{ readonly host_id: HostId }>`
      SELECT ${columnNames(sql)} FROM (
        SELECT * FROM cluster_membership WHERE ${sql.and(key)}
        ORDER BY host_id LIMIT ${Expression.fragment(sql, Expression.hidden(Number.MAX_SAFE_INTEGER))}
      ) AS member
      WHERE ${sql.and(filters)}
      ORDER BY host_id LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListClusterMembers", readOnly: "proven" })
  return yield* List.page(
    rows,
    request,
    (row) => decode(row, row.host_id),
    (row) => ({ hostId: row.host_id }),
    tokens
  )
})

/**
 * Expired is expired, in whatever partition: to ask for Temporal's, which all of them are in, would read them all. With
 * their entries in five indexes, 500 records are no more than the 3,000 rows that a transaction may change. A host
 * that is heard of meanwhile has changed its row: this then conflicts, and starts over without it.
 */
const deleteExpired = (options?: { readonly limit?: number | undefined }) =>
  drain(
    "PruneClusterMembers",
    {
      table,
      order: { record_expiry: "timestamp", host_id: "uuid" },
      where: Expression.sql`record_expiry <= ${Expression.literal(clock)}`
    },
    options
  )

const columnNames = (sql: SqlClient) => sql.csv(Object.keys(Columns.fields).map((column) => sql`${sql(column)}`))

const Columns = Schema.Struct({
  host_id: HostId,
  role: Role,
  rpc_address: Schema.Union([RpcAddress, Schema.Literal(noAddress)]),
  rpc_port: RpcPort,
  session_start: Schema.DateTimeUtcFromDate,
  last_heartbeat: Schema.DateTimeUtcFromDate,
  record_expiry: Schema.DateTimeUtcFromDate
})

const fromColumns = (columns: typeof Columns.Type): ClusterMember => ({
  hostId: columns.host_id,
  role: columns.role,
  rpcAddress: columns.rpc_address === noAddress ? undefined : columns.rpc_address,
  rpcPort: columns.rpc_port,
  sessionStart: columns.session_start,
  lastHeartbeat: columns.last_heartbeat,
  recordExpiry: columns.record_expiry
})

const placeOf = (hostId: string) => ({ table, key: { membership_partition: partition, host_id: hostId } })

const decode = (row: unknown, hostId: string): Effect.Effect<ClusterMember, MalformedRow> =>
  Effect.map(Row.decode(Columns, row, placeOf(hostId)), fromColumns)
