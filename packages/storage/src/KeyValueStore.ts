/**
 * Effect's `KeyValueStore` on Aurora DSQL: strings and bytes by their keys, in one table.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { LimitExceeded, TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import type * as Removal from "@effect-dsql/core/Removal"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Layer from "effect/Layer"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { Overtaken, untilFirst } from "./internal/statement/again.ts"
import { drain } from "./internal/statement/drain.ts"
import { beginning } from "./internal/statement/prefix.ts"
import * as Statement from "./internal/statement/statement.ts"
import { ensure } from "./internal/tables/ensure.ts"
import type { MissingTables } from "./MissingTables.ts"

/**
 * Effect's service on one table.
 *
 * Each operation is one round trip, but `clear` and `clearPrefix`, which take one for each 500 entries, and `modify`,
 * which reads and writes. Unlike Effect's own, `modify` is atomic: it writes only over what it has read, and else
 * begins again. A key has 1 KiB at most, a value 1 MiB; more is an error before anything is sent.
 *
 * An operation fails with `KeyValueStoreError`, whose `cause` is one of `DsqlError`. Where an answer was lost, `set` and
 * `remove` are done again; `modify` looks whether it took effect, and fails with `CommitOutcomeUnknown` where others
 * have written since.
 *
 * `table`: the table that the entries are in, `effect_key_value_store` unless it is given. The schema `dsql/storage`
 * makes that one; your own has to make any other:
 *
 * ```sql
 * CREATE TABLE sessions (id TEXT PRIMARY KEY, value BYTEA NOT NULL, value_type SMALLINT NOT NULL,
 *   revision UUID NOT NULL DEFAULT gen_random_uuid());
 * ```
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { KeyValueStore } from "@effect-dsql/storage"
 * import { Effect, Layer } from "effect"
 * import * as Store from "effect/persistence/KeyValueStore"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Store.KeyValueStore
 *   yield* store.set("visits", "0")
 *   yield* store.modify("visits", (visits) => String(Number(visits) + 1))
 * })
 *
 * const live = KeyValueStore.layerSql().pipe(Layer.provide(DsqlClient.layerConfig()))
 * const main = Effect.provide(program, live)
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSql = (
  options: { readonly table?: string | undefined } = {}
): Layer.Layer<KeyValueStore.KeyValueStore, MissingTables | TransactionError, DsqlClient> =>
  Layer.effect(
    KeyValueStore.KeyValueStore,
    Effect.gen(function* () {
      const { table = "effect_key_value_store" } = options
      yield* ensure("KeyValueStore", [table], options.table === undefined ? "dsql/storage" : "own")
      return make(table, Statement.make(yield* DsqlClient))
    })
  )

const make = (table: string, statements: Statement.Statements): KeyValueStore.KeyValueStore => {
  const { read, write } = statements
  const name = Expression.name(table)

  const find = (operation: string, key: string) =>
    Effect.map(
      read(operation, Stored, Expression.sql`SELECT value, value_type, revision FROM ${name} WHERE id = ${text(key)}`),
      ([row]) => row
    )

  const ids = (operation: string, condition: Expression.Expression) =>
    read(operation, Keyed, Expression.sql`SELECT id FROM ${name} ${condition}`)

  const set = Effect.fnUntraced(function* (key: string, value: string | Uint8Array) {
    const { columns } = yield* written(table, key, value)
    const onConflict = Write.replacing(["id"], Object.keys(columns))
    const entry = Write.insert({ into: table, columns: { id: text(key), ...columns }, onConflict })
    yield* write("KeyValueStore.set", { guards: [], writes: [entry] })
  })

  /** Writes what comes of an entry over the entry that it comes of. */
  const change = Effect.fnUntraced(function* <A extends string | Uint8Array>(
    key: string,
    valueOf: (row: Stored) => A,
    f: (value: A) => A
  ) {
    const found = yield* find("KeyValueStore.modify.read", key)
    if (found === undefined) return undefined
    const value = f(valueOf(found))
    const { columns, revision } = yield* written(table, key, value)
    const id = { id: text(key) }
    const unchanged = Guard.make({
      name: "entry",
      row: Guard.row(table, id, ["revision"], "exclusive"),
      columns: [],
      holds: (row) => Guard.exists(row, Expression.sql`revision = ${Expression.value("uuid", found.revision)}`),
      refuse: () => Effect.fail(new Overtaken())
    })
    const entry = Write.update({ table, set: columns, where: Expression.key(table, id) })
    const locked = Expression.sql`SELECT revision FROM ${name} WHERE id = ${text(key)} FOR UPDATE`
    yield* write("KeyValueStore.modify", { guards: [unchanged], writes: [entry] }, () =>
      Effect.map(Statement.rows(Revision, locked), ([row]) => {
        if (row?.revision === revision) return Transaction.committed({})
        return row?.revision === found.revision ? Transaction.notCommitted : Transaction.unknown
      })
    )
    return value
  })

  const modify = <A extends string | Uint8Array>(key: string, valueOf: (row: Stored) => A, f: (value: A) => A) =>
    untilFirst("KeyValueStore.modify", change(key, valueOf, f))

  const entries = (where: Expression.Expression): Removal.Rows => ({ table, order: { id: "text" }, where })

  return KeyValueStore.make({
    get: (key) =>
      saying(
        Effect.map(find("KeyValueStore.get", key), (row) => row && textOf(row)),
        "get",
        key
      ),
    getUint8Array: (key) =>
      saying(
        Effect.map(find("KeyValueStore.get", key), (row) => row?.value),
        "getUint8Array",
        key
      ),
    set: (key, value) => saying(set(key, value), "set", key),
    remove: (key) => {
      const entry = Write.remove({ table, where: Expression.key(table, { id: text(key) }) })
      return saying(Effect.asVoid(write("KeyValueStore.remove", { guards: [], writes: [entry] })), "remove", key)
    },
    clear: saying(drain(statements, "KeyValueStore.clear", entries(Expression.literal("TRUE"))), "clear"),
    clearPrefix: (prefix) =>
      saying(drain(statements, "KeyValueStore.clearPrefix", entries(beginning("id", prefix))), "clearPrefix", prefix),
    size: saying(
      Effect.map(read("KeyValueStore.size", Counted, Expression.sql`SELECT count(*) AS count FROM ${name}`), ([row]) =>
        Number(row?.count)
      ),
      "size"
    ),
    isEmpty: saying(
      Effect.map(ids("KeyValueStore.isEmpty", Expression.literal("ORDER BY id LIMIT 1")), (rows) => rows.length === 0),
      "isEmpty"
    ),
    has: (key) =>
      saying(
        Effect.map(ids("KeyValueStore.has", Expression.sql`WHERE id = ${text(key)}`), (rows) => rows.length > 0),
        "has",
        key
      ),
    keys: saying(
      Effect.map(ids("KeyValueStore.keys", Expression.literal("")), (rows) => rows.map(({ id }) => id)),
      "keys"
    ),
    modify: (key, f) => saying(modify(key, textOf, f), "modify", key),
    modifyUint8Array: (key, f) =>
      saying(
        modify(key, ({ value }) => value, f),
        "modifyUint8Array",
        key
      )
  })
}

