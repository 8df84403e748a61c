/**
 * Changing namespaces: each change is one statement that moves their version with it.
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
import type { MalformedRow } from "../../PersistenceError.ts"
import { metadata, noMetadata, partition, select } from "./reads.ts"

const columns = (namespace: Omit<NamespaceChange, "id">) => ({
  is_global: namespace.isGlobal,
  data: namespace.detail.data,
  data_encoding: namespace.detail.encoding
})

const check = (change: NamespaceChange, name: NamespaceName | undefined) =>
  Size.check("namespaces", { partition_id: partition, id: change.id, name, ...columns(change) }, ["partition_id", "id"])

/** Done again it would bring back what somebody has found and deleted since: it is looked for instead. */
export const create = (namespace: Omit<Namespace, "notificationVersion">) => insert(namespace, false)

const insert = Effect.fnUntraced(function* (namespace: Omit<Namespace, "notificationVersion">, repeat: boolean) {
  const { id, name } = namespace
  yield* check(namespace, name)
  const guards: ReadonlyArray<Guard.Guard<MalformedRow | NamespaceAlreadyExists>> = [
    taken(Expression.sql`id = ${uuid(id)} OR name = ${text(name)}`),
    counted
  ]
  const body = Effect.map(
    Guarded.write({
      guards,
      writes: [
        moved,
        Write.insert({
          into: "namespaces",
          columns: {
            partition_id: own.partition_id,
            id: uuid(id),
            name: text(name),
            ...values(namespace),
            notification_version: Guarded.told("version", "bigint")
          }
        })
      ],
      tells: { version: Guard.column(counted, "notification_version", "bigint") },
      free: ["namespaces_pkey", "idx_namespaces_name"]
    }),
    // What is told is a BIGINT, which the driver gives as a bigint.
    (told): Namespace => ({ ...namespace, notificationVersion: told["version"] as bigint })
  )
  const verify = () =>
    Effect.map(settled(id), ({ found }) =>
      Option.isSome(found) && found.value.name === name && same(found.value, namespace)
        ? Transaction.committed(found.value)
        : Transaction.unknown
    )
  return yield* Transaction.autocommit(body, { operation: "CreateNamespace", repeat, verify })
})

const own = { partition_id: Expression.value("integer", partition) }

const uuid = (id: NamespaceId) => Expression.value("uuid", id)

const text = (name: string) => Expression.value("text", name)

const values = ({ detail, isGlobal }: Omit<NamespaceChange, "id">) => ({
  is_global: Expression.value("boolean", isGlobal),
  data: Expression.value("bytea", detail.data),
  data_encoding: Expression.value("text", detail.encoding)
})

/** Moves the global version. */
const moved = Write.update({
  table: metadata.table,
  set: { notification_version: Expression.literal("notification_version + 1") },
  where: Expression.key(metadata.table, own)
})

/** The row of the global version, which has to be there. */
const counted = Guard.make({
  name: "version",
  row: Guard.row(metadata.table, own, ["notification_version"], "exclusive"),
  columns: ["notification_version"],
  refuse: () => noMetadata
})

/** The same, of a version that is expected. */
const held = (expected: bigint) =>
  Guard.make({
    name: "version",
    row: Guard.row(metadata.table, own, ["notification_version"], "exclusive"),
    columns: ["notification_version"],
    holds: (row) => Guard.exists(row, Expression.sql`notification_version = ${Expression.value("bigint", expected)}`),
    refuse: (found): Effect.Effect<never, MalformedRow | NamespaceVersionConflict> =>
      found === undefined
        ? noMetadata
        : // The column is a BIGINT NOT NULL.
          Effect.fail(new NamespaceVersionConflict({ expected, actual: found["notification_version"] as bigint }))
  })

/** No namespace is one of these. */
const taken = (which: Expression.Expression) =>
  Guard.make({
    name: "taken",
    row: {
      select: Expression.sql`SELECT id, name FROM namespaces WHERE ${Expression.key("namespaces", own)} AND (${which})`,
      lock: undefined
    },
    columns: ["id", "name"],
    holds: (row) => Guard.absent(row),
    // The key columns are what their types say.
    refuse: (found) =>
      Effect.fail(new NamespaceAlreadyExists({ id: found?.["id"] as NamespaceId, name: found?.["name"] as string }))
  })

