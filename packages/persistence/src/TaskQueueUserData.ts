/**
 * What users say of their task queues, with a version each, and which queues a
 * build id is used by.
 *
 * Several queues of a namespace change together or not at all. An update names
 * the version that it was made from; where another one came first, nothing is
 * written, and the error says which queues it was.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
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
import { Encoding, equals } from "./DataBlob.ts"
import { type BuildId, type NamespaceId, TaskQueueName } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as List from "./internal/page/list.ts"
import * as Row from "./internal/page/row.ts"
import * as Tokens from "./internal/page/tokens.ts"
import type * as PageToken from "./PageToken.ts"
import type { OperationError, PageError, ReadError, WriteError } from "./PersistenceError.ts"
import { type UserData, type UserDataChange, UserDataConflict } from "./UserData.ts"

/**
 * Keeps user data of task queues. Each operation is one statement and one round trip; a stream is one per page.
 *
 * @example
 * ```ts
 * import { type DataBlob, type Identifiers, TaskQueueUserData } from "@effect-dsql/persistence"
 * import { Effect, Option } from "effect"
 *
 * const release = (
 *   namespaceId: Identifiers.NamespaceId,
 *   name: Identifiers.TaskQueueName,
 *   buildId: Identifiers.BuildId,
 *   data: DataBlob.DataBlob
 * ) =>
 *   Effect.gen(function*() {
 *     const store = yield* TaskQueueUserData.TaskQueueUserData
 *     const found = yield* store.find(namespaceId, name)
 *     const expectedVersion = Option.match(found, { onNone: () => 0n, onSome: (userData) => userData.version })
 *     yield* store.update(namespaceId, new Map([[name, { expectedVersion, data, addBuildIds: [buildId] }]]))
 *   }).pipe(Effect.retry({ while: (error) => error._tag === "UserDataConflict", times: 3 }))
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class TaskQueueUserData extends Context.Service<
  TaskQueueUserData,
  {
    readonly find: (namespaceId: NamespaceId, name: TaskQueueName) => Effect.Effect<Option.Option<UserData>, ReadError>
    /** Changes the user data of all these queues and their build ids, or nothing. */
    readonly update: (
      namespaceId: NamespaceId,
      updates: ReadonlyMap<TaskQueueName, UserDataChange>
    ) => Effect.Effect<void, WriteError | UserDataConflict>
    /** One page of a namespace's user data, by name. */
    readonly list: (
      namespaceId: NamespaceId,
      request?: PageToken.PageRequest
    ) => Effect.Effect<PageToken.Page<UserData>, PageError>
    /** A namespace's user data, by name. */
    readonly stream: (namespaceId: NamespaceId, request?: PageToken.PageRequest) => Stream.Stream<UserData, PageError>
    /** How many task queues use a build id. */
    readonly countByBuildId: (namespaceId: NamespaceId, buildId: BuildId) => Effect.Effect<number, OperationError>
    /** One page of the task queues that use a build id, by name. */
    readonly listByBuildId: (
      namespaceId: NamespaceId,
      buildId: BuildId,
      request?: PageToken.PageRequest
    ) => Effect.Effect<PageToken.Page<TaskQueueName>, PageError>
    /** The task queues that use a build id, by name. */
    readonly streamByBuildId: (
      namespaceId: NamespaceId,
      buildId: BuildId,
      request?: PageToken.PageRequest
    ) => Stream.Stream<TaskQueueName, PageError>
  }
>()("@effect-dsql/persistence/TaskQueueUserData") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<TaskQueueUserData, never, DsqlClient> = Layer.effect(
  TaskQueueUserData,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const page = operation("TaskQueueUserData.list", list)
    const used = operation("TaskQueueUserData.listByBuildId", listByBuildId)
    return TaskQueueUserData.of({
      find: operation("TaskQueueUserData.find", find),
      update: operation("TaskQueueUserData.update", update),
      list: (namespaceId, request = {}) => page(namespaceId, request),
      stream: (namespaceId, request = {}) => List.stream(request, (each) => page(namespaceId, each)),
      countByBuildId: operation("TaskQueueUserData.countByBuildId", countByBuildId),
      listByBuildId: (namespaceId, buildId, request = {}) => used(namespaceId, buildId, request),
      streamByBuildId: (namespaceId, buildId, request = {}) =>
        List.stream(request, (each) => used(namespaceId, buildId, each))
    })
  })
)

const table = "task_queue_user_data"

const buildIds = "build_id_to_task_queue"

