import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { type DataBlob, Queue, Queues, QueuesV2, QueueV2 } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { randomInt, randomUUID } from "node:crypto"
import * as Log from "../src/internal/queues/messageLog.ts"
import { loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob } from "./support/rows.ts"
import { describeEmulated, describeStores } from "./support/persistence.ts"

const queueType = () => Queue.QueueType.make(randomInt(1, 2 ** 31))

/** A queue of either kind, as far as sending goes. */
interface Sending {
  readonly enqueue: (message: DataBlob.DataBlob) => Effect.Effect<bigint, { readonly _tag: string }>
  readonly messages: Effect.Effect<ReadonlyArray<Queue.Message>, { readonly _tag: string }>
  /** Another process that sends to it. */
  readonly other: Effect.Effect<(message: DataBlob.DataBlob) => Effect.Effect<bigint, { readonly _tag: string }>>
}

const fresh = <I, S, R>(tag: Context.Service<I, S>, of: Layer.Layer<I, never, R>) =>
  Effect.map(Effect.scoped(Layer.build(Layer.fresh(of))), (context) => Context.get(context, tag))

const numbered = Effect.gen(function* () {
  const store = yield* Queues.Queues
  const client = yield* DsqlClient.DsqlClient
  const queue = queueType()
  const sending: Sending = {
    enqueue: (message) => store.enqueue(queue, message),
    messages: Stream.runCollect(store.streamMessages(queue)),
    other: Effect.map(
      fresh(Queues.Queues, Queues.layer),
      (another) => (message: DataBlob.DataBlob) => another.enqueue(queue, message)
    ).pipe(Effect.provideService(DsqlClient.DsqlClient, client))
  }
  return sending
})

const named = Effect.gen(function* () {
  const store = yield* QueuesV2.QueuesV2
  const client = yield* DsqlClient.DsqlClient
  const queue = { type: queueType(), name: QueueV2.QueueName.make(randomUUID()) }
  yield* store.create(queue)
  const sending: Sending = {
    enqueue: (message) => store.enqueue(queue, message),
    messages: Stream.runCollect(store.streamMessages(queue)),
    other: Effect.map(
      fresh(QueuesV2.QueuesV2, QueuesV2.layer),
      (another) => (message: DataBlob.DataBlob) => another.enqueue(queue, message)
    ).pipe(Effect.provideService(DsqlClient.DsqlClient, client))
  }
  return sending
})

const suite = <E>(
  name: string,
  given: Effect.Effect<Sending, E, Queues.Queues | QueuesV2.QueuesV2 | DsqlClient.DsqlClient>
) =>
  describeEmulated(`A message to a ${name} queue`, (it) => {
    it.effect("is one round trip to send and one to read, from the second one on", () =>
      Effect.gen(function* () {
        const queue = yield* given
        yield* queue.enqueue(blob())
        yield* queue.enqueue(blob())
        assert.strictEqual(yield* roundTrips(Effect.suspend(() => queue.enqueue(blob()))), 1)
        assert.strictEqual(yield* roundTrips(queue.messages), 1)
      })
    )

    it.effect("whose answer was lost is there once, and has its number", () =>
      Effect.gen(function* () {
        const queue = yield* given
        const [first, second, third] = [blob(), blob(), blob()]
        yield* queue.enqueue(first)
        yield* loseAnswer("after")
        assert.strictEqual(yield* queue.enqueue(second), 1n)
        assert.strictEqual(yield* queue.enqueue(third), 2n)
        assert.deepStrictEqual(
          (yield* queue.messages).map(({ message }) => message),
          [first, second, third]
        )
      })
    )

    it.effect("that was lost before it took effect is known not to be there, and can be sent again", () =>
      Effect.gen(function* () {
        const queue = yield* given
        const message = blob()
        yield* queue.enqueue(blob())
        yield* loseAnswer("before")
        assert.strictEqual((yield* Effect.flip(queue.enqueue(message)))._tag, "ConnectionLost")
        assert.strictEqual(yield* queue.enqueue(message), 1n)
        assert.strictEqual((yield* queue.messages).length, 2)
      })
    )

    it.effect("is told from those that others send meanwhile, unless they send the same bytes", () =>
      Effect.gen(function* () {
        const queue = yield* given
        const other = yield* queue.other
        yield* queue.enqueue(blob())
        yield* other(blob())
        yield* loseAnswer("after")
        assert.strictEqual(yield* queue.enqueue(blob()), 2n)
        const message = blob()
        yield* other(message)
        yield* loseAnswer("after")
        assert.strictEqual((yield* Effect.flip(queue.enqueue(message)))._tag, "CommitOutcomeUnknown")
        assert.strictEqual(yield* queue.enqueue(blob()), 5n)
      })
    )
  })

