/**
 * Changing namespaces: each change is one statement that moves their version with it.
 */
import * as Fence from "@effect-dsql/core/Fence"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type DataBlob, equals } from "../../DataBlob.ts"
import type { NamespaceId, NamespaceName } from "../../Identifiers.ts"
import {
  type Namespace,
  NamespaceAlreadyExists,
  type NamespaceChange,
  NamespaceNotFound,
  NamespaceVersionConflict,
  systemId,
  systemName
} from "../../Namespace.ts"
import { metadata, noMetadata, partition, select } from "./reads.ts"

const columns = (namespace: Omit<NamespaceChange, "id">) => ({
  is_global: namespace.isGlobal,
  data: namespace.detail.data,
  data_encoding: namespace.detail.encoding
})

const check = (change: NamespaceChange, name: NamespaceName | undefined) =>
  Size.check("namespaces", { partition_id: partition, id: change.id, name, ...columns(change) }, ["partition_id", "id"])

export const create = Effect.fnUntraced(function* (namespace: Omit<Namespace, "notificationVersion">) {
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

export const initializeSystem = (detail: DataBlob) =>
  create({ id: systemId, name: systemName, isGlobal: false, detail }).pipe(
    Effect.asVoid,
    Effect.catchTag("NamespaceAlreadyExists", (error) =>
      error.id === systemId && error.name === systemName ? Effect.void : Effect.fail(error)
    )
  )

export const update = (change: NamespaceChange, expected: bigint) => Effect.asVoid(write(change, undefined, expected))

export const rename = (change: NamespaceChange & Pick<Namespace, "name">, expected: bigint) =>
  Effect.flatMap(write(change, change.name, expected), (taken) =>
    taken === undefined ? Effect.void : Effect.fail(new NamespaceAlreadyExists(taken))
  )

/** Replaces a namespace, its name too if there is one, or gives the namespace that has that name. */
const write = Effect.fnUntraced(function* (change: NamespaceChange, name: NamespaceName | undefined, expected: bigint) {
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
    if (answer.version === expected) {
      if (!answer.found) return yield* new NamespaceNotFound({ by: "id", value: id })
      if (answer.id !== null) return { id: answer.id, name: answer.name }
    }
    return yield* new NamespaceVersionConflict({ expected, actual: answer.version })
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

export const remove = (by: "id" | "name", value: string) => {
  const body = Effect.flatMap(
    Transaction.sql,
    (sql) => sql`DELETE FROM namespaces WHERE partition_id = ${partition} AND ${sql(by)} = ${value}`
  )
  const verify = () =>
    Effect.map(present(by, value), (there): Transaction.Outcome<void> => {
      if (!there) return Transaction.committed(undefined)
      // The id is the namespace's own, but its name may be a new one's by now.
      return by === "id" ? Transaction.notCommitted : Transaction.unknown
    })
  return Transaction.autocommit(Effect.asVoid(body), { operation: "DeleteNamespace", verify })
}

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

const same = (a: NamespaceChange, b: NamespaceChange): boolean =>
  a.isGlobal === b.isGlobal && equals(a.detail, b.detail)
