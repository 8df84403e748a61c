/**
 * Effect Cluster and Workflow on these storages, from a client's call to the rows.
 */
import { ClusterFence, DsqlSingleRunner } from "@effect-dsql/cluster"
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch, Layer, Schema } from "effect"
import { ClusterSchema, ClusterWorkflowEngine, Entity } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"
import { describeCluster, prefix, rows } from "./support/cluster.ts"
import { fleet } from "./support/fleet.ts"

const quick = {
  entityMessagePollInterval: 50,
  entityReplyPollInterval: 50,
  refreshAssignmentsInterval: 50,
  shardsPerGroup: 4
}

const single = <A, E, R>(entities: Layer.Layer<A, E, R>) =>
  Layer.provideMerge(entities, DsqlSingleRunner.layer({ prefix: prefix(), shardingConfig: quick }))

const Charge = Rpc.make("Charge", {
  payload: { id: Schema.String },
  success: Schema.String,
  primaryKey: ({ id }) => id
}).annotate(ClusterSchema.Persisted, true)

const Card = Entity.make("Card", [Charge])

/** What the entities write besides. */
const Tables = Layer.effectDiscard(
  Effect.andThen(
    rows("CREATE TABLE deposits (id TEXT PRIMARY KEY)"),
    rows("CREATE TABLE charges (cluster TEXT NOT NULL, runner TEXT NOT NULL, PRIMARY KEY (cluster, runner))")
  )
)

describeCluster("Effect Cluster", (it) => it.layer(Tables)("with tables of its users", suite))

