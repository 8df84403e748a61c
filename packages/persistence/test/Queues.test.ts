import { DsqlClient } from "@effect-dsql/core"
import { Queue, Queues } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { randomInt } from "node:crypto"
import { blob } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const service = Queues.Queues

/** Stores with senders of their own, as ten processes have them. */
const processes = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () =>
    Effect.map(Layer.build(Layer.fresh(Queues.layer)), (context) => Context.get(context, service))
  )

const all = (queue: Queue.QueueType, request: Queue.MessageRange = {}) =>
  Effect.flatMap(service, (store) => Stream.runCollect(store.streamMessages(queue, request)))

const ids = (messages: ReadonlyArray<Queue.Message>) => messages.map(({ id }) => Number(id))

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

const send = (queue: Queue.QueueType, count: number) =>
  Effect.flatMap(service, (store) =>
    Effect.forEach(upTo(count), () => {
      const message = blob()
      return Effect.map(store.enqueue(queue, message), (id): Queue.Message => ({ id, message }))
    })
  )

/** The contract of a queue and of its dead letter queue. */
const suite = (name: string, make: () => Queue.QueueType) =>
  describeStores(`A ${name}`, (it) => {
    it.effect("numbers messages from 0 and gives them back in order, in pages of any size", () =>
      Effect.gen(function* () {
        const queue = make()
        assert.deepStrictEqual(yield* all(queue), [])
        const sent = yield* send(queue, 12)
        assert.deepStrictEqual(ids(sent), upTo(12))
        const store = yield* service
        for (const size of [1, 5, 12, 100]) {
          assert.deepStrictEqual(yield* Stream.runCollect(store.streamMessages(queue, { size })), sent)
        }
        assert.isUndefined((yield* store.listMessages(queue, { size: 12 })).next)
      })
    )

    it.effect("is read after one message, up to another that is included", () =>
      Effect.gen(function* () {
        const queue = make()
        const sent = yield* send(queue, 10)
        const store = yield* service
        assert.deepStrictEqual(yield* all(queue, { after: 3n }), sent.slice(4))
        assert.deepStrictEqual(yield* all(queue, { after: 3n, upTo: 7n }), sent.slice(4, 8))
        const range = { after: -1n, upTo: 7n, size: 3 }
        assert.deepStrictEqual(yield* Stream.runCollect(store.streamMessages(queue, range)), sent.slice(0, 8))
        assert.deepStrictEqual((yield* store.listMessages(queue, { after: 9n })).items, [])
      })
    )

    it.effect("takes 100 messages from ten senders of ten processes at once, every one, without gaps", () =>
      Effect.gen(function* () {
        const queue = make()
        const stores = yield* processes(10)
        const sent = yield* Effect.forEach(
          stores,
          (store) =>
            Effect.forEach(upTo(10), () => {
              const message = blob()
              return Effect.map(store.enqueue(queue, message), (id): Queue.Message => ({ id, message }))
            }),
          { concurrency: "unbounded" }
        )
        const inOrder = sent.flat().toSorted((a, b) => Number(a.id - b.id))
        assert.deepStrictEqual(ids(inOrder), upTo(100))
        assert.deepStrictEqual(yield* all(queue), inOrder)
        // What one sender sent after another message of his has the higher number.
        for (const own of sent)
          assert.deepStrictEqual(
            ids(own),
            ids(own).toSorted((a, b) => a - b)
          )
      }).pipe(Effect.scoped)
    )

    it.effect("takes 100 messages from ten senders of one process at once", () =>
      Effect.gen(function* () {
        const queue = make()
        yield* Effect.forEach(upTo(10), () => send(queue, 10), { concurrency: "unbounded" })
        assert.deepStrictEqual(ids(yield* all(queue)), upTo(100))
      })
    )

    it.effect("loses the messages that are deleted, one, a range, and those before one", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        yield* send(queue, 20)
        assert.strictEqual(yield* store.deleteMessages(queue, { after: 4n, upTo: 5n }), 1)
        assert.strictEqual(yield* store.deleteMessages(queue, { after: 9n, upTo: 14n }), 5)
        assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 2n }), 3)
        assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 2n }), 0)
        assert.deepStrictEqual(ids(yield* all(queue)), [3, 4, 6, 7, 8, 9, 15, 16, 17, 18, 19])
        assert.deepStrictEqual(ids(yield* send(queue, 1)), [20])
      })
    )

    it.effect("deletes more messages than one transaction may", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        const { sql } = yield* DsqlClient.DsqlClient
        for (const from of [0, 2_000]) {
          yield* sql`INSERT INTO queue (queue_type, message_id, message_payload, message_encoding)
            SELECT ${queue}::integer, n, ${new Uint8Array(4)}::bytea, 'Proto3'
            FROM generate_series(${from}::integer, ${from + 1_999}::integer) AS n`
        }
        assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 3_499n }), 3_500)
        assert.strictEqual((yield* all(queue)).length, 500)
      })
    )

    it.effect("never numbers a message so that a cluster would not see it, also after all were deleted", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        yield* send(queue, 10)
        yield* store.acknowledge(queue, "a", 9n)
        yield* store.acknowledge(queue, "b", 4n)
        assert.strictEqual(yield* store.deleteMessages(queue, {}), 10)
        const [next] = yield* send(queue, 1)
        assert.deepStrictEqual(ids(yield* all(queue, { after: 9n })), [10])
        assert.strictEqual(next?.id, 10n)
      })
    )

    it.effect("keeps the acknowledgements of each cluster independently, and takes none back", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        assert.deepStrictEqual(yield* store.ackLevels(queue), { version: 0n, levels: {} })
        yield* store.acknowledge(queue, "a", 10n)
        assert.deepStrictEqual(yield* store.ackLevels(queue), { version: 1n, levels: { a: 10n } })
        yield* store.acknowledge(queue, "a", 20n)
        yield* store.acknowledge(queue, "b", 25n)
        yield* store.acknowledge(queue, "a", 15n)
        assert.deepStrictEqual(yield* store.ackLevels(queue), { version: 3n, levels: { a: 20n, b: 25n } })
      })
    )

    it.effect("keeps every acknowledgement of ten clusters that come at once", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        yield* Effect.forEach(upTo(10), (n) => store.acknowledge(queue, `cluster ${n}`, BigInt(n)), {
          concurrency: "unbounded"
        })
        const { levels, version } = yield* store.ackLevels(queue)
        assert.deepStrictEqual(levels, Object.fromEntries(upTo(10).map((n) => [`cluster ${n}`, BigInt(n)])))
        assert.strictEqual(version, 10n)
      })
    )

    it.effect("replaces the acknowledgements only for whoever has their version", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        const early = yield* Effect.flip(store.updateAckLevels(queue, { a: 1n }, 7n))
        assert.include(early, { _tag: "ConditionFailed", expected: 7n, actual: undefined } as const)
        yield* store.updateAckLevels(queue, { a: 1n }, 0n)
        const stale = yield* Effect.flip(store.updateAckLevels(queue, { a: 2n }, 0n))
        assert.include(stale, { _tag: "ConditionFailed", expected: 0n, actual: 1n } as const)
        assert.include(stale.message, `queue_metadata(queue_type = ${queue}).version`)
        assert.deepStrictEqual(yield* store.ackLevels(queue), { version: 1n, levels: { a: 1n } })
        // A queue as Temporal's own store begins it.
        const other = make()
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`INSERT INTO queue_metadata (queue_type, data, data_encoding, version)
          VALUES (${other}, ${new TextEncoder().encode("{}")}, 'Json', 0)`
        yield* store.updateAckLevels(other, { a: 1n }, 0n)
        const [row] = yield* sql<{ data: Uint8Array }>`SELECT data FROM queue_metadata WHERE queue_type = ${other}`
        assert.strictEqual(new TextDecoder().decode(row?.data), `{"clusterAckLevels":{"a":"1"}}`)
      })
    )

    it.effect("names a message or acknowledgements that do not decode, and gives the other messages", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        const sent = yield* send(queue, 4)
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`UPDATE queue SET message_encoding = 'Thrift' WHERE queue_type = ${queue} AND message_id = 2`
        const first = yield* store.listMessages(queue)
        assert.deepStrictEqual(first.items, sent.slice(0, 2))
        const malformed = yield* Effect.flip(store.listMessages(queue, { token: first.next }))
        assert(malformed._tag === "MalformedRow")
        assert.include(malformed.message, `queue (queue_type = ${queue}, message_id = 2)`)
        assert.include(malformed.message, "message_encoding")
        assert.deepStrictEqual((yield* store.listMessages(queue, { token: malformed.next })).items, sent.slice(3))
        for (const text of ["nonsense", `{"clusterAckLevels":{"a":"x"}}`]) {
          yield* sql`UPDATE queue_metadata SET data = ${new TextEncoder().encode(text)} WHERE queue_type = ${queue}`
          const unreadable = yield* Effect.flip(store.ackLevels(queue))
          assert.include(unreadable, { _tag: "MalformedRow", table: "queue_metadata" } as const)
          assert.include(unreadable.message, "data")
        }
      })
    )

    it.effect("refuses a message that no column could hold, and another queue's page token", () =>
      Effect.gen(function* () {
        const queue = make()
        const store = yield* service
        const message = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
        const refused = yield* Effect.flip(store.enqueue(queue, message))
        assert.include(refused, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
        yield* send(queue, 2)
        const { next } = yield* store.listMessages(queue, { size: 1 })
        assert.strictEqual((yield* Effect.flip(store.listMessages(make(), { token: next })))._tag, "PageTokenInvalid")
      })
    )
  })

const queueType = () => Queue.QueueType.make(randomInt(1, 2 ** 31))

suite("queue", queueType)
suite("dead letter queue", () => Queue.deadLetters(queueType()))
