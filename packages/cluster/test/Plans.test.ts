/**
 * What each statement reads of tables that are full: what it is about, found by an index, and nothing else.
 */
import { Retention } from "@effect-dsql/cluster"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Stream } from "effect"
import { Runner } from "effect/cluster"
import * as Plans from "../../../test/plans.ts"
import { table } from "../../../test/roundTrips.ts"
import {
  ack,
  address,
  chunk,
  exit,
  interrupt,
  keyed,
  prefix,
  process,
  requestIn,
  rows,
  shard,
  streamed
} from "./support/cluster.ts"
import { analyse, fill, Listener, Tables } from "./support/filled.ts"
import { operations } from "./support/operations.ts"

const shards = (count: number) => Array.from({ length: count }, (_, index) => shard(index + 1))

/** Runs a program, and gives the plan of each statement that it sends beside what comes of it. */
const plansOf = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { take } = yield* Listener
    take()
    const value = yield* program
    return { value, plans: take().map(planned) }
  })

const planned = ({ root, text }: Plans.Plan) => {
  const nodes = Plans.parts(root).map(({ node }) => node)
  return {
    text,
    read: Plans.scannedOf(root),
    /** Tables that were read from end to end. */
    scanned: nodes.flatMap((node) => (node["Node Type"] === "Seq Scan" ? (node["Relation Name"] ?? []) : [])),
    /** The most rows that one part of it sorted. */
    sorted: Math.max(0, ...nodes.map((node) => (node["Node Type"].includes("Sort") ? Plans.given(node) : 0)))
  }
}

const readOf = ({ read }: ReturnType<typeof planned>) => Object.values(read).reduce((sum, rows) => sum + rows, 0)

/** Runs an operation that may read so many rows in each of its statements, of all tables together. */
const reading = <A, E>(what: string, most: number, operation: Effect.Effect<A, E>) =>
  Effect.map(plansOf(operation), ({ plans, value }) => {
    for (const plan of plans) {
      const said = `to ${what}: ${JSON.stringify(plan.read)}\n${plan.text}`
      assert.deepStrictEqual(
        // A slot is looked for among all of them, of which there are 1,024.
        plan.scanned.filter((table) => table !== "cluster_runners" || what !== "register a runner"),
        [],
        said
      )
      assert.isAtMost(readOf(plan), most, said)
      assert.isAtMost(plan.sorted, 50, said)
    }
    return value
  })

/** What each of several clusters has in them. */
const crowd = { shards: 3_001, waiting: 20_000, finished: 20_000 }

/** The tables, which clusters fill that nobody here is about. */
const Shared = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* fill({ ...crowd, prefix: prefix() })
    yield* fill({ ...crowd, prefix: prefix() })
    yield* rows(`INSERT INTO cluster_runners (machine_id, cluster, owner, address, runner, healthy, expires_at)
      SELECT n, 'c' || n % 9, gen_random_uuid(), 'h' || n || ':1', '{}', true, now() + interval '1 hour'
      FROM generate_series(0, 1000) AS n`)
  })
).pipe(Layer.provideMerge(Tables))

/** A cluster that fills them too. */
const filled = Effect.gen(function* () {
  const cluster = prefix()
  yield* fill({ ...crowd, prefix: cluster })
  yield* analyse
  return yield* process({ prefix: cluster })
})

