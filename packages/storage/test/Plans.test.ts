/**
 * How a server does what the storages send, on a filled database: along an index, whether it knows of the tables' sizes
 * or not, and whether it plans for the parameters of a statement or for any.
 */
import { DsqlClient } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { PersistedQueue as Queue, RateLimiter as Limiter, SqlEventLogServerEncrypted } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted, Schema, Stream, Struct } from "effect"
import { EventJournal, EventLogServerEncrypted, EventLogServerUnencrypted } from "effect/eventlog"
import { KeyValueStore, PersistedQueue, Persistence, RateLimiter } from "effect/persistence"
import { randomUUID } from "node:crypto"
import { copyOf, unwatched } from "../../../test/database.ts"
import { fill, type Tables, uuid } from "../../../test/filling.ts"
import { schemaText } from "../../../test/migrated.ts"
import { faults } from "../../../test/planFaults.ts"
import * as Plans from "../../../test/plans.ts"
import { sharedPostgres } from "../../../test/postgres.ts"
import { table } from "../../../test/roundTrips.ts"
import { counting } from "./support/limitOperations.ts"
import { encrypted, entry, operations, type Readied, storeId, Storages } from "./support/operations.ts"
import * as Queues from "./support/queueOperations.ts"

const rows = 10_000

/** Jobs, which are removed by so many at once that in a smaller table they are found sooner by reading all of it. */
const jobs = 100_000

/** That of the log whose owner has written to it. */
const scope = "(SELECT scope FROM effect_events_scopes LIMIT 1)"

const tables = {
  effect_key_value_store: { id: "'entry ' || i", value: "'\\x00'" },
  effect_persistence: {
    store_id: "CASE WHEN i % 4 < 2 THEN 'users' ELSE 'others' END",
    id: "'id ' || i",
    expires: "now() + (i % 2 * 2 - 1) * INTERVAL '1 day'",
    slot: "i % 16"
  },
  effect_queue: {
    queue_name: "'hot'",
    bucket: "i % 16",
    id: "i::text",
    state: "CASE WHEN i % 50 = 0 THEN 'completed' ELSE 'pending' END",
    attempts: "0",
    element: `'{"n":1}'`,
    claim: "NULL",
    last_failure: "NULL"
  },
  effect_event_journal: { slot: "i % 16", id: uuid, remote_id: "NULL" },
  effect_event_remotes: { remote_id: uuid },
  effect_events: { store_id: "'store'", sequence: "1000 + i", entry_id: uuid },
  effect_events_batches: { scope, last_sequence: "1000 + i", sequence: "1000 + i" },
  effect_events_ids: { scope, entry_id: uuid, sequence: "1000 + i" },
  effect_events_session_auth_bindings: {},
  effect_rate_limiter: { id: "'limit ' || i", algorithm: "'fixed-window'" },
  effect_rate_limiter_adaptive: { id: "'limit ' || i" }
} satisfies Tables

class Filled extends Context.Service<Filled, { readonly url: Redacted.Redacted; readonly schema: string }>()(
  "Filled"
) {}

const filling = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  yield* fill(sql, tables, 1, rows)
  yield* fill(sql, Struct.pick(tables, ["effect_queue"]), rows + 1, jobs)
})

const Database = Layer.effect(
  Filled,
  Effect.gen(function* () {
    const { url } = yield* Testing.make({ source: SchemaSource.builtIn("dsql/storage"), emulator: unwatched })
    const beneath = sharedPostgres().url(new URL(Redacted.value(url)).pathname.slice(1))
    const client = DsqlClient.layerUrl({ url: beneath })
    const log = Layer.provideMerge(SqlEventLogServerEncrypted.layerStorage(), client)
    yield* Effect.andThen(encrypted, filling).pipe(Effect.provide(log))
    return { url: beneath, schema: yield* schemaText("dsql/storage") }
  })
)

const Everything = Layer.mergeAll(
  Storages,
  PersistedQueue.layer.pipe(Layer.provideMerge(Queue.layerStoreSql({ pollInterval: "10 millis" }))),
  Limiter.layerStoreSql
)

const hot = PersistedQueue.make({ name: "hot", schema: Schema.Struct({ n: Schema.Int }) })

