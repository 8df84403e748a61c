/**
 * Effect's storage for encrypted event-log servers on Aurora DSQL.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as EventLogServerEncrypted from "effect/eventlog/EventLogServerEncrypted"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Batches from "./internal/eventLog/batches.ts"
import { follow, signals } from "./internal/eventLog/follow.ts"
import * as Identity from "./internal/eventLog/identity.ts"
import { digestOf } from "./internal/eventLog/uuid.ts"
import * as Statement from "./internal/statement/statement.ts"
import { ensure } from "./internal/tables/ensure.ts"
import type { MissingTables } from "./MissingTables.ts"

/**
 * Where the batches are, and how often a reader looks for those of other processes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What the names of the tables begin with, `${entryTablePrefix}_batches` and others. Default: `effect_events`. */
  readonly entryTablePrefix?: string | undefined
  /** The table of the server's id. Default: `effect_remote_id`. */
  readonly remoteIdTable?: string | undefined
  /** How often `changes` looks for what other processes have written. Default: 1 second. */
  readonly pollInterval?: Duration.Input | undefined
}

/**
 * Makes the storage.
 *
 * All stores are in the same tables, each by a digest of its public key and its id; Effect's own storage creates tables
 * for each. Numbers are given in the order of commits: each write moves the row of its store, so of two writes at once
 * the later one conflicts, and is numbered anew. `changes` reads from the database whatever is new, in that order, and
 * so misses nothing that other processes write.
 *
 * A write is one round trip and one transaction for each 20 batches. It may be made again whatever came of it: entries
 * are known by their ids, and one whose answer was lost is settled by them. A failure of the database is a defect, as in
 * Effect's own storage, because the interface has no errors.
 *
 * There is no compaction: `compaction` is left out, of which the server tells its clients, and no option tunes it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStorage = (
  options: Options = {}
): Effect.Effect<
  EventLogServerEncrypted.Storage["Service"],
  MissingTables | TransactionError | SqlError | Schema.SchemaError,
  DsqlClient | Scope.Scope
> =>
  Effect.gen(function* () {
    const { entryTablePrefix: prefix = "effect_events", pollInterval = "1 second" } = options
    const { remoteIdTable = "effect_remote_id" } = options
    const names = { scopes: `${prefix}_scopes`, batches: `${prefix}_batches`, ids: `${prefix}_ids` }
    const bindings = `${prefix}_session_auth_bindings`
    const isOwn = options.entryTablePrefix !== undefined || options.remoteIdTable !== undefined
    const needed = [remoteIdTable, bindings, ...Object.values(names)]
    yield* ensure("EventLogServerEncrypted", needed, isOwn ? "own" : undefined)
    const statements = Statement.make(yield* DsqlClient)
    const id = yield* Identity.remoteId(statements, remoteIdTable)
    const batches = Batches.make(names, statements)
    const readers = yield* signals

    return EventLogServerEncrypted.Storage.of({
      getId: Effect.succeed(id),
      firstSequence: 1,
      getOrCreateSessionAuthBinding: (publicKey, signingPublicKey) =>
        Effect.orDie(Identity.binding(statements, bindings, publicKey, signingPublicKey)),
      write: (publicKey, storeId, written) => {
        const scope = digestOf(publicKey, storeId)
        return Effect.orDie(batches.write(scope, written)).pipe(
          Effect.tap(() => statements.committed(readers.tell(scope)))
        )
      },
      entrySequences: (publicKey, storeId, entryIds) =>
        Effect.orDie(batches.sequences(digestOf(publicKey, storeId), entryIds)),
      changes: (publicKey, storeId, startSequence) => {
        const scope = digestOf(publicKey, storeId)
        return follow(readers, {
          log: scope,
          from: startSequence,
          read: (from, size) => Effect.orDie(batches.from(scope, from, size)),
          // Of up to 1 MiB each.
          size: 100,
          next: ({ entryIds, sequence }) => sequence + entryIds.length,
          every: pollInterval
        })
      }
    })
  })

/**
 * Provides the storage.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { SqlEventLogServerEncrypted } from "@effect-dsql/storage"
 * import { Layer } from "effect"
 * import { EventLogServerEncrypted } from "effect/eventlog"
 *
 * const storage = SqlEventLogServerEncrypted.layerStorage().pipe(Layer.provide(DsqlClient.layerConfig()))
 * const handlers = EventLogServerEncrypted.layerRpcHandlers.pipe(Layer.provide(storage))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStorage = (
  options?: Options
): Layer.Layer<
  EventLogServerEncrypted.Storage,
  MissingTables | TransactionError | SqlError | Schema.SchemaError,
  DsqlClient
> => Layer.effect(EventLogServerEncrypted.Storage, makeStorage(options))

/**
 * `layerStorage` by the name that Effect's has with Web Crypto: here the two are one, neither asks for a `Digest`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStorageSubtle = layerStorage
