/**
 * Effect's storage for unencrypted event-log servers on Aurora DSQL.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Entry, RemoteEntry } from "effect/eventlog/EventJournal"
import * as EventLogServerUnencrypted from "effect/eventlog/EventLogServerUnencrypted"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { atomically } from "./internal/eventLog/atomically.ts"
import * as Stored from "./internal/eventLog/entry.ts"
import { follow, signals } from "./internal/eventLog/follow.ts"
import * as Identity from "./internal/eventLog/identity.ts"
import * as Statement from "./internal/statement/statement.ts"
import { ensure } from "./internal/tables/ensure.ts"
import { primaryKeyOf } from "./internal/tables/primaryKey.ts"
import type { MissingTables } from "./MissingTables.ts"

/**
 * Where the entries are, and how often a reader looks for those of other processes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The table of the entries, and what those beside it are called after. Default: `effect_events`. */
  readonly entryTablePrefix?: string | undefined
  /** The table of the server's id. Default: `effect_remote_id`. */
  readonly remoteIdTable?: string | undefined
  /** How often `changes` looks for what other processes have written. Default: 1 second. */
  readonly pollInterval?: Duration.Input | undefined
}

/**
 * Makes the storage.
 *
 * Numbers are given in the order of commits: each write moves the row of its store, so of two writes at once the later
 * one conflicts, and is numbered anew. `changes` reads from the database whatever is new, in that order, and so
 * misses nothing that other processes write; Effect's own storage gives each process its own writes alone.
 *
 * A write is one round trip. One whose answer was lost is done again, and found out to be a repetition by the ids of its
 * entries. `withTransaction` is `Transaction.run`: what runs in it runs again where it conflicts. A failure of the
 * database is a defect, as in Effect's own storage, because the interface has no errors.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStorage = (
  options: Options = {}
): Effect.Effect<
  EventLogServerUnencrypted.Storage["Service"],
  MissingTables | TransactionError | SqlError | Schema.SchemaError,
  DsqlClient | Scope.Scope
> =>
  Effect.gen(function* () {
    const { entryTablePrefix: entries = "effect_events", pollInterval = "1 second" } = options
    const { remoteIdTable = "effect_remote_id" } = options
    const stores = `${entries}_stores`
    const bindings = `${entries}_session_auth_bindings`
    const isOwn = options.entryTablePrefix !== undefined || options.remoteIdTable !== undefined
    yield* ensure("EventLogServerUnencrypted", [remoteIdTable, bindings, stores, entries], isOwn ? "own" : undefined)
    const statements = Statement.make(yield* DsqlClient)
    const id = yield* Identity.remoteId(statements, remoteIdTable)
    const readers = yield* signals

    const select = (operation: string, where: Expression.Expression) =>
      Effect.map(
        statements.read(
          operation,
          Row,
          Expression.sql`SELECT sequence, entry_id, event, primary_key, payload FROM ${Expression.name(entries)}
            WHERE ${where} ORDER BY sequence`
        ),
        (rows) => rows.map(remoteEntryOf)
      )

    const write = Effect.fnUntraced(function* (storeId: string, written: ReadonlyArray<Entry>) {
      const rows = written.map((entry, ordinal) => ({
        entry_id: entry.idString,
        ...Stored.rowOf(entry),
        ordinal: BigInt(ordinal)
      }))
      yield* Size.checkAll(
        rows.map(({ ordinal, ...row }) => ({
          table: entries,
          row: { store_id: storeId, sequence: ordinal, ...row },
          key: ["store_id", "sequence"]
        })),
        { operation: "EventLogServer.write" }
      )
      const store = { store_id: Expression.value("text", storeId) }
      const counter = Guard.make({
        name: "store",
        row: Guard.row(stores, store, ["next_sequence"], "exclusive"),
        columns: ["next_sequence"],
        holds: () => Expression.literal("TRUE"),
        refuse: () => Effect.die(new Error("nothing is asked of the store"))
      })
      const first = Expression.sql`COALESCE(${Guard.column(counter, "next_sequence", "bigint")}, 1)`
      const behind = Expression.sql`${first} + ${Expression.value("bigint", BigInt(rows.length))}`
      const moved = Write.insert({
        into: stores,
        columns: { ...store, next_sequence: behind },
        onConflict: Write.replacing(["store_id"], ["next_sequence"])
      })
      const columns = { entry_id: "uuid", ...Stored.types } as const
      const added = Write.insert({
        into: entries,
        columns: {
          ...store,
          sequence: Expression.sql`${first} + entry.ordinal`,
          ...Object.fromEntries(
            Object.keys(columns).map((column) => [column, Expression.sql`entry.${Expression.column(column)}`])
          )
        },
        from: Expression.records("entry", { ...columns, ordinal: "bigint" }, rows)
      })
      const told = yield* statements.write(
        "EventLogServer.write",
        { guards: [counter], writes: [moved, added], tells: { first }, free: [stores, entries].map(primaryKeyOf) },
        // An id is written once: where the first one is, all of them are.
        () => Effect.map(Statement.rows(Sequence, firstOf(storeId, rows[0]?.entry_id)), found)
      )
      const { first: start } = yield* Schema.decodeUnknownEffect(First)(told)
      yield* statements.committed(readers.tell(storeId))
      return written.map(
        (entry, ordinal) => new RemoteEntry({ remoteSequence: Number(start) + ordinal, entry }, { disableChecks: true })
      )
    })

    const firstOf = (storeId: string, entryId: string | undefined) =>
      Expression.sql`SELECT sequence FROM ${Expression.name(entries)}
        WHERE store_id = ${Expression.value("text", storeId)} AND entry_id = ${Expression.value("uuid", entryId ?? null)}`

    return EventLogServerUnencrypted.Storage.of({
      getId: Effect.succeed(id),
      firstSequence: 1,
      getOrCreateSessionAuthBinding: (publicKey, signingPublicKey) =>
        Effect.orDie(Identity.binding(statements, bindings, publicKey, signingPublicKey)),
      entriesAfter: (storeId, entry, batch) =>
        Effect.map(Effect.orDie(select("EventLogServer.entriesAfter", concerned(storeId, entry, batch))), (found) => [
          ...found
        ]),
      write: (storeId, written) => (written.length === 0 ? Effect.succeed([]) : Effect.orDie(write(storeId, written))),
      changes: ({ compactors, startSequence, storeId }) =>
        follow(readers, {
          log: storeId,
          from: startSequence,
          read: (from) => Effect.orDie(select("EventLogServer.changes", startingAt(storeId, from))),
          next: ({ remoteSequence }) => remoteSequence + 1,
          backlog: (remoteEntries) => EventLogServerUnencrypted.compactBacklog({ compactors, remoteEntries }),
          every: pollInterval
        }),
      withTransaction: (effect) => atomically(statements, "EventLogServer.transaction", effect, Effect.die)
    })
  })

/**
 * Provides the storage.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { SqlEventLogServerUnencrypted } from "@effect-dsql/storage"
 * import { Layer } from "effect"
 * import { EventLogServerUnencrypted } from "effect/eventlog"
 *
 * const storage = SqlEventLogServerUnencrypted.layerStorage().pipe(Layer.provide(DsqlClient.layerConfig()))
 * const handlers = EventLogServerUnencrypted.layerRpcHandlers.pipe(Layer.provide(storage))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStorage = (
  options?: Options
): Layer.Layer<
  EventLogServerUnencrypted.Storage,
  MissingTables | TransactionError | SqlError | Schema.SchemaError,
  DsqlClient
> => Layer.effect(EventLogServerUnencrypted.Storage, makeStorage(options))

const Row = Schema.Struct({ sequence: Schema.BigInt, entry_id: Schema.String, ...Stored.Columns.fields })

const Sequence = Schema.Struct({ sequence: Schema.BigInt })

const First = Schema.Struct({ first: Schema.BigInt })

const found = ([row]: ReadonlyArray<typeof Sequence.Type>): Transaction.Outcome<Guarded.Told> =>
  row === undefined ? Transaction.notCommitted : Transaction.committed({ first: row.sequence })

const remoteEntryOf = ({ entry_id, sequence, ...row }: typeof Row.Type): RemoteEntry =>
  new RemoteEntry({ remoteSequence: Number(sequence), entry: Stored.entryOf(entry_id, row) }, { disableChecks: true })

const inStore = (storeId: string) => Expression.sql`store_id = ${Expression.value("text", storeId)}`

const startingAt = (storeId: string, sequence: number) =>
  Expression.sql`${inStore(storeId)} AND sequence >= ${Expression.value("bigint", BigInt(sequence))}`

/** What a batch has to be compared with: the same ids, and later entries of the same keys; all later ones without it. */
const concerned = (storeId: string, oldest: Entry, batch: ReadonlyArray<Entry> | undefined) => {
  const later = Expression.sql`entry_id >= ${Expression.value("uuid", oldest.idString)}`
  if (batch === undefined) return Expression.sql`${inStore(storeId)} AND ${later}`
  const ids = Expression.values(
    "uuid",
    batch.map(({ idString }) => idString)
  )
  const keys = Expression.values("uuid", [...new Set(batch.map(Stored.keyOf))])
  return Expression.sql`${inStore(storeId)} AND (entry_id = ANY(${ids}) OR (key_id = ANY(${keys}) AND ${later}))`
}
