import { DsqlClient } from "@effect-dsql/core"
import { type Queue, QueuesV2, QueueV2 } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Result, Stream } from "effect"
import { randomInt, randomUUID } from "node:crypto"
import { blob } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const service = QueuesV2.QueuesV2

const key = (type = randomInt(1, 2 ** 31)): QueueV2.QueueKey => ({
  type,
  name: QueueV2.QueueName.make(`queue ${randomUUID()}`)
})

const given = Effect.gen(function* () {
  const queue = key()
  yield* (yield* service).create(queue)
  return queue
})

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

const send = (queue: QueueV2.QueueKey, count: number) =>
  Effect.flatMap(service, (store) =>
    Effect.forEach(upTo(count), () => {
      const message = blob()
      return Effect.map(store.enqueue(queue, message), (id): Queue.Message => ({ id, message }))
    })
  )

const all = (queue: QueueV2.QueueKey) =>
  Effect.flatMap(service, (store) => Stream.runCollect(store.streamMessages(queue)))

const ids = (messages: ReadonlyArray<Queue.Message>) => messages.map(({ id }) => Number(id))

const stored = (queue: QueueV2.QueueKey) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const rows = yield* sql<{ message_id: bigint }>`
      SELECT message_id FROM queue_messages WHERE queue_name = ${queue.name} ORDER BY message_id`
    return rows.map((row) => Number(row.message_id))
  })