const find = (namespaceId: NamespaceId, name: TaskQueueName) =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const rows = yield* sql<Found>`
        SELECT * FROM task_queue_user_data WHERE namespace_id = ${namespaceId} AND task_queue_name = ${name}`
      return rows[0] === undefined ? Option.none<UserData>() : Option.some(yield* decode(rows[0]))
    }),
    { operation: "GetTaskQueueUserData", readOnly: "proven" }
  )

const update = Effect.fnUntraced(function* (
  namespaceId: NamespaceId,
  updates: ReadonlyMap<TaskQueueName, UserDataChange>
) {
  if (updates.size === 0) return
  const rows = Array.from(updates, ([task_queue_name, { data, expectedVersion }]) => ({
    task_queue_name,
    version: expectedVersion,
    data: data.data,
    data_encoding: data.encoding
  }))
  const added: Array<BuildIdRow> = []
  const removed: Array<BuildIdRow> = []
  for (const [task_queue_name, { addBuildIds = [], removeBuildIds = [] }] of updates) {
    const gone = new Set(removeBuildIds)
    const come = new Set(addBuildIds.filter((build_id) => !gone.has(build_id)))
    for (const build_id of come) added.push({ build_id, task_queue_name })
    for (const build_id of gone) removed.push({ build_id, task_queue_name })
  }
  yield* Size.checkAll([
    ...rows.map((row) => ({
      table,
      row: { namespace_id: namespaceId, ...row },
      key: ["namespace_id", "task_queue_name"]
    })),
    ...[...added, ...removed].map((row) => ({
      table: buildIds,
      row: { namespace_id: namespaceId, ...row },
      key: ["namespace_id", "build_id", "task_queue_name"]
    }))
  ])
  const key = { namespace_id: Expression.value("uuid", namespaceId) }
  const types = { task_queue_name: "text", version: "bigint", data: "bytea", data_encoding: "text" } as const
  const pair = { build_id: "text", task_queue_name: "text" } as const
  // The rows whose versions are compared are those that are written, so they need no lock to conflict on. Each is looked
  // up: for a join, a planner that knows nothing of the table's size would read the whole namespace.
  const stale = Expression.sql`
    SELECT array_agg(task_queue_name) AS names, array_agg(version) AS expected, array_agg(stored) AS actual
    FROM (
      SELECT given.task_queue_name, given.version, COALESCE((
        SELECT stored.version FROM task_queue_user_data AS stored
        WHERE stored.namespace_id = ${key.namespace_id} AND stored.task_queue_name = given.task_queue_name
      ), 0) AS stored
      FROM ${Expression.records("given", { task_queue_name: "text", version: "bigint" }, rows)}
    ) AS compared
    WHERE version <> stored`
  const guard = Guard.make({
    name: "stale",
    row: { select: stale, lock: undefined },
    columns: ["names", "expected", "actual"],
    holds: (row) => Guard.exists(row, Expression.literal("names IS NULL")),
    refuse: (found) =>
      Effect.flatMap(Schema.decodeUnknownEffect(Stale)(found), ({ actual, expected, names }) => {
        const [first, ...others] = names.map((name, index) => ({
          name,
          expected: expected[index] ?? 0n,
          actual: actual[index] ?? 0n
        }))
        return first === undefined
          ? Effect.die(new Error("user data is stale and none of it is"))
          : Effect.fail(new UserDataConflict({ conflicts: [first, ...others] }))
      }).pipe(Effect.catchTag("SchemaError", Effect.die))
  })
  const columnsOf = (alias: string, names: ReadonlyArray<string>) =>
    Object.fromEntries(names.map((name) => [name, Expression.literal(`${alias}.${name}`)]))
  const written = Write.insert({
    into: table,
    columns: {
      ...key,
      ...columnsOf("given", ["task_queue_name", "data", "data_encoding"]),
      version: Expression.literal("given.version + 1")
    },
    from: Expression.records("given", types, rows),
    onConflict: Write.replacing(["namespace_id", "task_queue_name"], ["data", "data_encoding", "version"])
  })
  const come = Write.insert({
    into: buildIds,
    columns: { ...key, ...columnsOf("added", Object.keys(pair)) },
    from: Expression.records("added", pair, added),
    onConflict: Write.replacing(["namespace_id", "build_id", "task_queue_name"], [])
  })
  // By all columns of the key from there, for the same reason.
  const triple = { namespace_id: "uuid", ...pair } as const
  const gone = Write.remove({
    table: buildIds,
    using: Expression.records(
      "removed",
      triple,
      removed.map(({ build_id, task_queue_name }) => ({ namespace_id: namespaceId, build_id, task_queue_name }))
    ),
    where: Expression.key(buildIds, columnsOf("removed", Object.keys(triple)))
  })
  // None of the build ids that come is one that goes.
  const body = Guarded.write({ guards: [guard], writes: [written, come, gone], independent: true })
  const verify = () =>
    Effect.map(isWritten(namespaceId, updates), (written) =>
      written ? Transaction.committed(undefined) : Transaction.unknown
    )
  yield* Transaction.autocommit(Effect.asVoid(body), { operation: "UpdateTaskQueueUserData", repeat: true, verify })
})