/** Reads as many numbers as there are rows, page by page, each behind the one before. */
const rising = (numbers: Stream.Stream<number>) =>
  Effect.map(Stream.runCollect(Stream.take(numbers, rows)), (read) =>
    assert.deepStrictEqual(
      read,
      [...new Set(read)].toSorted((one, other) => one - other)
    )
  )

const more: Readonly<Record<string, Readied<Layer.Success<typeof Everything>>>> = {
  "offer a job": Effect.map(hot, (queue) => queue.offer({ n: 1 })),
  "do a job": Effect.map(hot, (queue) => queue.take(() => Effect.void)),
  "remove jobs that are done": Effect.map(PersistedQueue.PersistedQueueStore, (store) =>
    store.cleanup({ timeToLive: Duration.zero, failedTimeToLive: Duration.zero })
  ),
  "take a token of a window": Effect.map(RateLimiter.RateLimiterStore, (store) =>
    store.fixedWindow({ key: randomUUID(), tokens: 1, refillRate: Duration.seconds(1), limit: 50 })
  ),
  "take a token of a bucket": Effect.map(RateLimiter.RateLimiterStore, (store) =>
    store.tokenBucket({
      key: randomUUID(),
      tokens: 1,
      refillRate: Duration.seconds(1),
      limit: 50,
      allowOverflow: false
    })
  ),
  "ask of a limit that adapts": Effect.map(RateLimiter.RateLimiterStore, (store) =>
    store.adaptiveConsume({ key: randomUUID(), tokens: 1, fallbackLimit: 5, fallbackWindow: Duration.minutes(1) })
  ),
  "forget all results": Effect.map(Persistence.BackingPersistence, (backing) =>
    Effect.flatMap(backing.make("others"), (store) => store.clear)
  ),
  "look whether there is an entry": Effect.map(KeyValueStore.KeyValueStore, (store) => store.isEmpty),
  "forget all entries below a prefix": Effect.map(KeyValueStore.KeyValueStore, (store) => store.clearPrefix("entry 1")),
  "forget all entries": Effect.map(KeyValueStore.KeyValueStore, (store) => store.clear),
  "find all later history": Effect.map(EventLogServerUnencrypted.Storage, (log) =>
    log.entriesAfter(storeId, entry(0).entry)
  ),
  "read all of an event log": Effect.map(EventLogServerUnencrypted.Storage, (log) =>
    rising(
      Stream.map(log.changes({ storeId, startSequence: 1, compactors: new Map() }), (entry) => entry.remoteSequence)
    )
  ),
  "read all of an encrypted event log": Effect.map(EventLogServerEncrypted.Storage, (log) =>
    rising(Stream.map(log.changes("key", storeId, 1), (batch) => batch.sequence))
  ),
  "find entries of the event journal": Effect.map(EventJournal.EventJournal, (journal) =>
    journal.entriesById([entry(0).entry.id, entry(1).entry.id])
  ),
  "destroy the event journal": Effect.map(EventJournal.EventJournal, (journal) => journal.destroy)
}

/** The tables whose rows become many. */
const growing = new Set(Object.keys(tables))

/** Rows that one statement may read: those of a page, or of a part of a range that is deleted, each a few times. */
const most = 3_100

const faulty = (url: Redacted.Redacted, mode: Plans.Mode) =>
  Effect.gen(function* () {
    const { schema } = yield* Filled
    const listener = yield* Plans.listen(url, mode)
    const storages = Layer.fresh(Everything).pipe(Layer.provideMerge(DsqlClient.layerUrl({ url: listener.url })))
    return yield* Effect.gen(function* () {
      const found: Array<string> = []
      const judge = Effect.fnUntraced(function* (name: string) {
        const plans = listener.take()
        if (plans.length === 0) found.push(`${name}: nothing was heard of it`)
        for (const fault of yield* faults(plans, { growing, schema, most })) found.push(`${name}: ${fault}`)
      })
      yield* judge("begin, and delete what has expired")
      for (const [name, readied] of Object.entries({ ...operations, ...more })) {
        const operation = yield* readied
        listener.take()
        yield* operation
        yield* judge(name)
      }
      return found
    }).pipe(Effect.scoped, Effect.provide(storages))
  }).pipe(Effect.scoped)