function suite(it: Parameters<Parameters<typeof describeCluster>[1]>[0]): void {
  it.effect("answers a call, and a call with the same key with the same answer", () =>
    Effect.gen(function* () {
      const Add = Rpc.make("Add", {
        payload: { id: Schema.String, by: Schema.Number },
        success: Schema.Number,
        primaryKey: ({ id }) => id
      }).annotate(ClusterSchema.Persisted, true)
      const Counter = Entity.make("Counter", [Add])
      let count = 0
      const entities = Counter.toLayer({ Add: ({ payload }) => Effect.sync(() => (count += payload.by)) })
      yield* Effect.gen(function* () {
        const counter = (yield* Counter.client)("c1")
        assert.strictEqual(yield* counter.Add({ id: "a", by: 5 }), 5)
        assert.strictEqual(yield* counter.Add({ id: "a", by: 5 }), 5)
        assert.strictEqual(yield* counter.Add({ id: "b", by: 2 }), 7)
      }).pipe(Effect.provide(single(entities)))
    })
  )

  it.effect("runs a workflow with an activity, a durable sleep and a deferred, the activity once", () =>
    Effect.gen(function* () {
      let paid = 0
      const Approved = DurableDeferred.make("Approved", { success: Schema.String })
      const Order = Workflow.make("Order", {
        payload: { id: Schema.String },
        success: Schema.String,
        idempotencyKey: ({ id }) => id
      })
      const entities = Order.toLayer(({ id }) =>
        Effect.gen(function* () {
          yield* Activity.make({ name: "Pay", execute: Effect.sync(() => void paid++) })
          yield* DurableClock.sleep({ name: "Cool down", duration: "300 millis", inMemoryThreshold: 0 })
          const by = yield* DurableDeferred.await(Approved)
          return `${id} approved by ${by}`
        })
      ).pipe(Layer.provideMerge(ClusterWorkflowEngine.layer))
      yield* Effect.gen(function* () {
        const executionId = yield* Order.execute({ id: "o1" }, { discard: true })
        const token = DurableDeferred.tokenFromExecutionId(Approved, { workflow: Order, executionId })
        yield* DurableDeferred.succeed(Approved, { token, value: "Ada" })
        assert.strictEqual(yield* Order.execute({ id: "o1" }), "o1 approved by Ada")
        assert.strictEqual(paid, 1)
      }).pipe(Effect.provide(single(entities)))
    })
  )

  it.effect("commits what a handler writes together with its reply, or neither", () =>
    Effect.gen(function* () {
      const Deposit = Rpc.make("Deposit", {
        payload: { id: Schema.String },
        error: Schema.String,
        primaryKey: ({ id }) => id
      })
        .annotate(ClusterSchema.Persisted, true)
        .annotate(ClusterSchema.WithTransaction, true)
      const Account = Entity.make("Account", [Deposit])
      const entities = Account.toLayer(
        Effect.gen(function* () {
          const { sql } = yield* DsqlClient.DsqlClient
          return {
            Deposit: ({ payload }) =>
              Effect.gen(function* () {
                yield* Effect.orDie(sql`INSERT INTO deposits (id) VALUES (${payload.id})`)
                if (payload.id === "refused") yield* Effect.fail("refused")
              })
          }
        })
      )
      yield* Effect.gen(function* () {
        const account = (yield* Account.client)("a1")
        yield* account.Deposit({ id: "kept" })
        assert.strictEqual(yield* Effect.flip(account.Deposit({ id: "refused" })), "refused")
      }).pipe(Effect.provide(single(entities)))
      assert.deepStrictEqual(yield* rows("SELECT id FROM deposits"), [{ id: "kept" }])
    })
  )

  /** A runner is paused while it charges a card, another one takes its shard and charges it, and the first one wakes. */
  const paused = Effect.fnUntraced(function* (hold: typeof ClusterFence.shared) {
    const cluster = prefix()
    const started = yield* Deferred.make<void>()
    const written = yield* Deferred.make<string>()
    const goOn = Latch.makeUnsafe(false)
    const entities = (
      name: string,
      before: Effect.Effect<unknown>,
      after: (outcome: string) => Effect.Effect<unknown>
    ) =>
      Card.toLayer(
        Effect.gen(function* () {
          const client = yield* DsqlClient.DsqlClient
          const fence = yield* Effect.orDie(ClusterFence.current)
          return {
            Charge: () =>
              Effect.gen(function* () {
                yield* before
                const write = Effect.gen(function* () {
                  const sql = yield* Transaction.sql
                  yield* hold(fence)
                  yield* sql`INSERT INTO charges (cluster, runner) VALUES (${cluster}, ${name})`
                })
                yield* Transaction.run(write).pipe(
                  Effect.provideService(DsqlClient.DsqlClient, client),
                  Effect.match({ onSuccess: () => "written", onFailure: ({ _tag }) => _tag }),
                  Effect.flatMap(after)
                )
                return name
              }).pipe(Effect.uninterruptible)
          }
        })
      )
    const runners = yield* fleet({ prefix: cluster, entities: Layer.empty })
    const one = yield* runners.start({
      entities: entities("paused", Effect.andThen(Deferred.succeed(started, undefined), goOn.await), (outcome) =>
        Deferred.succeed(written, outcome)
      )
    })
    const charge = (yield* runners.clientOf(Card))("c1").Charge({ id: "one" })
    const charging = yield* Effect.forkChild(charge, { startImmediately: true })
    yield* Deferred.await(started)
    yield* one.freeze
    yield* runners.start({ entities: entities("woken", Effect.void, () => Effect.void) })
    const answer = yield* charge
    yield* goOn.open
    const outcome = yield* Deferred.await(written)
    yield* one.thaw
    yield* Fiber.interrupt(charging)
    const exits = yield* rows(`
      SELECT reply.fence FROM cluster_replies AS reply JOIN cluster_requests AS request USING (request_key)
      WHERE request.shard_id LIKE '${cluster}/%' AND request.tag = 'Charge'`)
    const charges = yield* rows(`SELECT runner FROM charges WHERE cluster = '${cluster}' ORDER BY runner`)
    return { answer, outcome, exits: exits.length, charges: charges.map(({ runner }) => runner) }
  })

  it.effect("refuses what a runner writes and answers that lost its shard without knowing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* paused(ClusterFence.shared), {
        answer: "woken",
        outcome: "ConditionFailed",
        exits: 1,
        charges: ["woken"]
      })
    })
  )

  it.effect("without its shard's fence such a runner writes beside the new owner, though it answers nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* paused(() => Effect.void), {
        answer: "woken",
        outcome: "written",
        exits: 1,
        charges: ["paused", "woken"]
      })
    })
  )
}