layer(Shared, { excludeTestServices: true })("Statements on full tables", (it) => {
  it.effect("find by indexes what they are about, and sort no more than they give", () =>
    Effect.gen(function* () {
      const { address: host, messages, runners } = yield* filled
      const runner = Runner.make({ address: host, groups: ["default"], weight: 1 })
      yield* reading("register a runner", 1_024, runners.register(runner, true))
      yield* reading("list the runners", 1, runners.getRunners)
      yield* reading("set a runner's health", 1, runners.setRunnerHealth(host, true))
      yield* reading("acquire 100 shards", 100, runners.acquire(host, shards(100)))
      yield* reading("refresh 100 shards", 101, runners.refresh(host, shards(100)))
      yield* reading("renew a slot", 1, runners.refresh(host, []))
      yield* reading("poll for 50 messages", 200, messages.unprocessedMessages(shards(100), { limit: 50 }))

      const [sent, keyedOne] = [streamed(), keyed("k")]
      const { requestId } = sent.envelope
      yield* reading("save a request", 1, messages.saveRequest(sent))
      yield* reading("save a request with a key", 1, messages.saveRequest(keyedOne))
      yield* reading("save it again", 6, messages.saveRequest(keyed("k")))
      const many = Array.from({ length: 50 }, (_, index) => keyed(`k${index}`))
      const saveMany = Effect.forEach(many, (each) => messages.saveRequest(each), { concurrency: "unbounded" })
      yield* reading("save 50 requests at once", 50, saveMany)
      yield* reading("save them again", 50 * 6, saveMany)
      const key = { address: keyedOne.envelope.address, tag: "Keyed", id: "k" }
      yield* reading("find a request by its key", 1, messages.requestIdForPrimaryKey(key))
      const incoming = requestIn(yield* reading("poll by an id", 4, messages.unprocessedMessagesById([requestId])))
      const said = chunk(sent, 0)
      yield* reading("save a chunk", 6, incoming.respond(said))
      yield* reading("read what nobody has acknowledged", 1, messages.repliesFor([sent]))
      yield* reading("acknowledge a chunk", 8, messages.saveEnvelope(ack(sent, said)))
      yield* reading("save an interrupt", 4, messages.saveEnvelope(interrupt(sent)))
      yield* reading("save an exit", 10, incoming.respond(exit(sent)))
      const handedOut = (yield* messages.unprocessedMessages([shard()])).map((message) => requestIn([message]))
      const answers = Effect.forEach(
        many.flatMap((each) => handedOut.find(({ envelope }) => envelope.requestId === each.envelope.requestId) ?? []),
        (message, place) => message.respond(exit(many[place] ?? sent)),
        { concurrency: "unbounded" }
      )
      yield* reading("save 50 exits at once", 50 * 9 + 1, answers)
      yield* reading("read all replies", 2, messages.repliesForUnfiltered([requestId]))
      yield* reading("clear an exit", 8, messages.clearReplies(requestId))
      yield* reading("clear an address", 10, messages.clearAddress(address("e300", shard(301))))
      yield* reading("release a shard", 1, runners.release(host, shard(1)))
      yield* reading("release all shards", 200, runners.releaseAll(host))
      yield* reading("unregister", 1, runners.unregister(host))
    })
  )

  it.effect("of what is forgotten read what goes, and of each shard one row", () =>
    Effect.gen(function* () {
      const { holding } = yield* filled
      const finishedBefore = yield* DateTime.now
      const forgotten = Retention.prune({ prefix: holding.prefix, finishedBefore })
      const { plans, value } = yield* plansOf(Stream.runSum(Stream.take(forgotten, 4)))
      assert.strictEqual(value, 1_200)
      assert.deepStrictEqual(
        plans.flatMap(({ scanned }) => scanned),
        []
      )
      const [places, page, ...transactions] = plans.map(readOf)
      assert.isAtMost(places ?? 0, 2 * 3_001 + 2)
      assert.isAtMost(page ?? 0, 3_000)
      // Each of four parts finds its 300 requests; a key and a reply of each go.
      for (const read of transactions) assert.isAtMost(read, 300 * 7)
    })
  )

  it.effect(
    "of 100,000 messages on 3,001 shards read those that a poll gives, however many requests are finished",
    () =>
      Effect.gen(function* () {
        const { address: host, holding, messages, runners } = yield* process({ prefix: prefix() })
        const held = shards(3_001)
        const filling = { prefix: holding.prefix, shards: held.length }
        yield* fill({ ...filling, waiting: 100_000, finished: 0 })
        yield* analyse
        yield* runners.acquire(host, held)
        const poll = messages.unprocessedMessages(held, { limit: 1_024 })
        const twice = Effect.gen(function* () {
          const { plans, value } = yield* plansOf(Effect.all([poll, poll]))
          assert.strictEqual(new Set(value.flat().map(({ envelope }) => envelope.requestId)).size, 2_048)
          for (const { read, scanned } of plans) {
            assert.deepStrictEqual(scanned, [])
            assert.isAtMost(read["cluster_inbox"] ?? 0, 1_100)
            assert.isAtMost(read["cluster_shards"] ?? 0, 40)
            assert.deepStrictEqual([read["cluster_requests"], read["cluster_replies"]], [1_024, 0])
          }
        })
        yield* twice
        yield* fill({ ...filling, waiting: 0, finished: 100_000 })
        yield* analyse
        yield* messages.resetShards(held)
        yield* twice
      })
  )

  it.effect(
    "of a shard with 10,000 messages read page after page, and what is handed out already in the inbox alone",
    () =>
      Effect.gen(function* () {
        const { address: host, holding, messages, runners } = yield* process({ prefix: prefix() })
        yield* fill({ prefix: holding.prefix, shards: 1, waiting: 10_000, finished: 0 })
        yield* analyse
        yield* runners.acquire(host, [shard()])
        let handedOut = 0
        while (handedOut < 10_000) {
          const { plans, value } = yield* plansOf(messages.unprocessedMessages([shard()], { limit: 1_024 }))
          const size = Math.min(1_024, 10_000 - handedOut)
          assert.strictEqual(value.length, size)
          handedOut += size
          for (const { read } of plans) {
            assert.deepStrictEqual([read["cluster_inbox"], read["cluster_requests"]], [handedOut, size])
          }
        }
        const { plans, value } = yield* plansOf(messages.unprocessedMessages([shard()], { limit: 1_024 }))
        assert.deepStrictEqual([value, plans.map(({ read }) => read["cluster_requests"])], [[], [0]])
      })
  )
})

layer(Layer.fresh(Shared), { excludeTestServices: true })("Operations on full tables", (it) => {
  it.effect("read as many rows as the page on round trips says", () =>
    Effect.gen(function* () {
      yield* filled
      const counted = yield* Effect.forEach(Object.entries(operations), ([operation, readied]) =>
        Effect.map(Effect.flatMap(readied, plansOf), ({ plans }) => [
          operation,
          plans.reduce((sum, plan) => sum + readOf(plan), 0)
        ])
      )
      assert.deepStrictEqual(
        counted,
        table("Effect Cluster").map(([operation, , , rows]) => [operation, Number(rows?.replaceAll(",", ""))])
      )
    }).pipe(Effect.scoped)
  )
})