suite("numbered", numbered)
suite("named", named)

describeEmulated("The answer that is lost", (it) => {
  it.effect("of the first message of a queue is found if it is there, and unknown if it is not", () =>
    Effect.gen(function* () {
      const store = yield* Queues.Queues
      const queue = queueType()
      // It might have come, been read and been deleted: an empty queue does not tell.
      yield* loseAnswer("before")
      assert.strictEqual((yield* Effect.flip(store.enqueue(queue, blob())))._tag, "CommitOutcomeUnknown")
      assert.deepStrictEqual((yield* store.listMessages(queue)).items, [])
      const message = blob()
      yield* loseAnswer("after")
      assert.strictEqual(yield* store.enqueue(queue, message), 0n)
      assert.deepStrictEqual((yield* store.listMessages(queue)).items, [{ id: 0n, message }])
    })
  )

  it.effect("of an acknowledgement is settled by acknowledging again, with the version that it expected", () =>
    Effect.gen(function* () {
      const store = yield* Queues.Queues
      const queue = queueType()
      for (const [when, expected] of [
        ["before", 0n],
        ["after", 1n],
        ["before", 2n]
      ] as const) {
        yield* loseAnswer(when)
        yield* store.updateAckLevels(queue, { a: expected }, expected)
      }
      assert.deepStrictEqual(yield* store.ackLevels(queue), { version: 3n, levels: { a: 2n } })
    })
  )

  it.effect("of a queue's creation and of a deletion is settled by what is there", () =>
    Effect.gen(function* () {
      const v2 = yield* QueuesV2.QueuesV2
      const named = { type: queueType(), name: QueueV2.QueueName.make("named") }
      yield* loseAnswer("before")
      yield* v2.create(named)
      // That the queue is there does not tell who created it.
      yield* loseAnswer("after")
      const another = { ...named, name: QueueV2.QueueName.make("another") }
      assert.strictEqual((yield* Effect.flip(v2.create(another)))._tag, "CommitOutcomeUnknown")
      assert.deepStrictEqual((yield* v2.listMessages(another)).items, [])
      for (const _ of [0, 1, 2, 3]) yield* v2.enqueue(named, blob())
      yield* loseAnswer("before")
      assert.strictEqual((yield* Effect.flip(v2.deleteMessages(named, { upTo: 1n })))._tag, "ConnectionLost")
      yield* loseAnswer("after")
      assert.strictEqual(yield* v2.deleteMessages(named, { upTo: 1n }), 2)
      assert.deepStrictEqual(
        (yield* v2.listMessages(named)).items.map(({ id }) => id),
        [2n, 3n]
      )
    })
  )

  it.effect("leaves the other operations with the round trips that they say", () =>
    Effect.gen(function* () {
      const store = yield* Queues.Queues
      const queue = queueType()
      assert.strictEqual(yield* roundTrips(store.ackLevels(queue)), 1)
      assert.strictEqual(yield* roundTrips(Effect.suspend(() => store.enqueue(queueType(), blob()))), 5)
      let level = 0n
      assert.strictEqual(yield* roundTrips(Effect.suspend(() => store.acknowledge(queue, "a", ++level))), 2)
      const update = Effect.suspend(() => store.updateAckLevels(queue, {}, level++))
      assert.strictEqual(yield* roundTrips(update), 1)
      assert.strictEqual(yield* roundTrips(store.deleteMessages(queue, {})), 1)
      const v2 = yield* QueuesV2.QueuesV2
      const named = () => ({ type: queue, name: QueueV2.QueueName.make(randomUUID()) })
      assert.strictEqual(yield* roundTrips(Effect.suspend(() => v2.create(named()))), 1)
      assert.strictEqual(yield* roundTrips(v2.list(queue)), 1)
      const full = named()
      yield* v2.create(full)
      for (const _ of [0, 1, 2, 3, 4, 5, 6]) yield* v2.enqueue(full, blob())
      let upTo = -1n
      assert.strictEqual(yield* roundTrips(Effect.suspend(() => v2.deleteMessages(full, { upTo: (upTo += 2n) }))), 4)
      assert.strictEqual(yield* roundTrips(v2.listMessages(full, { from: 4n })), 1)
      assert.strictEqual(yield* roundTrips(v2.listMessages(full)), 2)
    })
  )
})

