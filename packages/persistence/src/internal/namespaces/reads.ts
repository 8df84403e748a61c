/**
 * Reading namespaces and their version.
 */
import type * as Fence from "@effect-dsql/core/Fence"
import * as Expression from "@effect-dsql/core/Expression"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import { Encoding } from "../../DataBlob.ts"
import { NamespaceId, NamespaceName } from "../../Identifiers.ts"
import { type Namespace, NamespaceNotFound } from "../../Namespace.ts"
import type * as PageToken from "../../PageToken.ts"
import { MalformedRow } from "../../PersistenceError.ts"
import * as List from "../page/list.ts"
import * as Row from "../page/row.ts"
import * as Tokens from "../page/tokens.ts"

/** Temporal keeps all namespaces under this number. */
export const partition = 54_321

/** The row that every change moves. */
export const metadata = {
  table: "namespace_metadata",
  key: { partition_id: partition },
  token: "notification_version"
} satisfies Fence.Guard

export const get = Effect.fnUntraced(function* (by: "id" | "name", value: string) {
  const found = yield* Transaction.autocommit(select(by, value), { operation: "GetNamespace", readOnly: "proven" })
  return yield* Option.match(found, {
    onNone: () => Effect.fail(new NamespaceNotFound({ by, value })),
    onSome: Effect.succeed
  })
})

const tokens = Tokens.codec("namespaces", Schema.Struct({ id: NamespaceId }))

export const list = Effect.fnUntraced(function* (request: PageToken.PageRequest) {
  const start = yield* List.start(tokens, request)
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const after = Option.isSome(start) ? sql`AND id > ${start.value.id}` : sql``
    return yield* sql<{ readonly id: NamespaceId }>`
      SELECT ${columnNames(sql)} FROM namespaces WHERE partition_id = ${partition} ${after}
      ORDER BY partition_id, id LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  })
  const rows = yield* Transaction.autocommit(body, { operation: "ListNamespaces", readOnly: "proven" })
  return yield* List.page(
    rows,
    request,
    (row) => decode(row, { id: row.id }),
    ({ id }) => ({ id }),
    tokens
  )
})

export const version = Effect.suspend(() =>
  Transaction.autocommit(selectVersion, { operation: "GetNamespaceVersion", readOnly: "proven" })
)

const selectVersion = Effect.gen(function* () {
  const sql = yield* Transaction.sql
  const rows = yield* sql<{ readonly notification_version: bigint }>`
    SELECT notification_version FROM namespace_metadata WHERE partition_id = ${partition}`
  return rows[0] === undefined ? yield* noMetadata : rows[0].notification_version
})

export const select = Effect.fnUntraced(function* (by: "id" | "name", value: string) {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT ${columnNames(sql)} FROM namespaces WHERE partition_id = ${partition} AND ${sql(by)} = ${value}`
  return rows[0] === undefined ? Option.none() : Option.some(yield* decode(rows[0], { [by]: value }))
})

/** The row of the version is not there: the schema is not set up, or not all of it. */
export const noMetadata = Effect.suspend(() =>
  Effect.fail(
    new MalformedRow({
      table: metadata.table,
      key: Row.describe(metadata),
      reason: "there is no such row; setup-schema makes it"
    })
  )
)

const Columns = Schema.Struct({
  id: NamespaceId,
  name: NamespaceName,
  is_global: Schema.Boolean,
  data: Schema.Uint8Array,
  data_encoding: Encoding,
  notification_version: Schema.BigInt
})

const fromColumns = (columns: typeof Columns.Type): Namespace => ({
  id: columns.id,
  name: columns.name,
  isGlobal: columns.is_global,
  detail: { data: columns.data, encoding: columns.data_encoding },
  notificationVersion: columns.notification_version
})

const columnNames = (sql: SqlClient) => sql.csv(Object.keys(Columns.fields).map((column) => sql`${sql(column)}`))

const decode = (row: unknown, key: Row.Place["key"]): Effect.Effect<Namespace, MalformedRow> =>
  Effect.map(Row.decode(Columns, row, { table: "namespaces", key: { partition_id: partition, ...key } }), fromColumns)
