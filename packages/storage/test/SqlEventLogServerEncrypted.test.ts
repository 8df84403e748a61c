import { DsqlClient, Transaction } from "@effect-dsql/core"
import { SqlEventLogServerEncrypted } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Queue, Ref, Stream } from "effect"
import { EventJournal, type EventLogEncryption, type EventLogMessage, EventLogServerEncrypted } from "effect/eventlog"
import { randomBytes, randomUUID } from "node:crypto"
import { asItIs, type Rewrite } from "../../../test/sessions.ts"
import { late, missed, newStore } from "./support/log.ts"
import { describeStorage, loseAnswer } from "./support/storage.ts"

const Storage = EventLogServerEncrypted.Storage

type Storage = EventLogServerEncrypted.Storage

type Batch = EventLogEncryption.EncryptedBatch

const newId = () => EventJournal.makeEntryIdUnsafe()

/** A batch of some entries, or of a new one, as a client encrypts it: no two have the same initialization vector. */
const batch = (...[first = newId(), ...rest]: ReadonlyArray<EventJournal.EntryId>): Batch => ({
  entryIds: [first, ...rest],
  iv: Uint8Array.from(randomBytes(12)),
  encryptedBatch: Uint8Array.from(randomBytes(40))
})

const placed = (...batches: ReadonlyArray<readonly [number, Batch]>) =>
  batches.map(([sequence, { encryptedBatch, entryIds, iv }]) => ({ sequence, entryIds, iv, encryptedBatch }))

const numbers = (batches: ReadonlyArray<EventLogEncryption.EncryptedRemoteBatch>) =>
  batches.map(({ sequence }) => sequence)

const key = "key"

const changes = (storage: Storage["Service"], storeId: EventLogMessage.StoreId, startSequence = 0) =>
  Stream.toQueue(storage.changes(key, storeId, startSequence), { capacity: "unbounded" })

/** The storage as another process has it: told of nothing that is written elsewhere. */
const another = (pollInterval: number) => SqlEventLogServerEncrypted.makeStorage({ pollInterval })

const layer = SqlEventLogServerEncrypted.layerStorage({ pollInterval: "1 hour" })

