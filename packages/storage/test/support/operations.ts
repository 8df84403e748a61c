/**
 * What is done with Effect's storages, operation by operation.
 */
import { DsqlClient } from "@effect-dsql/core"
import {
  KeyValueStore,
  Persistence,
  SqlEventJournal,
  SqlEventLogServerEncrypted,
  SqlEventLogServerUnencrypted
} from "@effect-dsql/storage"
import { Clock, Context, Deferred, Effect, Layer, type Scope, Stream } from "effect"
import { EventJournal, type EventLogMessage, EventLogServerEncrypted, EventLogServerUnencrypted } from "effect/eventlog"
import { KeyValueStore as KeyValue, Persistence as Backing } from "effect/persistence"
import { sleepless } from "./storage.ts"

/** Readies what an operation needs, and gives the operation. */
export type Readied<R> = Effect.Effect<Effect.Effect<unknown, unknown, Scope.Scope>, unknown, R | Scope.Scope>

const readied = <R>(operations: Readonly<Record<string, Readied<R>>>) => operations

const keyValue = Effect.tap(KeyValue.KeyValueStore, (store) => store.set("k", "v"))

const cached = Effect.gen(function* () {
  const store = yield* Effect.flatMap(Backing.BackingPersistence, (backing) => backing.make("users"))
  yield* store.setMany([
    ["a", {}, undefined],
    ["b", {}, undefined]
  ])
  return store
})

/** Persistence that has deleted what had expired, which it does by itself every five minutes. */
const Settled = Layer.effect(
  Backing.BackingPersistence,
  Effect.gen(function* () {
    const { clock, slept } = yield* sleepless
    const built = yield* Effect.provideService(Layer.build(Persistence.layerBackingSql), Clock.Clock, clock)
    yield* Deferred.await(slept)
    return Context.get(built, Backing.BackingPersistence)
  })
)

export const Storages = Layer.mergeAll(
  KeyValueStore.layerSql(),
  Settled,
  SqlEventJournal.layer(),
  SqlEventLogServerUnencrypted.layerStorage(),
  SqlEventLogServerEncrypted.layerStorage()
)

const payload = new Uint8Array([1])

const remoteId = EventJournal.makeRemoteIdUnsafe()

const journal = Effect.tap(EventJournal.EventJournal, (journal) =>
  journal.write({ event: "A", primaryKey: "a", payload, effect: () => Effect.void })
)

export const entry = (sequence: number) =>
  new EventJournal.RemoteEntry(
    {
      remoteSequence: sequence,
      entry: new EventJournal.Entry(
        { id: EventJournal.makeEntryIdUnsafe(), event: "A", primaryKey: "a", payload },
        { disableChecks: true }
      )
    },
    { disableChecks: true }
  )

// Any text is a store's id.
export const storeId = "store" as EventLogMessage.StoreId

const log = Effect.tap(EventLogServerUnencrypted.Storage, (log) => log.write(storeId, [entry(0).entry]))

const batch = () => ({
  entryIds: [EventJournal.makeEntryIdUnsafe(), EventJournal.makeEntryIdUnsafe()] as const,
  iv: new Uint8Array(12),
  encryptedBatch: payload
})

export const encrypted = Effect.tap(EventLogServerEncrypted.Storage, (log) => log.write("key", storeId, [batch()]))

export const operations = readied<Layer.Success<typeof Storages> | DsqlClient.DsqlClient>({
  "build a storage": Effect.map(Effect.andThen(keyValue, DsqlClient.DsqlClient), (client) =>
    Layer.build(Layer.fresh(KeyValueStore.layerSql())).pipe(Effect.provideService(DsqlClient.DsqlClient, client))
  ),
  "get an entry": Effect.map(keyValue, (store) => store.get("k")),
  "set an entry": Effect.map(keyValue, (store) => store.set("k", "w")),
  "remove an entry": Effect.map(keyValue, (store) => store.remove("k")),
  "change an entry by what it is": Effect.map(keyValue, (store) => store.modify("k", (value) => `${value}!`)),
  "forget the entries below a prefix": Effect.map(keyValue, (store) => store.clearPrefix("k")),
  "get many results": Effect.map(cached, (store) => store.getMany(["a", "b", "c"])),
  "set many results": Effect.map(cached, (store) =>
    store.setMany([
      ["a", {}, undefined],
      ["c", {}, undefined]
    ])
  ),
  "forget a result": Effect.map(cached, (store) => store.remove("a")),
  "write to the event journal": Effect.map(journal, (journal) =>
    journal.write({ event: "A", primaryKey: "a", payload, effect: () => Effect.void })
  ),
  "import into the event journal": Effect.map(journal, (journal) =>
    journal.writeFromRemote({ remoteId, entries: [entry(0), entry(1)], effect: () => Effect.void })
  ),
  "upload from the event journal": Effect.map(journal, (journal) =>
    journal.withRemoteUncommited(EventJournal.makeRemoteIdUnsafe(), () => Effect.void)
  ),
  "read where a remote stands": Effect.map(journal, (journal) => journal.nextRemoteSequence(remoteId)),
  "write to an event log": Effect.map(log, (log) => log.write(storeId, [entry(0).entry, entry(1).entry])),
  "write batches to an encrypted event log": Effect.map(encrypted, (log) =>
    log.write("key", storeId, [batch(), batch()])
  ),
  "find the history of a batch": Effect.map(log, (log) => {
    const { entry: oldest } = entry(0)
    return log.entriesAfter(storeId, oldest, [oldest])
  }),
  "read an event log from a number on": Effect.map(log, (log) =>
    Stream.runHead(log.changes({ storeId, startSequence: 1, compactors: new Map() }))
  ),
  "read an encrypted event log from a number on": Effect.map(encrypted, (log) =>
    Stream.runHead(log.changes("key", storeId, 1))
  ),
  "find where entries were stored": Effect.map(encrypted, (log) =>
    log.entrySequences("key", storeId, [...batch().entryIds])
  ),
  "bind a signing key": Effect.map(log, (log) => log.getOrCreateSessionAuthBinding("key", new Uint8Array(32)))
})
