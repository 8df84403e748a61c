/**
 * What is forgotten, and what is kept.
 */
import { DsqlSingleRunner, Retention } from "@effect-dsql/cluster"
import { assert } from "@effect/vitest"
import { DateTime, Effect, Layer, Schedule, Schema, Stream } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import { Activity, DurableDeferred, Workflow } from "effect/workflow"
import { describeCluster, exit, keyed, prefix, process, request, rows, shard } from "./support/cluster.ts"

/** Forgets all that is finished. */
const prune = (prefix: string, batch?: number) =>
  Effect.flatMap(DateTime.now, (now) =>
    Stream.runCollect(Retention.prune({ prefix, batch, finishedBefore: DateTime.add(now, { minutes: 1 }) }))
  )

const requestsOf = (prefix: string) =>
  Effect.map(rows(`SELECT tag FROM cluster_requests WHERE shard_id LIKE '${prefix}/%' ORDER BY tag`), (found) =>
    found.map(({ tag }) => tag)
  )

/** A cluster that asks often, so that nobody waits for it. */
const shardingConfig = {
  entityMessagePollInterval: 50,
  entityReplyPollInterval: 50,
  refreshAssignmentsInterval: 50,
  shardsPerGroup: 2
}

describeCluster("Retention.prune", (it) => {
  it.effect("forgets what was finished before, with its key and its replies, and nothing of another cluster", () =>
    Effect.gen(function* () {
      const mine = yield* process({ prefix: prefix() })
      const theirs = yield* process({ prefix: prefix() })
      const done = yield* Effect.forEach([mine, theirs], ({ messages }) =>
        Effect.gen(function* () {
          const sent = keyed("k")
          yield* messages.saveRequest(sent)
          yield* messages.saveReply(exit(sent))
          return sent
        })
      )
      yield* mine.messages.saveRequest(request())
      const none = yield* Stream.runCollect(
        Retention.prune({ prefix: mine.holding.prefix, finishedBefore: DateTime.makeUnsafe(0) })
      )
      assert.deepStrictEqual(none, [])
      assert.deepStrictEqual(yield* prune(mine.holding.prefix), [1])
      assert.deepStrictEqual(yield* requestsOf(mine.holding.prefix), ["GetUser"])
      assert.strictEqual((yield* mine.messages.unprocessedMessages([shard()])).length, 1)
      // The key is free again there, and still taken here.
      assert.strictEqual((yield* mine.messages.saveRequest(keyed("k")))._tag, "Success")
      assert.strictEqual((yield* theirs.messages.saveRequest(keyed("k")))._tag, "Duplicate")
      const ids = done.map(({ envelope }) => envelope.requestId)
      assert.strictEqual((yield* theirs.messages.repliesForUnfiltered(ids)).length, 1)
    })
  )

  it.effect("goes in pieces, and goes on where it stopped", () =>
    Effect.gen(function* () {
      const { holding, messages } = yield* process({ prefix: prefix() })
      for (let index = 0; index < 5; index++) {
        const sent = request()
        yield* messages.saveRequest(sent)
        yield* messages.saveReply(exit(sent))
      }
      const later = DateTime.add(yield* DateTime.now, { minutes: 1 })
      const counted = Stream.runSum(Retention.count({ prefix: holding.prefix, finishedBefore: later }))
      assert.strictEqual(yield* counted, 5)
      // A run that is stopped has done what it said.
      const stopped = Retention.prune({ prefix: holding.prefix, batch: 1, finishedBefore: later }).pipe(Stream.take(2))
      assert.strictEqual(yield* Stream.runSum(stopped), 2)
      assert.strictEqual(yield* counted, 3)
      assert.deepStrictEqual(yield* prune(holding.prefix, 2), [2, 1])
      assert.strictEqual(yield* counted, 0)
      assert.deepStrictEqual(yield* prune(holding.prefix, 2), [])
    })
  )

  it.effect("keeps a workflow with all that it did until it is complete", () =>
    Effect.gen(function* () {
      const cluster = prefix()
      let paid = 0
      const Approved = DurableDeferred.make("Approved")
      const Order = Workflow.make("Order", { payload: { id: Schema.String }, idempotencyKey: ({ id }) => id })
      const entities = Order.toLayer(() =>
        Effect.gen(function* () {
          yield* Activity.make({ name: "Pay", execute: Effect.sync(() => void paid++) })
          yield* DurableDeferred.await(Approved)
        })
      ).pipe(Layer.provideMerge(ClusterWorkflowEngine.layer))
      yield* Effect.gen(function* () {
        const executionId = yield* Order.execute({ id: "o1" }, { discard: true })
        const token = DurableDeferred.tokenFromExecutionId(Approved, { workflow: Order, executionId })
        // It is suspended once its run has an exit that says so.
        const suspended = rows(
          `SELECT 1 AS one FROM cluster_requests WHERE shard_id LIKE '${cluster}/%' AND tag = 'run' AND finished_at IS NOT NULL`
        )
        yield* Effect.repeat(suspended, { until: (found) => found.length === 1, schedule: Schedule.spaced(20) })
        assert.deepStrictEqual(yield* prune(cluster), [])
        yield* DurableDeferred.succeed(Approved, { token, value: undefined })
        yield* Order.execute({ id: "o1" })
        assert.strictEqual(paid, 1)
      }).pipe(Effect.provide(Layer.provideMerge(entities, DsqlSingleRunner.layer({ prefix: cluster, shardingConfig }))))
      const before = yield* requestsOf(cluster)
      assert.includeMembers(before, ["activity", "deferred", "run"])
      assert.deepStrictEqual(yield* prune(cluster), [before.length])
      assert.deepStrictEqual(yield* requestsOf(cluster), [])
    })
  )

  it.effect("keeps a child for as long as its parent may ask for it again", () =>
    Effect.gen(function* () {
      const cluster = prefix()
      let packed = 0
      const Approved = DurableDeferred.make("Approved")
      const Parcel = Workflow.make("Parcel", { payload: { id: Schema.String }, idempotencyKey: ({ id }) => id })
      const Order = Workflow.make("Order", { payload: { id: Schema.String }, idempotencyKey: ({ id }) => id })
      const parcels = Parcel.toLayer(() => Activity.make({ name: "Pack", execute: Effect.sync(() => void packed++) }))
      const orders = Order.toLayer(({ id }) =>
        Effect.gen(function* () {
          yield* Parcel.execute({ id })
          yield* DurableDeferred.await(Approved)
        })
      )
      const entities = Layer.merge(parcels, orders).pipe(Layer.provideMerge(ClusterWorkflowEngine.layer))
      yield* Effect.gen(function* () {
        const executionId = yield* Order.execute({ id: "o1" }, { discard: true })
        const token = DurableDeferred.tokenFromExecutionId(Approved, { workflow: Order, executionId })
        const waits = rows(
          `SELECT 1 AS one FROM cluster_requests WHERE shard_id LIKE '${cluster}/%' AND entity_type = 'Workflow/Order'
            AND tag = 'run' AND suspended AND EXISTS (SELECT 1 FROM cluster_requests AS child
              WHERE child.shard_id LIKE '${cluster}/%' AND child.entity_type = 'Workflow/Parcel' AND child.tag = 'run'
                AND child.finished_at IS NOT NULL AND NOT child.suspended)`
        )
        yield* Effect.repeat(waits, { until: (found) => found.length === 1, schedule: Schedule.spaced(20) })
        assert.deepStrictEqual(yield* prune(cluster), [])
        yield* DurableDeferred.succeed(Approved, { token, value: undefined })
        yield* Order.execute({ id: "o1" })
        assert.strictEqual(packed, 1)
        // Its end is told before all that woke it has been answered.
        const open = rows(
          `SELECT 1 AS one FROM cluster_requests WHERE shard_id LIKE '${cluster}/%' AND (finished_at IS NULL OR suspended)`
        )
        yield* Effect.repeat(open, { until: (found) => found.length === 0, schedule: Schedule.spaced(20) })
      }).pipe(Effect.provide(Layer.provideMerge(entities, DsqlSingleRunner.layer({ prefix: cluster, shardingConfig }))))
      const before = yield* requestsOf(cluster)
      assert.deepStrictEqual(yield* prune(cluster), [before.length])
    })
  )
})