/** The queues whose versions are others than expected, as arrays side by side. */
const Stale = Schema.Struct({
  names: Schema.Array(TaskQueueName),
  expected: Schema.Array(Schema.BigInt),
  actual: Schema.Array(Schema.BigInt)
})

/** Whether all queues have what an update writes; where others came after it, nothing tells. */
const isWritten = Effect.fnUntraced(function* (
  namespaceId: NamespaceId,
  updates: ReadonlyMap<TaskQueueName, UserDataChange>
) {
  const sql = yield* Transaction.sql
  const rows = yield* sql<Found>`
    SELECT * FROM task_queue_user_data
    WHERE namespace_id = ${namespaceId} AND ${sql.in("task_queue_name", [...updates.keys()])}`
  const stored = new Map((yield* Effect.forEach(rows, decode)).map((userData) => [userData.name, userData]))
  return Array.from(updates).every(([name, { data, expectedVersion }]) => {
    const found = stored.get(name)
    return found?.version === expectedVersion + 1n && equals(found.data, data)
  })
})

const names = (list: string) => Tokens.codec(list, TaskQueueName)

const list = Effect.fnUntraced(function* (namespaceId: NamespaceId, request: PageToken.PageRequest) {
  const tokens = names(`${table} of namespace ${namespaceId}`)
  const after = Option.getOrElse(yield* List.start(tokens, request), () => "")
  const body = Effect.flatMap(
    Transaction.sql,
    (sql) => sql<Found>`
      SELECT * FROM task_queue_user_data WHERE namespace_id = ${namespaceId} AND task_queue_name > ${after}
      ORDER BY task_queue_name LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  )
  const rows = yield* Transaction.autocommit(body, { operation: "ListTaskQueueUserData", readOnly: "proven" })
  return yield* List.page(rows, request, decode, (row) => TaskQueueName.make(row.task_queue_name), tokens)
})

const countByBuildId = (namespaceId: NamespaceId, buildId: BuildId) =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const rows = yield* sql<{ readonly count: bigint }>`
        SELECT count(*) AS count FROM build_id_to_task_queue
        WHERE namespace_id = ${namespaceId} AND build_id = ${buildId}`
      return Number(rows[0]?.count ?? 0n)
    }),
    { operation: "CountTaskQueuesByBuildId", readOnly: "proven" }
  )

const listByBuildId = Effect.fnUntraced(function* (
  namespaceId: NamespaceId,
  buildId: BuildId,
  request: PageToken.PageRequest
) {
  const tokens = names(`${buildIds} of namespace ${namespaceId} and build id ${buildId}`)
  const after = Option.getOrElse(yield* List.start(tokens, request), () => "")
  const body = Effect.flatMap(
    Transaction.sql,
    (sql) => sql<BuildIdRow>`
      SELECT task_queue_name FROM build_id_to_task_queue
      WHERE namespace_id = ${namespaceId} AND build_id = ${buildId} AND task_queue_name > ${after}
      ORDER BY task_queue_name LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  )
  const rows = yield* Transaction.autocommit(body, { operation: "ListTaskQueuesByBuildId", readOnly: "proven" })
  const name = (row: BuildIdRow) => TaskQueueName.make(row.task_queue_name)
  return yield* List.page(rows, request, (row) => Effect.succeed(name(row)), name, tokens)
})

/** The columns of the keys, which no row can be without. */
interface Found {
  readonly namespace_id: string
  readonly task_queue_name: string
}

type BuildIdRow = { readonly build_id: string; readonly task_queue_name: string }

const Columns = Schema.Struct({ version: Schema.BigInt, data: Schema.Uint8Array, data_encoding: Encoding })

const decode = (row: Found) => {
  const key = { namespace_id: row.namespace_id, task_queue_name: row.task_queue_name }
  return Effect.map(Row.decode(Columns, row, { table, key }), (columns): UserData => ({
    name: TaskQueueName.make(row.task_queue_name),
    version: columns.version,
    data: { data: columns.data, encoding: columns.data_encoding }
  }))
}
