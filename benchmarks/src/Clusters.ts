/**
 * Effect Cluster and Workflow on these storages, on an emulated Aurora DSQL and on the plain PostgreSQL beneath it,
 * beside Effect's own SQL storage on PostgreSQL: calls of entities and steps of workflows, 2 ms away from the server.
 *
 * Each contender is a cluster of one process, with Effect's own settings. What is done in an entity takes no time: it is
 * the storage that is measured. All of them, the network between and their servers share the machine, so where many work
 * at a time it is the processors that are seen. Like with like are the two on PostgreSQL, the one above the other; what
 * the emulator adds to each statement is no cluster's.
 */
import { DsqlSingleRunner } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import type { Postgres } from "@effect-dsql/emulator"
import { NodeCrypto } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { type Context, Effect, Layer, type Redacted, Schema } from "effect"
import { ClusterSchema, ClusterWorkflowEngine, Entity, type Sharding, SingleRunner } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { Activity, Workflow, type WorkflowEngine } from "effect/workflow"
import { polls } from "./ClusterPolls.ts"
import { compare, type Contender } from "./Compare.ts"
import { databases, type Far } from "./ClusterDatabases.ts"

const sizes = [
  { concurrency: 1, calls: 50, workflows: 10 },
  { concurrency: 16, calls: 320, workflows: 64 },
  { concurrency: 64, calls: 640, workflows: 128 }
]

const rounds = 3

/** What each does before it is measured. */
const warmUp = 160

/** Steps of one workflow. */
const steps = 5

const Add = Rpc.make("Add", {
  payload: { id: Schema.String },
  success: Schema.Int,
  primaryKey: ({ id }) => id
}).annotate(ClusterSchema.Persisted, true)

const Counter = Entity.make("Counter", [Add])

const Order = Workflow.make("Order", { payload: { id: Schema.String }, idempotencyKey: ({ id }) => id })

const Entities = Layer.mergeAll(
  Counter.toLayer(
    Effect.sync(() => {
      let count = 0
      return { Add: () => Effect.sync(() => ++count) }
    })
  ),
  Order.toLayer(() =>
    Effect.forEach(
      Array.from({ length: steps }, (_, index) => index),
      (index) => Activity.make({ name: `step ${index}`, execute: Effect.void }),
      { discard: true }
    )
  )
).pipe(Layer.provideMerge(ClusterWorkflowEngine.layer))

type Runner = Context.Context<Sharding.Sharding | WorkflowEngine.WorkflowEngine>

/** As many connections for each. */
const maxConnections = 16

const ours = (url: Redacted.Redacted) =>
  DsqlSingleRunner.layer().pipe(Layer.provide(DsqlClient.layerUrl({ url, maxConnections })))

const effects = (url: Redacted.Redacted) =>
  SingleRunner.layer().pipe(Layer.provide([PgClient.layer({ url, maxConnections }), NodeCrypto.layerDigest]))

/** The entity and the workflow are new each time: there is nothing that an earlier call has left. */
let calls = 0

const call = (runner: Runner) =>
  Effect.flatMap(Counter.client, (client) => {
    const id = `${calls++}`
    return client(id).Add({ id })
  }).pipe(Effect.provideContext(runner))

const execute = (runner: Runner) =>
  Effect.suspend(() => Order.execute({ id: `${calls++}` })).pipe(Effect.provideContext(runner))

export const clusters = Effect.fnUntraced(function* (server: Postgres.Postgres) {
  const { effect, emulated, plain } = yield* databases(server)
  const started = <E>(
    name: string,
    { roundTrips, url }: Far,
    storages: (url: Redacted.Redacted) => Layer.Layer<Layer.Success<ReturnType<typeof effects>>, E>
  ) =>
    Effect.map(Layer.build(Layer.fresh(Layer.provideMerge(Entities, storages(url)))), (runner) => ({
      name,
      roundTrips,
      runner
    }))
  const runners = [
    yield* started("Effect's storage, on PostgreSQL", effect, effects),
    yield* started("these storages, on PostgreSQL", plain, ours),
    yield* started("these storages, on emulated Aurora DSQL", emulated, ours)
  ]
  const contenders = (once: (runner: Runner) => Contender<never>["once"]): ReadonlyArray<Contender<never>> =>
    runners.map(({ name, roundTrips, runner }) => ({ name, roundTrips, once: once(runner) }))
  // A process that has just begun is slow, whatever it runs.
  for (const { once } of [...contenders(call), ...contenders(execute)]) {
    yield* Effect.all(
      Array.from({ length: warmUp }, () => once),
      { concurrency: 16, discard: true }
    )
  }
  for (const { calls, concurrency, workflows } of sizes) {
    yield* compare("Calls of entities", contenders(call), { operations: calls, rounds, concurrency })
    const options = { operations: workflows, rounds, concurrency: Math.min(concurrency, workflows), units: steps }
    yield* compare(`Steps of workflows, ${steps} in each`, contenders(execute), options)
  }
  yield* polls(server)
}, Effect.scoped)