const log = (queue: Queue.QueueType): Log.Log => ({
  guard: { table: "queue_metadata", key: { queue_type: queue } },
  messages: { table: "queue", key: { queue_type: queue } },
  keepsLast: false
})

describeStores("A message that is still under way", (it) => {
  const underWay = (settle: (log: Log.Log, message: DataBlob.DataBlob) => ReturnType<typeof Log.find>) =>
    Effect.gen(function* () {
      const store = yield* Queues.Queues
      const queue = queueType()
      yield* store.enqueue(queue, blob())
      const message = blob()
      const written = yield* Deferred.make<void>()
      const settled = yield* Deferred.make<void>()
      const body = Effect.andThen(
        Log.append(log(queue), message, undefined, Effect.die("the queue has messages")),
        Effect.andThen(Deferred.succeed(written, undefined), Deferred.await(settled))
      )
      const sender = yield* Transaction.run(body, { policy: RetryPolicy.none }).pipe(Effect.result, Effect.forkChild)
      yield* Deferred.await(written)
      const outcome = yield* Transaction.run(settle(log(queue), message))
      yield* Deferred.succeed(settled, undefined)
      return { outcome, committed: (yield* Fiber.join(sender))._tag === "Success" }
    })

  it.effect("never comes once it has been found missing", () =>
    Effect.gen(function* () {
      const { committed, outcome } = yield* underWay((of, message) => Log.find(of, message, 0n))
      assert.deepStrictEqual(outcome, Transaction.notCommitted)
      assert.isFalse(committed)
    })
  )

  it.effect("would come after all if the queue's row were not taken to look for it", () =>
    Effect.gen(function* () {
      const another = queueType()
      yield* Effect.flatMap(Queues.Queues, (store) => store.enqueue(another, blob()))
      const elsewhere = (of: Log.Log): Log.Log => ({ ...of, guard: { ...of.guard, key: { queue_type: another } } })
      const { committed, outcome } = yield* underWay((of, message) => Log.find(elsewhere(of), message, 0n))
      assert.deepStrictEqual(outcome, Transaction.notCommitted)
      assert.isTrue(committed)
    })
  )
})

describeStores("A sender whose queue is emptied and begun anew meanwhile", (it) => {
  const race = (append: (queue: Queue.QueueType) => Effect.Effect<unknown, unknown, Transaction.Transaction>) =>
    Effect.gen(function* () {
      const store = yield* Queues.Queues
      const queue = queueType()
      for (const _ of [0, 1, 2]) yield* store.enqueue(queue, blob())
      const begun = yield* Deferred.make<void>()
      const emptied = yield* Deferred.make<void>()
      const body = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* sql`SELECT 1 AS one FROM queue LIMIT 1`
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(emptied)
        yield* append(queue)
      })
      const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })
      const sender = yield* Transaction.run(body, { policy }).pipe(Effect.forkChild)
      yield* Deferred.await(begun)
      yield* store.deleteMessages(queue, {})
      yield* store.enqueue(queue, blob())
      yield* Deferred.succeed(emptied, undefined)
      yield* Fiber.join(sender)
      return (yield* store.listMessages(queue)).items.map(({ id }) => id)
    })

  it.effect("leaves no gap", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* race((queue) => Log.append(log(queue), blob(), undefined, Effect.die("the queue has messages"))),
        [0n, 1n]
      )
    })
  )

  it.effect("would leave a gap if it did not take the queue's row", () =>
    Effect.gen(function* () {
      const unguarded = (queue: Queue.QueueType) =>
        Effect.flatMap(
          Transaction.sql,
          (sql) => sql`
            INSERT INTO queue (queue_type, message_id, message_payload, message_encoding)
            SELECT ${queue}::integer, max(message_id) + 1, ${blob().data}::bytea, 'Proto3'
            FROM queue WHERE queue_type = ${queue}`
        )
      assert.deepStrictEqual(yield* race(unguarded), [0n, 3n])
    })
  )
})