/** How many rows each operation reads that the page on round trips counts. */
const counted = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const listener = yield* Plans.listen(url, "force_custom_plan")
  const storages = Layer.mergeAll(Layer.fresh(Everything), Layer.fresh(Queues.Stores)).pipe(
    Layer.provideMerge(DsqlClient.layerUrl({ url: listener.url, maxConnections: 1 }))
  )
  return yield* Effect.gen(function* () {
    const found: Array<readonly [string, number]> = []
    const count = Effect.fnUntraced(function* <R>(name: string, operation: Effect.Effect<unknown, unknown, R>) {
      listener.take()
      yield* operation
      found.push([name, listener.take().reduce((sum, { root }) => sum + Plans.scanned(root), 0)])
    })
    for (const [name, readied] of Object.entries(operations)) yield* count(name, yield* readied)
    for (const [name, readied] of Object.entries(Queues.operations)) yield* count(name, yield* readied)
    const limits: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = counting(
      yield* RateLimiter.RateLimiterStore
    )
    for (const [name, operation] of Object.entries(limits)) yield* count(name, operation)
    return found
  }).pipe(Effect.scoped, Effect.provide(storages))
}, Effect.scoped)

/** What has been forgotten, and is there nevertheless. */
const left = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  return yield* sql`
    SELECT 'entry' AS row FROM effect_key_value_store
    UNION ALL SELECT 'result' FROM effect_persistence WHERE store_id = 'others' OR expires <= now()
    UNION ALL SELECT 'job' FROM effect_queue WHERE state = 'completed'
    UNION ALL SELECT 'journal' FROM effect_event_journal`
})

const direct = <A, E>(url: Redacted.Redacted, effect: Effect.Effect<A, E, DsqlClient.DsqlClient>) =>
  Effect.provide(effect, DsqlClient.layerUrl({ url }))

const analyse = Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`ANALYZE`)

/** A copy of the database: what one has deleted there, another has no traces of. */
const copied = Effect.flatMap(Filled, ({ url }) => copyOf(url))

layer(Database, { excludeTestServices: true })("on a filled database", (it) => {
  const modes = ["force_custom_plan", "force_generic_plan"] as const
  const asFor = { force_custom_plan: "the parameters of each", force_generic_plan: "any parameters" }
  for (const mode of modes) {
    it.effect(
      `every statement goes along an index, planned for ${asFor[mode]}, where nothing is known of the tables`,
      () =>
        Effect.gen(function* () {
          const url = yield* copied
          assert.deepStrictEqual(yield* faulty(url, mode), [])
          assert.deepStrictEqual(yield* direct(url, left), [])
        }).pipe(Effect.scoped)
    )
  }

  for (const mode of modes) {
    it.effect(`every statement goes along an index, planned for ${asFor[mode]}, where the tables are analysed`, () =>
      Effect.gen(function* () {
        const url = yield* copied
        yield* direct(url, analyse)
        assert.deepStrictEqual(yield* faulty(url, mode), [])
        assert.deepStrictEqual(yield* direct(url, left), [])
      }).pipe(Effect.scoped)
    )
  }

  it.effect("every operation reads as many rows as the page on round trips says", () =>
    Effect.gen(function* () {
      const url = yield* copied
      yield* direct(url, analyse)
      const said = ["Effect's storages", "Queues", "Rate limits"]
        .flatMap(table)
        .map(([operation = "", , , rows]) => [operation, Number(rows?.replaceAll(",", ""))] as const)
      const found = yield* counted(url)
      const but = (operation: string, of: typeof found) => of.filter(([name]) => name !== operation)
      assert.deepStrictEqual(but("claim 16 jobs", found), but("claim 16 jobs", said))
      // How the rows that are due meet the rows that are changed is the planner's choice, by what it knows of the table.
      const claimed = (of: typeof found) => new Map(of).get("claim 16 jobs") ?? Number.NaN
      assert.isAtMost(claimed(found), claimed(said))
    }).pipe(Effect.scoped)
  )
})
