/**
 * Runners of a cluster in the test's own process, each with storages, a holding and a socket of its own.
 */
import { DsqlCluster, type Holding } from "@effect-dsql/cluster"
import { NodeClusterSocket } from "@effect/platform-node"
import { Effect, Latch, Layer, Option, Scope } from "effect"
import { type MessageStorage, RunnerAddress, type Runners, RunnerStorage, type Sharding } from "effect/cluster"
import { freePort } from "../../../../test/freePort.ts"

/** What a runner's entities may need. */
export type Services = Sharding.Sharding | Runners.Runners | MessageStorage.MessageStorage | Holding.Holding

const times = {
  entityMessagePollInterval: 200,
  entityReplyPollInterval: 100,
  refreshAssignmentsInterval: 100,
  runnerHealthCheckInterval: 500,
  sendRetryInterval: 50,
  shardLockExpiration: 1_500,
  shardLockRefreshInterval: 300,
  shardsPerGroup: 4
} as const

/** A runner with these entities, for as long as the scope is open. Frozen, it hears nothing of its leases. */
export const runner = Effect.fnUntraced(function* <R>(options: {
  readonly prefix: string
  readonly entities: Layer.Layer<never, never, R>
}) {
  const port = Number(yield* Effect.promise(freePort))
  const gate = Latch.makeUnsafe(true)
  const shardingConfig = { ...times, runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port)) }
  const storages = Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.map(RunnerStorage.RunnerStorage, (storage) => {
      const waiting = <A, E>(effect: Effect.Effect<A, E>) => Effect.andThen(gate.await, effect)
      return {
        ...storage,
        getRunners: waiting(storage.getRunners),
        refresh: (address, shards) => Effect.uninterruptible(waiting(storage.refresh(address, shards)))
      } satisfies RunnerStorage.RunnerStorage["Service"]
    })
  ).pipe(Layer.provideMerge(DsqlCluster.layerWith({ prefix: options.prefix, shardingConfig })))
  const cluster = NodeClusterSocket.layer({ storage: "byo", shardingConfig }).pipe(Layer.provideMerge(storages))
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(Layer.provideMerge(options.entities, Layer.fresh(cluster)), scope)
  return { context, scope, freeze: gate.close, thaw: gate.open }
})
