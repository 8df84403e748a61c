/**
 * Properties 2 and 4, of queues: whoever sends and whoever empties the queue meanwhile, a number is given once, and to
 * a message that nobody has passed by already.
 */
import { Queue, Queues, QueuesV2, QueueV2 } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { randomInt, randomUUID } from "node:crypto"
import { describeAlone, inForm } from "../support/persistence.ts"
import { blob } from "../support/rows.ts"
import {
  asItIs,
  interleave,
  mustFail,
  parameters,
  type Runs,
  type Program,
  type Rewrite,
  seed
} from "../support/sessions.ts"

interface Queue {
  readonly send: Program<bigint, unknown>
  /** Takes all messages away, once they are acknowledged. */
  readonly empty: Program<unknown, unknown>
}

const queues: Readonly<Record<string, Program<Queue, unknown>>> = {
  "a queue": Effect.gen(function* () {
    const type = Queue.QueueType.make(randomInt(1, 2 ** 31 - 1))
    const send = Effect.flatMap(Queues.Queues, (store) => store.enqueue(type, blob()))
    const empty = Effect.gen(function* () {
      const store = yield* Queues.Queues
      const upTo = (yield* store.listMessages(type)).items.at(-1)?.id
      if (upTo === undefined) return
      yield* store.acknowledge(type, "consumer", upTo)
      yield* store.deleteMessages(type, { upTo })
    })
    yield* send
    return { send, empty }
  }),
  "a named queue": Effect.gen(function* () {
    const key = { type: 2, name: QueueV2.QueueName.make(randomUUID()) }
    yield* (yield* QueuesV2.QueuesV2).create(key)
    const send = Effect.flatMap(QueuesV2.QueuesV2, (store) => store.enqueue(key, blob()))
    const empty = Effect.gen(function* () {
      const store = yield* QueuesV2.QueuesV2
      const upTo = (yield* store.listMessages(key)).items.at(-1)?.id
      if (upTo !== undefined) yield* store.deleteMessages(key, { upTo })
    })
    yield* send
    return { send, empty }
  })
}

const operations = fc.array(fc.constantFrom("send", "empty"), { minLength: 1, maxLength: 3 })

/** Emptying a queue is many steps, so a session has many turns one after the other. */
const bursts = fc
  .array(fc.tuple(fc.nat(3), fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 60 }))), {
    minLength: 2,
    maxLength: 8
  })
  .map((all) => all.flatMap(([session, turns]) => Array.from({ length: turns }, () => session)))

const meetings = fc.tuple(fc.array(operations, { minLength: 2, maxLength: 4 }), bursts)

type Meeting = typeof meetings extends fc.Arbitrary<infer Found> ? Found : never

const meet = Effect.fnUntraced(function* (queue: Program<Queue, unknown>, meeting: Meeting, rewrite: Rewrite) {
  const [sessions, schedule] = meeting
  const { empty, send } = yield* queue
  const numbers: Array<bigint> = []
  const exits = yield* interleave(
    sessions.map((operations) =>
      Effect.forEach(operations, (operation) =>
        operation === "empty" ? empty : Effect.tap(send, (id) => Effect.sync(() => numbers.push(id)))
      )
    ),
    schedule,
    rewrite
  )
  yield* Effect.forEach(exits, (exit) => exit)
  assert.deepStrictEqual(
    numbers,
    numbers.toSorted((a, b) => Number(a - b)),
    "numbers, in the order of COMMIT"
  )
  assert.strictEqual(new Set(numbers).size, numbers.length, "numbers that were given once")
})

describeAlone(`Whoever sends to a queue (seed ${seed})`, (it) => {
  const check = Effect.fnUntraced(function* (queue: Program<Queue, unknown>, rewrite: Rewrite, runs: Runs) {
    const context = yield* Effect.context<Effect.Services<typeof queue>>()
    const property = fc.asyncProperty(meetings, (meeting) =>
      Effect.runPromiseWith(context)(meet(queue, meeting, rewrite))
    )
    return yield* Effect.promise(() => fc.check(property, runs))
  })

  for (const [name, queue] of Object.entries(queues)) {
    it.effect(`is given a number of ${name} once, and in order`, () =>
      Effect.gen(function* () {
        const result = yield* check(queue, asItIs, parameters(15))
        assert.isFalse(result.failed, `${fc.defaultReportMessage(result)}\n${String(result.errorInstance)}`)
      })
    )
  }

  // What is taken out of it is named as in this form.
  it.layer(inForm("statement"))("as one statement", (it) => {
    it.effect("would be given one twice, were the row that guards the queue only read", () =>
      Effect.gen(function* () {
        const queue = queues["a queue"]
        assert(queue !== undefined)
        const unguarded: Rewrite = (text) =>
          text.replace(/(?<="_guarded_\d+_queue_lock" AS MATERIALIZED \([^)]*) FOR UPDATE/, "")
        const result = yield* check(queue, unguarded, mustFail)
        assert.isTrue(result.failed)
        assert.match(String(result.errorInstance), /numbers/)
      })
    )
  })
})