const text = (value: string) => Expression.value("text", value)

/** How Effect's own layer marks what a value was given as. */
const types = { text: 0, bytes: 1 } as const

const Stored = Schema.Struct({
  value: Schema.Uint8Array,
  value_type: Schema.Literals([types.text, types.bytes]),
  revision: Schema.String
})

type Stored = typeof Stored.Type

const Revision = Schema.Struct({ revision: Schema.String })

const Keyed = Schema.Struct({ id: Schema.String })

const Counted = Schema.Struct({ count: Schema.BigInt })

const textOf = ({ value, value_type }: Stored): string =>
  value_type === types.text ? new TextDecoder().decode(value) : Base64.encode(value)

/** The columns of a value, under a revision that no other write has. */
const written = (table: string, key: string, value: string | Uint8Array) => {
  const isText = typeof value === "string"
  const bytes = isText ? new TextEncoder().encode(value) : value
  const revision = randomUUID()
  return Effect.as(Size.check(table, { id: key, value: bytes }, ["id"]), {
    revision,
    columns: {
      value: Expression.value("bytea", bytes),
      value_type: Expression.literal(String(isText ? types.text : types.bytes)),
      revision: Expression.value("uuid", revision)
    }
  })
}

/** Says of a failure which operation it ended. */
const saying = <A>(
  effect: Effect.Effect<A, Statement.Failure | LimitExceeded>,
  method: string,
  key?: string
): Effect.Effect<A, KeyValueStore.KeyValueStoreError> =>
  Effect.mapError(
    effect,
    (cause) =>
      new KeyValueStore.KeyValueStoreError({
        method,
        message: `KeyValueStore.${method}: ${cause.message}`,
        cause,
        ...(key === undefined ? {} : { key })
      })
  )
