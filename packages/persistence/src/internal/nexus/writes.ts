/**
 * Changing Nexus endpoints: each change is one statement that compares and moves the table's version with it.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Fence from "@effect-dsql/core/Fence"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
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

/** What a change asks of the endpoint, whose version is given where there is one, and what it writes. */
interface Change<E> {
  readonly id: EndpointId
  /** The version of the table that is expected. */
  readonly tableVersion: bigint
  readonly holds: (row: Expression.Expression) => Expression.Expression
  readonly refuse: (version: bigint | undefined) => Effect.Effect<never, E>
  readonly write: Write.Write
}

const change = <E>({ holds, id, refuse, tableVersion, write }: Change<E>) => {
  const expected = Expression.value("bigint", tableVersion)
  const known = Guard.make({
    name: "status",
    row: Guard.row(status.table, { id: Expression.literal("0") }, ["version"], "exclusive"),
    columns: ["version"],
    holds: (row) => Expression.sql`COALESCE((SELECT version FROM ${row}), 0) = ${expected}`,
    // The column is a BIGINT NOT NULL.
    refuse: (found) =>
      Effect.fail(
        new NexusTableVersionConflict({ expected: tableVersion, actual: (found?.["version"] ?? 0n) as bigint })
      )
  })
  const endpoint = Guard.make({
    name: "endpoint",
    row: Guard.row(table, { id: uuid(id) }, ["version"], undefined),
    columns: ["version"],
    holds,
    refuse: (found) => refuse(found?.["version"] as bigint | undefined)
  })
  const moved = Write.insert({
    into: status.table,
    columns: { id: Expression.literal("0"), version: Expression.sql`${expected} + 1` },
    onConflict: Write.replacing(
      ["id"],
      ["version"],
      Expression.sql`${Expression.name(status.table)}.version = ${expected}`
    )
  })
  const guards: ReadonlyArray<Guard.Guard<E | NexusTableVersionConflict>> = [known, endpoint]
  return Guarded.write({ guards, writes: [moved, write], free: ["nexus_endpoints_pkey"] })
}

const uuid = (id: EndpointId) => Expression.value("uuid", id)

const columns = ({ spec, version }: Omit<NexusEndpoint, "id">) => ({
  data: Expression.value("bytea", spec.data),
  data_encoding: Expression.value("text", spec.encoding),
  version: Expression.value("bigint", version)
})

export const create = Effect.fnUntraced(function* (endpoint: Omit<NexusEndpoint, "version">, tableVersion: bigint) {
  const { id } = endpoint
  yield* check(endpoint)
  const created = { ...endpoint, version: 1n }
  const body = change({
    id,
    tableVersion,
    holds: (row) => Guard.absent(row),
    refuse: (version = 0n) => Effect.fail(new NexusEndpointVersionConflict({ id, expected: 0n, actual: version })),
    write: Write.insert({ into: table, columns: { id: uuid(id), ...columns(created) } })
  })
  return yield* Transaction.autocommit(Effect.as(body, created), {
    operation: "CreateNexusEndpoint",
    repeat: true,
    verify: () => Effect.map(settled(id), (found) => outcome(found, created, tableVersion))
  })
})

export const update = Effect.fnUntraced(function* (
  { expectedVersion: expected, id, spec }: Omit<NexusEndpoint, "version"> & { readonly expectedVersion: bigint },
  tableVersion: bigint
) {
  const updated: NexusEndpoint = { id, spec, version: expected + 1n }
  yield* check(updated)
  const stands = Expression.sql`version = ${Expression.value("bigint", expected)}`
  const body = change({
    id,
    tableVersion,
    holds: (row) => Guard.exists(row, stands),
    refuse: (version): Effect.Effect<never, NexusEndpointNotFound | NexusEndpointVersionConflict> =>
      Effect.fail(
        version === undefined
          ? new NexusEndpointNotFound({ id })
          : new NexusEndpointVersionConflict({ id, expected, actual: version })
      ),
    write: Write.update({
      table,
      set: columns(updated),
      where: Expression.all([Expression.key(table, { id: uuid(id) }), stands])
    })
  })
  return yield* Transaction.autocommit(Effect.as(body, updated), {
    operation: "UpdateNexusEndpoint",
    repeat: true,
    verify: () => Effect.map(settled(id), (found) => outcome(found, updated, tableVersion))
  })
})

export const remove = Effect.fnUntraced(function* (id: EndpointId, tableVersion: bigint) {
  const body = change({
    id,
    tableVersion,
    holds: (row) => Guard.exists(row),
    refuse: () => Effect.fail(new NexusEndpointNotFound({ id })),
    write: Write.remove({ table, where: Expression.key(table, { id: uuid(id) }) })
  })
  const verify = () =>
    Effect.map(settled(id), ({ actual, found }): Transaction.Outcome<void> => {
      if (actual === tableVersion) return Transaction.notCommitted
      return Option.isNone(found) && actual === tableVersion + 1n
        ? Transaction.committed(undefined)
        : Transaction.unknown
    })
  yield* Transaction.autocommit(Effect.asVoid(body), { operation: "DeleteNexusEndpoint", repeat: true, verify })
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
  // Versions begin anew where an endpoint was deleted: none tells that nothing was written.
  return version === written.version && equals(spec, written.spec)
    ? Transaction.committed(written)
    : Transaction.unknown
}

/** The endpoint and the table version, held against every change that may still be under way. */
const settled = Effect.fnUntraced(function* (id: EndpointId) {
  const actual = yield* Fence.exclusive(status)
  const found = yield* select(id)
  return { actual: Option.getOrUndefined(actual), found }
})
