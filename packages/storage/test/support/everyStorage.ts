/**
 * Every storage in use at once: what a number writes into each, and what is in them after all.
 */
import { DsqlClient } from "@effect-dsql/core"
import * as Here from "@effect-dsql/storage"
import { Effect, Layer, Schema, Stream } from "effect"
import { EventJournal, type EventLogMessage, EventLogServerEncrypted, EventLogServerUnencrypted } from "effect/eventlog"
import { KeyValueStore, PersistedQueue, Persistence, RateLimiter } from "effect/persistence"

const count = 6

/** Those that write. */
export const numbers = Array.from({ length: count }, (_, number) => number)

/** What a caller's own schema makes for `layerBackingSqlMultiTable`. */
export const ownTable = Effect.flatMap(
  DsqlClient.DsqlClient,
  ({ sql }) =>
    sql`CREATE TABLE effect_persistence_users (id TEXT PRIMARY KEY, value TEXT NOT NULL, expires TIMESTAMPTZ NULL)`
)

/** All layers, which start at once, but those of persistence. */
export const layer = Layer.mergeAll(
  Here.KeyValueStore.layerSql(),
  PersistedQueue.layer.pipe(Layer.provide(Here.PersistedQueue.layerStoreSql())),
  RateLimiter.layer.pipe(Layer.provide(Here.RateLimiter.layerStoreSql)),
  Here.RateLimiter.layerCleanup(),
  Here.SqlEventJournal.layer(),
  Here.SqlEventLogServerUnencrypted.layerStorage(),
  Here.SqlEventLogServerEncrypted.layerStorage()
)

const persistences = [Here.Persistence.layerBackingSql, Here.Persistence.layerBackingSqlMultiTable]

/** A use of each persistence: of both at once, and each starts its own layer, because they are one service. */
const inEach = <A, E>(use: (store: Persistence.BackingPersistenceStore) => Effect.Effect<A, E>) =>
  Effect.forEach(
    persistences,
    (layer) =>
      Effect.flatMap(Persistence.BackingPersistence, ({ make }) => Effect.flatMap(make("users"), use)).pipe(
        Effect.scoped,
        Effect.provide(layer)
      ),
    { concurrency: "unbounded" }
  )

const jobs = PersistedQueue.make({ name: "jobs", schema: Schema.Int })

// Any text is a store's id.
const storeId = "store" as EventLogMessage.StoreId

const bytes = (number: number) => Uint8Array.of(number)

/** Writes a number into each storage, and gives what they answer. */
export const write = (number: number) =>
  Effect.gen(function* () {
    const keyValue = yield* KeyValueStore.KeyValueStore
    const limiter = yield* RateLimiter.RateLimiter
    const journal = yield* EventJournal.EventJournal
    const [log, encrypted] = [yield* EventLogServerUnencrypted.Storage, yield* EventLogServerEncrypted.Storage]
    const event = { event: "Written", primaryKey: String(number), payload: bytes(number) }
    const id = EventJournal.makeEntryIdUnsafe()
    const entry = new EventJournal.Entry({ id, ...event }, { disableChecks: true })
    const batch = { entryIds: [id] as const, iv: bytes(number), encryptedBatch: bytes(number) }
    const answers = yield* Effect.all(
      {
        written: Effect.all(
          [
            keyValue.set(String(number), String(number)),
            inEach((store) => store.set(String(number), { number }, undefined)),
            Effect.flatMap(jobs, (queue) => queue.offer(number)),
            journal.write({ ...event, effect: () => Effect.void })
          ],
          { concurrency: "unbounded", discard: true }
        ),
        permit: limiter.consume({ key: "all", limit: count, window: "1 day", onExceeded: "fail" }),
        signingKey: log.getOrCreateSessionAuthBinding(
          "key",
          Uint8Array.from({ length: 32 }, () => number)
        ),
        entries: log.write(storeId, [entry]),
        batches: encrypted.write("key", storeId, [batch])
      },
      { concurrency: "unbounded" }
    )
    return {
      serverIds: [yield* log.getId, yield* encrypted.getId].map((id) => [...id].join()),
      signingKey: [...answers.signingKey].join(),
      remaining: answers.permit.remaining,
      entry: answers.entries.map(({ remoteSequence }) => remoteSequence),
      batch: answers.batches.map(({ sequence }) => sequence)
    }
  })

/** What a process says that has written. */
export type Written = Effect.Success<ReturnType<typeof write>>

/** The numbers that are in each storage. */
export const stored = Effect.gen(function* () {
  const keyValue = yield* KeyValueStore.KeyValueStore
  const journal = yield* EventJournal.EventJournal
  const [log, encrypted] = [yield* EventLogServerUnencrypted.Storage, yield* EventLogServerEncrypted.Storage]
  const queue = yield* jobs
  const persisted = yield* inEach((store) =>
    Effect.map(store.getMany(["never", ...numbers.map(String)]), (found): ReadonlyArray<unknown> => found)
  )
  const entries = log.changes({ storeId, startSequence: 0, compactors: new Map() })
  const batches = encrypted.changes("key", storeId, 0)
  const written = ({ payload }: EventJournal.Entry) => payload[0]
  return {
    keyValue: yield* Effect.forEach(numbers, (number) => keyValue.get(String(number))),
    persisted,
    jobs: yield* Effect.forEach(numbers, () => queue.take(Effect.succeed)),
    journal: (yield* journal.entries).map(written),
    entries: (yield* Stream.runCollect(Stream.take(entries, count))).map(({ entry }) => written(entry)),
    batches: (yield* Stream.runCollect(Stream.take(batches, count))).map(({ encryptedBatch }) => encryptedBatch[0])
  }
})
