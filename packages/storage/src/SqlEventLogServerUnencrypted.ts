/**
 * Effect's storage for unencrypted event-log servers on Aurora DSQL.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Entry } from "effect/eventlog/EventJournal"
import * as EventLogServerUnencrypted from "effect/eventlog/EventLogServerUnencrypted"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { atomically } from "./internal/eventLog/atomically.ts"
import * as Entries from "./internal/eventLog/entries.ts"
import { follow, signals } from "./internal/eventLog/follow.ts"
import * as Identity from "./internal/eventLog/identity.ts"
import * as Statement from "./internal/statement/statement.ts"
import { ensure } from "./internal/tables/ensure.ts"
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
 * A write is one round trip and one transaction for each 500 entries or 4 MiB. It may be made again whatever came of it:
 * entries are known by their ids, and those that are there already keep their numbers. `withTransaction` is
 * `Transaction.run`: what runs in it runs again where it conflicts, writes 3,000 rows at most, and is known by its entries
 * where its answer was lost. A failure of the database is a defect, as in Effect's own storage, because the interface
 * has no errors.
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

    const log = Entries.make({ entries, stores }, statements)

    const write = (storeId: string, written: ReadonlyArray<Entry>) =>
      Effect.flatMap(Attempt, (attempt) =>
        Effect.tap(
          log.write(storeId, written, (run) => attempt?.push(run)),
          statements.committed(readers.tell(storeId))
        )
      )

    /** All of an effect in one transaction. One whose answer was lost is known by what it has written to the log. */
    const transaction = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.suspend(() => {
        const attempt: Array<Entries.Run> = []
        const begun = Effect.suspend(() => {
          attempt.length = 0
          return Effect.provideService(effect, Attempt, attempt)
        })
        return atomically(statements, "EventLogServer.transaction", begun, Effect.die, (value) =>
          Effect.gen(function* () {
            const [run] = attempt
            if (run === undefined || Option.isNone(value)) return Transaction.unknown
            return (yield* log.isCommitted(run)) ? Transaction.committed(value.value) : Transaction.notCommitted
          })
        )
      })

    return EventLogServerUnencrypted.Storage.of({
      getId: Effect.succeed(id),
      firstSequence: 1,
      getOrCreateSessionAuthBinding: (publicKey, signingPublicKey) =>
        Effect.orDie(Identity.binding(statements, bindings, publicKey, signingPublicKey)),
      entriesAfter: (storeId, entry, batch) =>
        Effect.map(Effect.orDie(log.concerned(storeId, entry, batch)), (found) => [...found]),
      write: (storeId, written) => (written.length === 0 ? Effect.succeed([]) : Effect.orDie(write(storeId, written))),
      changes: ({ compactors, startSequence, storeId }) =>
        follow(readers, {
          log: storeId,
          from: startSequence,
          read: (from, size) => Effect.orDie(log.from(storeId, from, size)),
          size: 1000,
          next: ({ remoteSequence }) => remoteSequence + 1,
          backlog: (remoteEntries) => EventLogServerUnencrypted.compactBacklog({ compactors, remoteEntries }),
          every: pollInterval
        }),
      withTransaction: transaction
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

/** What the attempt that is under way has written so far. */
const Attempt = Context.Reference<Array<Entries.Run> | undefined>(
  "@effect-dsql/storage/SqlEventLogServerUnencrypted/Attempt",
  { defaultValue: () => undefined }
)