/** It is to be there, whoever has deleted it. */
export const initializeSystem = (detail: DataBlob) =>
  insert({ id: systemId, name: systemName, isGlobal: false, detail }, true).pipe(
    Effect.asVoid,
    Effect.catchTag("NamespaceAlreadyExists", (error) =>
      error.id === systemId && error.name === systemName ? Effect.void : Effect.fail(error)
    )
  )

export const update = (change: NamespaceChange, expected: bigint) =>
  write<never>(change, expected, { operation: "UpdateNamespace", name: undefined, guards: [] })

export const rename = (change: NamespaceChange & Pick<Namespace, "name">, expected: bigint) => {
  const { id, name } = change
  const free = taken(Expression.sql`name = ${text(name)} AND id <> ${uuid(id)}`)
  return write(change, expected, { operation: "RenameNamespace", name, guards: [free] })
}

/** What a renaming has that another change has not. */
interface Renaming<E> {
  readonly operation: string
  readonly name: NamespaceName | undefined
  readonly guards: ReadonlyArray<Guard.Guard<E>>
}

/** Replaces a namespace, its name too if there is one. */
const write = Effect.fnUntraced(function* <E>(
  change: NamespaceChange,
  expected: bigint,
  { guards, name, operation }: Renaming<E>
) {
  const { id } = change
  yield* check(change, name)
  const at = Expression.value("bigint", expected)
  const key = { ...own, id: uuid(id) }
  const target = Guard.make({
    name: "target",
    row: Guard.row("namespaces", key, ["id"], undefined),
    columns: ["id"],
    refuse: () => Effect.fail(new NamespaceNotFound({ by: "id", value: id }))
  })
  const all: ReadonlyArray<Guard.Guard<E | MalformedRow | NamespaceNotFound | NamespaceVersionConflict>> = [
    held(expected),
    target,
    ...guards
  ]
  const set = { ...values(change), notification_version: at, ...(name === undefined ? {} : { name: text(name) }) }
  const body = Guarded.write({
    guards: all,
    writes: [moved, Write.update({ table: "namespaces", set, where: Expression.key("namespaces", key) })],
    free: ["idx_namespaces_name"]
  })
  const verify = () =>
    Effect.map(settled(id), ({ actual, found }): Transaction.Outcome<void> => {
      if (actual === expected) return Transaction.notCommitted
      if (Option.isNone(found)) return Transaction.unknown
      const at = found.value.notificationVersion
      // One change has this version. If it is this namespace's last, its row says whose it was.
      if (at > expected) return Transaction.unknown
      const own = at === expected && (name === undefined || found.value.name === name) && same(found.value, change)
      return own ? Transaction.committed(undefined) : Transaction.notCommitted
    })
  yield* Transaction.autocommit(Effect.asVoid(body), { operation, repeat: true, verify })
})

/** A deletion that comes late would take a namespace that was made since, under the same name. */
export const remove = (by: "id" | "name", value: string) => {
  const key = { ...own, [by]: by === "id" ? Expression.value("uuid", value) : text(value) }
  const guard = Guard.make({
    name: "namespace",
    row: Guard.row("namespaces", key, ["id"], "exclusive"),
    columns: [],
    holds: () => Expression.literal("TRUE"),
    refuse: () => Effect.die(new Error("nothing is asked of what is deleted"))
  })
  const body = Guarded.write({
    guards: [guard],
    writes: [Write.remove({ table: "namespaces", where: Expression.key("namespaces", key) })]
  })
  const verify = () =>
    Effect.map(present(by, value), (there): Transaction.Outcome<void> => {
      // One that is there may be a new one, under the same id or name.
      return there ? Transaction.unknown : Transaction.committed(undefined)
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

const same = (a: NamespaceChange, b: NamespaceChange): boolean =>
  a.isGlobal === b.isGlobal && equals(a.detail, b.detail)
