/**
 * Changing Nexus endpoints: each change is one statement that compares and moves the table's version with it.
 */
import * as Fence from "@effect-dsql/core/Fence"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { equals } from "../../DataBlob.ts"
import type { EndpointId } from "../../Identifiers.ts"
import {
  type NexusEndpoint,
  NexusEndpointNotFound,
  NexusEndpointVersionConflict,
  NexusTableVersionConflict
} from "../../NexusEndpoint.ts"
import { select, status, table } from "./rows.ts"

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

export const create = Effect.fnUntraced(function* (endpoint: Omit<NexusEndpoint, "version">, tableVersion: bigint) {
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
  const verify = Effect.fnUntraced(function* () {
    const found = yield* settled(id)
    // A row that is missing cannot be locked, so a first change that is still under way is met by doing it again.
    if (found.actual === undefined && tableVersion === 0n) return Transaction.committed(yield* body)
    return outcome(found, created, tableVersion)
  })
  return yield* Transaction.autocommit(body, { operation: "CreateNexusEndpoint", verify })
})

export const update = Effect.fnUntraced(function* (
  endpoint: Omit<NexusEndpoint, "version"> & { readonly expectedVersion: bigint },
  tableVersion: bigint
) {
  const { id, spec, expectedVersion: expected } = endpoint
  yield* check(endpoint)
  const updated: NexusEndpoint = { id, spec, version: expected + 1n }
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
  const verify = () => Effect.map(settled(id), (found) => outcome(found, updated, tableVersion))
  return yield* Transaction.autocommit(body, { operation: "UpdateNexusEndpoint", verify })
})

export const remove = Effect.fnUntraced(function* (id: EndpointId, tableVersion: bigint) {
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
const outcome = (
  { actual, found }: Effect.Success<ReturnType<typeof settled>>,
  written: NexusEndpoint,
  tableVersion: bigint
): Transaction.Outcome<NexusEndpoint> => {
  if (actual === tableVersion) return Transaction.notCommitted
  // Without the status row nothing holds a change that may still be under way.
  if (actual === undefined || Option.isNone(found)) return Transaction.unknown
  const { spec, version } = found.value
  if (version > written.version) return Transaction.unknown
  return version === written.version && equals(spec, written.spec)
    ? Transaction.committed(written)
    : Transaction.notCommitted
}

/** The endpoint and the table version, held against every change that may still be under way. */
const settled = Effect.fnUntraced(function* (id: EndpointId) {
  const actual = yield* Fence.exclusive(status)
  const found = yield* select(id)
  return { actual: Option.getOrUndefined(actual), found }
})