describeStores("A named queue", (it) => {
  it.effect("is created once, by one of eight who create it at once", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = key()
      const outcomes = yield* Effect.all(
        Array.from({ length: 8 }, () => Effect.result(store.create(queue))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(outcomes.filter(Result.isSuccess).length, 1)
      for (const refused of outcomes.filter(Result.isFailure)) {
        assert.deepInclude(refused.failure, { _tag: "QueueExists", queue } as const)
      }
      assert.deepStrictEqual(yield* all(queue), [])
    })
  )

  it.effect("that was not created has no operations", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = key()
      const refused = [
        store.enqueue(queue, blob()),
        store.listMessages(queue),
        store.deleteMessages(queue, { upTo: 1n })
      ]
      for (const operation of refused) {
        const error = yield* Effect.flip(Effect.asVoid<unknown, unknown, never>(operation))
        assert.deepInclude(error, { _tag: "QueueNotFound", queue })
      }
    })
  )

  it.effect("numbers messages from 0 and gives them back in order, from any one on, in pages of any size", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = yield* given
      const sent = yield* send(queue, 12)
      assert.deepStrictEqual(ids(sent), upTo(12))
      for (const size of [1, 5, 12, 100]) {
        assert.deepStrictEqual(yield* Stream.runCollect(store.streamMessages(queue, { size })), sent)
        assert.deepStrictEqual(yield* Stream.runCollect(store.streamMessages(queue, { size, from: 7n })), sent.slice(7))
      }
      assert.deepStrictEqual(yield* store.listMessages(queue, { from: 12n }), { items: [], next: undefined })
      const { next } = yield* store.listMessages(queue, { size: 1 })
      const other = yield* given
      assert.strictEqual((yield* Effect.flip(store.listMessages(other, { token: next })))._tag, "PageTokenInvalid")
    })
  )

  it.effect("takes 100 messages from ten senders of ten processes at once, every one, without gaps", () =>
    Effect.gen(function* () {
      const queue = yield* given
      const stores = yield* Effect.forEach(upTo(10), () =>
        Effect.map(Layer.build(Layer.fresh(QueuesV2.layer)), (context) => Context.get(context, service))
      )
      yield* Effect.forEach(stores, (store) => Effect.forEach(upTo(10), () => store.enqueue(queue, blob())), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(ids(yield* all(queue)), upTo(100))
    }).pipe(Effect.scoped)
  )

  it.effect("deletes a range, says how many messages it was, and keeps the last row, unread", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = yield* given
      assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 5n }), 0)
      const sent = yield* send(queue, 6)
      assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 2n }), 3)
      assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 1n }), 0)
      assert.deepStrictEqual(yield* all(queue), sent.slice(3))
      assert.deepStrictEqual((yield* store.listMessages(queue, { from: 0n, size: 1 })).items, sent.slice(3, 4))
      assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 99n }), 3)
      assert.deepStrictEqual(yield* all(queue), [])
      assert.deepStrictEqual(yield* stored(queue), [5])
      const [next] = yield* send(queue, 1)
      assert.strictEqual(next?.id, 6n)
      assert.deepStrictEqual(ids(yield* all(queue)), [6])
    })
  )

  it.effect("counts each message once, however many delete at once, and never begins earlier again", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = yield* given
      yield* send(queue, 10)
      const deleted = yield* Effect.forEach(
        [2n, 7n, 4n, 1n, 6n],
        (each) => store.deleteMessages(queue, { upTo: each }),
        {
          concurrency: "unbounded"
        }
      )
      assert.strictEqual(
        deleted.reduce((sum, each) => sum + each, 0),
        8
      )
      assert.deepStrictEqual(ids(yield* all(queue)), [8, 9])
    })
  )

  it.effect("deletes more messages than one transaction may, and goes on where it was stopped", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = yield* given
      const { sql } = yield* DsqlClient.DsqlClient
      for (const from of [0, 2_000]) {
        yield* sql`INSERT INTO queue_messages
            (queue_type, queue_name, queue_partition, message_id, message_payload, message_encoding)
          SELECT ${queue.type}::integer, ${queue.name}, 0, n, ${new Uint8Array(4)}::bytea, 'Proto3'
          FROM generate_series(${from}::integer, ${from + 1_999}::integer) AS n`
      }
      assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 3_499n }), 3_500)
      assert.strictEqual((yield* stored(queue)).length, 500)
      // As if the rows of the first ones had been left behind.
      yield* sql`INSERT INTO queue_messages
          (queue_type, queue_name, queue_partition, message_id, message_payload, message_encoding)
        VALUES (${queue.type}, ${queue.name}, 0, 3, ${new Uint8Array(4)}, 'Proto3')`
      assert.strictEqual((yield* store.listMessages(queue, { size: 1 })).items[0]?.id, 3_500n)
      assert.strictEqual(yield* store.deleteMessages(queue, { upTo: 0n }), 0)
      assert.strictEqual((yield* stored(queue)).length, 500)
    })
  )

  it.effect("deletes nothing up to a number that no message has", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = key(1)
      yield* store.create(queue)
      const refused = yield* Effect.flip(store.deleteMessages(queue, { upTo: -1n }))
      assert.include(refused, { _tag: "MessageRangeInvalid", upTo: -1n } as const)
    })
  )

  it.effect("is listed by name with its number of messages and its last one, in pages of any size", () =>
    Effect.gen(function* () {
      const store = yield* service
      const type = randomInt(1, 2 ** 31)
      const queues = Array.from({ length: 7 }, () => key(type)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
      yield* Effect.forEach(queues, (queue) => store.create(queue))
      const [first, second] = queues
      assert(first !== undefined && second !== undefined)
      yield* send(first, 5)
      yield* store.deleteMessages(first, { upTo: 1n })
      yield* send(second, 1)
      yield* store.deleteMessages(second, { upTo: 0n })
      const sent = new Map([
        [first.name, { messages: 3n, lastMessageId: 4n }],
        [second.name, { messages: 0n, lastMessageId: 0n }]
      ])
      const expected = queues.map(({ name }) => ({
        name,
        messages: sent.get(name)?.messages ?? 0n,
        lastMessageId: sent.get(name)?.lastMessageId
      }))
      for (const size of [1, 3, 7, 100]) {
        assert.deepStrictEqual(yield* Stream.runCollect(store.stream(type, { size })), expected)
      }
      assert.isUndefined((yield* store.list(type, { size: 7 })).next)
    })
  )

  it.effect("whose metadata or messages do not decode is named, and the rest of the list can be read", () =>
    Effect.gen(function* () {
      const store = yield* service
      const queue = yield* given
      const sent = yield* send(queue, 3)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE queue_messages SET message_encoding = 'Thrift' WHERE queue_name = ${queue.name} AND message_id = 1`
      const first = yield* store.listMessages(queue)
      assert.deepStrictEqual(first.items, sent.slice(0, 1))
      const malformed = yield* Effect.flip(store.listMessages(queue, { token: first.next }))
      assert(malformed._tag === "MalformedRow")
      assert.include(malformed.message, "message_id = 1")
      assert.deepStrictEqual((yield* store.listMessages(queue, { token: malformed.next })).items, sent.slice(2))
      // No partition, two partitions, a cut message, another encoding.
      for (const [payload, encoding] of [
        ["", "Proto3"],
        ["0a04080012000a0408011200", "Proto3"],
        ["0a0408", "Proto3"],
        ["0a0408001200", "Thrift"]
      ] as const) {
        yield* sql`UPDATE queues SET metadata_payload = ${new Uint8Array(Buffer.from(payload, "hex"))},
          metadata_encoding = ${encoding} WHERE queue_name = ${queue.name}`
        for (const operation of [
          store.listMessages(queue),
          store.deleteMessages(queue, { upTo: 1n }),
          store.list(queue.type)
        ]) {
          const error = yield* Effect.flip(Effect.asVoid<unknown, unknown, never>(operation))
          assert.deepInclude(error, { _tag: "MalformedRow", table: "queues" })
        }
      }
    })
  )
})