describeStorage("The storage of an encrypted event log", layer, (it) => {
  it.effect("has one id, whichever process asks, and keeps the signing key that a public key came with first", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const other = yield* another(1_000)
      assert.deepStrictEqual(yield* other.getId, yield* storage.getId)
      const [first, second] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
      const publicKey = randomUUID()
      assert.deepStrictEqual(yield* storage.getOrCreateSessionAuthBinding(publicKey, first), first)
      assert.deepStrictEqual(yield* other.getOrCreateSessionAuthBinding(publicKey, second), first)
    })
  )

  it.effect("numbers the entries of a store from 1, and replays their batches before it gives what comes", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const [a, b, c] = [batch(newId(), newId()), batch(), batch(newId(), newId(), newId())]
      assert.deepStrictEqual(yield* storage.write(key, store, [a, b]), placed([1, a], [3, b]))
      const queue = yield* changes(storage, store)
      assert.deepStrictEqual(yield* Queue.takeAll(queue), placed([1, a], [3, b]))
      assert.deepStrictEqual(yield* storage.write(key, store, [c]), placed([4, c]))
      assert.deepStrictEqual(yield* Queue.take(queue), placed([4, c])[0])
      // A number in the middle of a batch asks for the whole of it.
      assert.deepStrictEqual(numbers(yield* Queue.takeAll(yield* changes(storage, store, 5))), [4])
    })
  )

  it.effect("keeps apart stores of one key, keys with one store, and what only looks the same when put together", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const [id, store] = [newId(), newStore()]
      // Any text is a store's id.
      const parts = [`b/${store}`, store].map((text) => text as EventLogMessage.StoreId)
      const scopes = [...parts.map((store, i) => [i === 0 ? "a" : "a/b", store] as const), ["a", store] as const]
      for (const [publicKey, store] of scopes) {
        assert.deepStrictEqual(numbers(yield* storage.write(publicKey, store, [batch(id)])), [1])
      }
    })
  )

  it.effect("stores a batch with an entry that is new, skips one without, and says where each entry was first", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const [x, y, z, never] = [newId(), newId(), newId(), newId()]
      const [first, again, within, mixed] = [batch(x, y), batch(y, x), batch(z), batch(x, z, z)]
      assert.deepStrictEqual(yield* storage.write(key, store, [first, again]), placed([1, first]))
      assert.deepStrictEqual(yield* storage.write(key, store, [again]), [])
      // The third has no entry that the second, in the same call, has not.
      assert.deepStrictEqual(yield* storage.write(key, store, [again, mixed, within]), placed([3, mixed]))
      const acks = yield* storage.entrySequences(key, store, [x, y, z, never])
      assert.sameDeepMembers(
        [...acks],
        [
          { entryId: x, sequence: 1 },
          { entryId: y, sequence: 2 },
          { entryId: z, sequence: 4 }
        ]
      )
      assert.deepStrictEqual(yield* storage.write(key, store, []), [])
      assert.deepStrictEqual(numbers(yield* storage.write(key, store, [batch()])), [6])
    })
  )

  it.effect("writes more batches than a transaction takes, a part in each, and goes on where that broke off", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const many = Array.from({ length: 41 }, () => batch(...Array.from({ length: 100 }, newId)))
      assert.deepStrictEqual(
        numbers(yield* storage.write(key, store, many.slice(0, 30))),
        Array.from({ length: 30 }, (_, i) => i * 100 + 1)
      )
      assert.deepStrictEqual(
        numbers(yield* storage.write(key, store, many)),
        Array.from({ length: 11 }, (_, i) => (30 + i) * 100 + 1)
      )
      assert.lengthOf(yield* Queue.takeAll(yield* changes(storage, store)), 41)
    })
  )

  it.effect("neither loses nor repeats what is written while a reader begins", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      yield* storage.write(key, store, [batch()])
      const starting = yield* Effect.forkChild(changes(storage, store))
      yield* storage.write(key, store, [batch()])
      const queue = yield* Fiber.join(starting)
      yield* storage.write(key, store, [batch()])
      assert.deepStrictEqual(
        numbers([yield* Queue.take(queue), yield* Queue.take(queue), yield* Queue.take(queue)]),
        [1, 2, 3]
      )
    })
  )

  it.effect("gives what another process writes, before its own that came later", () =>
    Effect.gen(function* () {
      const [mine, theirs] = [yield* Storage, yield* another(1_000)]
      const store = newStore()
      const queue = yield* changes(mine, store)
      yield* theirs.write(key, store, [batch()])
      yield* mine.write(key, store, [batch()])
      assert.deepStrictEqual(numbers([yield* Queue.take(queue), yield* Queue.take(queue)]), [1, 2])
    })
  )

  it.effect("is part of the transaction that it is called in, and tells readers once that has committed", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const store = newStore()
      const queue = yield* changes(storage, store)
      const failing = Transaction.run(
        Effect.andThen(storage.write(key, store, [batch()]), Effect.fail("no" as const)),
        { operation: "Refused" }
      )
      assert.strictEqual(yield* Effect.flip(failing), "no")
      const attempts = yield* Ref.make(0)
      const control = yield* Testing.Control
      yield* control.clear
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
      yield* Transaction.run(
        Effect.andThen(
          Ref.update(attempts, (n) => n + 1),
          storage.write(key, store, [batch()])
        ),
        { operation: "Written" }
      )
      assert.strictEqual(yield* Ref.get(attempts), 2)
      assert.strictEqual((yield* Queue.take(queue)).sequence, 1)
    })
  )

  it.effect.each(["before", "after"] as const)(
    "writes once what is written where the answer is lost %s it took effect, and says where",
    (when) =>
      Effect.gen(function* () {
        const storage = yield* Storage
        const store = newStore()
        const [id, a, b] = [newId(), batch(newId(), newId()), batch()]
        yield* storage.write(key, store, [batch(id)])
        const written = yield* Effect.andThen(loseAnswer(when), storage.write(key, store, [batch(id), a, b]))
        assert.deepStrictEqual(written, placed([2, a], [4, b]))
        assert.deepStrictEqual(numbers(yield* storage.write(key, store, [batch()])), [5])
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
        Array.from({ length: 20 }, () => storage.write(key, store, [batch(newId(), newId()), batch()])),
        { concurrency: "unbounded" }
      )
      yield* control.clear
      const stored = yield* Queue.takeAll(yield* changes(storage, store))
      assert.deepStrictEqual(
        stored.flatMap(({ entryIds, sequence }) => entryIds.map((_, i) => sequence + i)),
        Array.from({ length: 60 }, (_, i) => i + 1)
      )
      assert.sameDeepMembers(written.flat(), stored)
    })
  )

  it.effect("refuses a batch that no row takes, and says why", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const large = { ...batch(), encryptedBatch: new Uint8Array(1024 * 1024 + 1) }
      const defect = yield* Effect.catchDefect(storage.write(key, newStore(), [large]), Effect.succeed)
      assert.include(String(defect), "effect_events_batches.encrypted_batch has 1048577 bytes")
    })
  )
})

// Sent as one statement: that is what is stepped through, and what the fence is taken out of.
describeStorage(
  "A reader of an encrypted event log",
  layer,
  (it) => {
    const log = {
      layer: SqlEventLogServerEncrypted.layerStorage(),
      write: (store: EventLogMessage.StoreId) =>
        Effect.flatMap(Storage, (storage) => storage.write(key, store, [batch()])),
      changes: (store: EventLogMessage.StoreId, startSequence: number) =>
        Stream.unwrap(Effect.map(Storage, (storage) => storage.changes(key, store, startSequence))).pipe(
          Stream.map(({ sequence }) => sequence)
        )
    }

    it.effect("misses no batch, in whatever order its writers write and commit", () =>
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
            .replace(/COALESCE\(\(SELECT "next_sequence" FROM \S+ LIMIT 1\)::bigint, 1\)/, "nextval('numbers')")
        assert.deepStrictEqual(yield* missed(log, asItIs, [late]), [])
        assert.deepStrictEqual(yield* missed(log, unordered, [late]), [late.join("")])
      })
    )
  },
  "statement"
)

it.live("A storage of an encrypted event log without its tables is refused when it is built", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
    assert.include(
      error.message,
      "EventLogServerEncrypted needs effect_events_batches, effect_events_ids, effect_events_scopes, effect_events_session_auth_bindings, effect_remote_id"
    )
  }).pipe(Effect.provide(Testing.layer()))
)
