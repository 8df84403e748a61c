import { DsqlClient } from "@effect-dsql/core"
import { SqlEventLogServerUnencrypted } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Queue, Ref, Stream } from "effect"
import { EventJournal, type EventLogMessage, EventLogServerUnencrypted } from "effect/eventlog"
import { randomUUID } from "node:crypto"
import { asItIs, type Rewrite } from "../../../test/sessions.ts"
import { late, missed, newStore } from "./support/log.ts"
import { describeStorage, loseAnswer } from "./support/storage.ts"

const Storage = EventLogServerUnencrypted.Storage

type Storage = EventLogServerUnencrypted.Storage

const compactors = new Map()

const entry = (name: string, options: { readonly event?: string; readonly primaryKey?: string } = {}) =>
  new EventJournal.Entry(
    {
      id: EventJournal.makeEntryIdUnsafe(),
      event: options.event ?? "UserNameSet",
      primaryKey: options.primaryKey ?? "user-1",
      payload: new TextEncoder().encode(name)
    },
    { disableChecks: true }
  )

const numbered = (entries: ReadonlyArray<EventJournal.RemoteEntry>) =>
  entries.map(({ entry, remoteSequence }) => [remoteSequence, entry.idString])

const changes = (storage: Storage["Service"], storeId: EventLogMessage.StoreId, startSequence = 0) =>
  Stream.toQueue(storage.changes({ storeId, startSequence, compactors }), { capacity: "unbounded" })

/** The storage as another process has it: told of nothing that is written elsewhere. */
const another = (pollInterval: number) => SqlEventLogServerUnencrypted.makeStorage({ pollInterval })

const layer = SqlEventLogServerUnencrypted.layerStorage({ pollInterval: "1 hour" })

describeStorage("The storage of an unencrypted event log", layer, (it) => {
  it.effect("has one id, whichever process asks", () =>
    Effect.gen(function* () {
      const id = yield* (yield* Storage).getId
      assert.strictEqual(id.length, 16)
      assert.deepStrictEqual(yield* (yield* another(1_000)).getId, id)
    })
  )

  it.effect("keeps the signing key that a public key came with first", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const [first, second] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
      const key = randomUUID()
      assert.deepStrictEqual(yield* storage.getOrCreateSessionAuthBinding(key, first), first)
      assert.deepStrictEqual(yield* storage.getOrCreateSessionAuthBinding(key, second), first)
    })
  )

  it.effect("numbers the entries of a store from 1, and replays them before it gives what comes", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const [store, other] = [newStore(), newStore()]
      const [a, b, c, foreign] = [entry("Ada"), entry("Grace"), entry("Margaret"), entry("Linus")]
      assert.deepStrictEqual(numbered(yield* storage.write(store, [a, b])), [
        [1, a.idString],
        [2, b.idString]
      ])
      const queue = yield* changes(storage, store)
      const replayed = yield* Queue.takeAll(queue)
      assert.deepStrictEqual(
        replayed.map(({ entry }) => entry),
        [a, b]
      )
      yield* storage.write(other, [foreign])
      yield* storage.write(store, [c])
      assert.deepStrictEqual(numbered([yield* Queue.take(queue)]), [[3, c.idString]])
      const late = yield* changes(storage, store, 3)
      assert.deepStrictEqual(numbered(yield* Queue.takeAll(late)), [[3, c.idString]])
    })
  )

  it.effect("neither loses nor repeats what is written while a reader begins", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      yield* storage.write(store, [entry("before")])
      const starting = yield* Effect.forkChild(changes(storage, store))
      yield* storage.write(store, [entry("meanwhile")])
      const queue = yield* Fiber.join(starting)
      yield* storage.write(store, [entry("after")])
      const seen = [yield* Queue.take(queue), yield* Queue.take(queue), yield* Queue.take(queue)]
      assert.deepStrictEqual(
        seen.map(({ remoteSequence }) => remoteSequence),
        [1, 2, 3]
      )
    })
  )

  it.effect("gives what another process writes, before its own that came later", () =>
    Effect.gen(function* () {
      const [mine, theirs] = [yield* Storage, yield* another(1_000)]
      const store = newStore()
      const queue = yield* changes(mine, store)
      yield* theirs.write(store, [entry("theirs")])
      yield* mine.write(store, [entry("mine")])
      const seen = [yield* Queue.take(queue), yield* Queue.take(queue)]
      assert.deepStrictEqual(
        seen.map(({ remoteSequence }) => remoteSequence),
        [1, 2]
      )
    })
  )

  it.effect("finds what a batch has to be compared with: the same ids, and later entries of the same keys", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const [early, oldest, same, later, otherKey, otherEvent] = [
        entry("early"),
        entry("oldest"),
        entry("same", { primaryKey: "user-9" }),
        entry("later"),
        entry("other key", { primaryKey: "user-2" }),
        entry("other event", { event: "UserRemoved" })
      ]
      yield* storage.write(store, [early, same, later, otherKey, otherEvent])
      const names = (found: ReadonlyArray<EventJournal.RemoteEntry>) =>
        found.map(({ entry }) => new TextDecoder().decode(entry.payload))
      assert.deepStrictEqual(names(yield* storage.entriesAfter(store, oldest, [oldest, same])), ["same", "later"])
      assert.deepStrictEqual(names(yield* storage.entriesAfter(store, oldest)), [
        "same",
        "later",
        "other key",
        "other event"
      ])
    })
  )

  it.effect("writes in a transaction with what is done beside it, or not at all", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const queue = yield* changes(storage, store)
      const failing = storage.withTransaction(
        Effect.andThen(storage.write(store, [entry("no")]), Effect.fail("no" as const))
      )
      assert.strictEqual(yield* Effect.flip(failing), "no")
      const attempts = yield* Ref.make(0)
      const control = yield* Testing.Control
      yield* control.clear
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
      yield* storage.withTransaction(
        Effect.andThen(
          Ref.update(attempts, (n) => n + 1),
          storage.write(store, [entry("yes")])
        )
      )
      assert.strictEqual(yield* Ref.get(attempts), 2)
      assert.strictEqual((yield* Queue.take(queue)).remoteSequence, 1)
    })
  )

  it.effect.each(["before", "after"] as const)(
    "writes once what is written where the answer is lost %s it took effect",
    (when) =>
      Effect.gen(function* () {
        const storage = yield* Storage
        const store = newStore()
        const [a, b] = [entry("a"), entry("b")]
        const written = yield* Effect.andThen(loseAnswer(when), storage.write(store, [a, b]))
        assert.deepStrictEqual(numbered(written), [
          [1, a.idString],
          [2, b.idString]
        ])
        assert.deepStrictEqual(
          numbered(yield* storage.write(store, [entry("c")])).map(([number]) => number),
          [3]
        )
      })
  )

  it.effect.each(["before", "after"] as const)(
    "commits once what is done in a transaction whose answer is lost %s it took effect",
    (when) =>
      Effect.gen(function* () {
        const storage = yield* Storage
        const store = newStore()
        const [a, b] = [entry("a"), entry("b")]
        // As Effect's handlers do.
        const handled = storage.withTransaction(
          Effect.andThen(storage.entriesAfter(store, a, [a, b]), storage.write(store, [a, b]))
        )
        const written = yield* Effect.andThen(loseAnswer(when), handled)
        assert.deepStrictEqual(numbered(written), [
          [1, a.idString],
          [2, b.idString]
        ])
        assert.deepStrictEqual(numbered(yield* Queue.takeAll(yield* changes(storage, store))), numbered(written))
      })
  )

  it.effect("gives an entry that is there already the number that it has, and numbers the others", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const [a, b, c] = [entry("a"), entry("b"), entry("c")]
      yield* storage.write(store, [a])
      const expected = [
        [2, b.idString],
        [1, a.idString],
        [2, b.idString]
      ]
      assert.deepStrictEqual(numbered(yield* storage.write(store, [b, a, b])), expected)
      assert.deepStrictEqual(numbered(yield* storage.withTransaction(storage.write(store, [b, a, b]))), expected)
      const [one, other] = [storage, yield* another(1_000)]
      const twice = yield* Effect.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? one : other).write(store, [c])),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        twice.flatMap(numbered),
        Array.from({ length: 10 }, () => [3, c.idString])
      )
    })
  )

  it.effect("numbers more entries than a transaction takes", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const many = Array.from({ length: 3_500 }, (_, i) => entry(`${i}`))
      const written = yield* storage.write(store, many)
      assert.deepStrictEqual(
        numbered(written),
        many.map(({ idString }, i) => [i + 1, idString])
      )
      assert.deepStrictEqual(numbered(yield* Queue.takeAll(yield* changes(storage, store))), numbered(written))
    })
  )

  it.effect("numbers what twenty write at once, answers lost, without a gap and without a repetition", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const control = yield* Testing.Control
      yield* control.clear
      yield* control.inject({ on: "commit", fault: "cut-after", nth: [2, 7] })
      const written = yield* Effect.all(
        Array.from({ length: 20 }, (_, i) => storage.write(store, [entry(`${i}a`), entry(`${i}b`)])),
        { concurrency: "unbounded" }
      )
      yield* control.clear
      const stored = yield* Queue.takeAll(yield* changes(storage, store))
      assert.deepStrictEqual(
        stored.map(({ remoteSequence }) => remoteSequence),
        Array.from({ length: 40 }, (_, i) => i + 1)
      )
      assert.sameDeepMembers(numbered(written.flat()), numbered(stored))
    })
  )
})

// Sent as one statement: that is what is stepped through, and what the fence is taken out of.
describeStorage(
  "A reader of an event log",
  layer,
  (it) => {
    const log = {
      layer: SqlEventLogServerUnencrypted.layerStorage(),
      write: (store: EventLogMessage.StoreId, name: string) =>
        Effect.flatMap(Storage, (storage) => storage.write(store, [entry(name)])),
      changes: (storeId: EventLogMessage.StoreId, startSequence: number) =>
        Stream.unwrap(Effect.map(Storage, (storage) => storage.changes({ storeId, startSequence, compactors }))).pipe(
          Stream.map(({ remoteSequence }) => remoteSequence)
        )
    }

    it.effect("misses no entry, in whatever order its writers write and commit", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* missed(log, asItIs), [])
      })
    )

    it.effect("would miss those that commit late, were they numbered by a sequence", () =>
      Effect.gen(function* () {
        yield* Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`CREATE SEQUENCE numbers START 2 CACHE 1`)
        const unordered: Rewrite = (text) =>
          text
            .replace(" FOR UPDATE", "")
            .replace('DO UPDATE SET "next_sequence" = excluded."next_sequence"', "DO NOTHING")
            .replace(
              /COALESCE\(\(SELECT "next_sequence" FROM \S+ LIMIT 1\)::bigint, 1\) \+ entry\.ordinal/,
              "nextval('numbers')"
            )
        assert.deepStrictEqual(yield* missed(log, asItIs, [late]), [])
        assert.deepStrictEqual(yield* missed(log, unordered, [late]), [late.join("")])
      })
    )
  },
  "statement"
)

it.live("A storage of an event log without its tables is refused when it is built", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
    assert.include(
      error.message,
      "EventLogServerUnencrypted needs effect_events, effect_events_session_auth_bindings, effect_events_stores, effect_remote_id"
    )
  }).pipe(Effect.provide(Testing.layer()))
)
