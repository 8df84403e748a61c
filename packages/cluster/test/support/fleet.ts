/**
 * A cluster of several runners and a client in the test's own process. Each has storages, a holding and a socket of its
 * own, and each runner can be killed, stopped, frozen, cut off, and have a database that does not answer.
 */
import { DsqlCluster, type Holding } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { NodeClusterSocket } from "@effect/platform-node"
import { layer, type Vitest } from "@effect/vitest"
import { Context, Effect, Exit, HashRing, Latch, Layer, Option, Schedule, Scope } from "effect"
import {
  ClusterWorkflowEngine,
  type Entity,
  EntityId,
  type MessageStorage,
  RunnerAddress,
  type Runners,
  RunnerStorage,
  type ShardId,
  Sharding,
  type ShardingConfig
} from "effect/cluster"
import { PersistenceError } from "effect/cluster/ClusterError"
import type { Rpc } from "effect/rpc"
import { WorkflowEngine } from "effect/workflow"
import { connect, createServer, type Socket } from "node:net"
import { unwatched } from "../../../../test/database.ts"
import { freePort } from "../../../../test/freePort.ts"
import { prefix as newPrefix, shard } from "./cluster.ts"

/** A suite on a database of its own, with the tables of a cluster and of Effect's storages. */
export const describeFleet = (
  name: string,
  suite: (it: Vitest.MethodsNonLive<DsqlClient.Provided | Testing.Control>) => void
): void =>
  layer(
    Testing.layer({
      source: Effect.all([SchemaSource.builtIn("dsql/cluster"), SchemaSource.builtIn("dsql/storage")]),
      emulator: unwatched
    }),
    { excludeTestServices: true }
  )(name, suite)

/** What the entities of a runner may need. */
export type Services =
  | Sharding.Sharding
  | Runners.Runners
  | MessageStorage.MessageStorage
  | Holding.Holding
  | WorkflowEngine.WorkflowEngine
  | DsqlClient.Provided

export type Entities = Layer.Layer<never, never, Services>

type Config = Partial<ShardingConfig.ShardingConfig["Service"]>

const times = {
  entityMessagePollInterval: 200,
  entityReplyPollInterval: 100,
  entityTerminationTimeout: 1_000,
  refreshAssignmentsInterval: 100,
  runnerHealthCheckInterval: 500,
  sendRetryInterval: 50,
  shardLockExpiration: 3_600,
  shardLockRefreshInterval: 1_200,
  shardsPerGroup: 6
} as const satisfies Config

/** What the database does to a runner that asks for its leases. */
export type Fault =
  /** It never answers. */
  | "silent"
  /** Every other question fails. */
  | "fails at times"
  /** It answers, but no release comes to an end. */
  | "release hangs"

/** What decides where an entity is. */
type Placed = Pick<Entity.Any, "getShardGroup">

/** A runner of the fleet. */
export interface Runner {
  readonly address: RunnerAddress.RunnerAddress
  readonly groups: ReadonlyArray<string>
  readonly sharding: Sharding.Sharding["Service"]
  readonly isRunning: () => boolean
  /** It ends without giving anything back. */
  readonly kill: Effect.Effect<void>
  /** It ends as it should. */
  readonly stop: Effect.Effect<void>
  /** It hears nothing of its leases any more, and goes on with what it does. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  readonly fault: (fault: Fault | undefined) => Effect.Effect<void>
  /** Runs more on it, from now on. */
  readonly run: (entities: Entities) => Effect.Effect<void>
  /** Ends the connections that others have to it. */
  readonly cut: Effect.Effect<void>
}

/** Waits until something is so: it becomes so by what others do, who tell nobody. */
export const until = <E, R>(what: string, isSo: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  isSo.pipe(
    Effect.repeat({ until: (so) => so, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutOrElse({ duration: "4 minutes", orElse: () => Effect.die(new Error(`it never was so: ${what}`)) }),
    Effect.asVoid
  )

/** What a test knows to be there. */
export const the = <A>(value: A | undefined): A => {
  if (value === undefined) throw new Error("it is not there")
  return value
}

/** A port that leads to another one, until it is cut. */
const relay = (to: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly cut: () => void; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const cut = () => {
        for (const socket of sockets) socket.destroy()
      }
      const server = createServer((client) => {
        const behind = connect(to, "127.0.0.1")
        for (const [socket, other] of [
          [client, behind],
          [behind, client]
        ] as const) {
          sockets.add(socket)
          socket.on("error", () => {})
          socket.on("close", () => {
            sockets.delete(socket)
            other.destroy()
          })
          socket.pipe(other)
        }
      }).listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, cut, close: () => void server.close(cut) }))
      })
    }),
    ({ close, cut }) => Effect.sync(() => (close(), cut()))
  )

/** A storage of runners whose owner may be frozen or killed, and whose database may be faulty. */
const controlled = (storage: RunnerStorage.RunnerStorage["Service"]) => {
  const thawed = Latch.makeUnsafe(true)
  const released = Latch.makeUnsafe(true)
  let isKilled = false
  let fault: Fault | undefined
  let asks = 0
  const asked = <A>(effect: Effect.Effect<A, PersistenceError>, ifKilled: () => A) =>
    Effect.suspend(() => {
      if (isKilled) return Effect.succeed(ifKilled())
      if (fault === "silent") return Effect.never
      if (fault === "fails at times" && ++asks % 2 === 1) {
        return Effect.fail(new PersistenceError({ cause: new Error("the connection was lost") }))
      }
      return Effect.andThen(
        Effect.uninterruptible(thawed.await),
        Effect.suspend(() => (isKilled ? Effect.succeed(ifKilled()) : effect))
      )
    })
  const releasing = (effect: Effect.Effect<void, PersistenceError>) =>
    Effect.suspend(() => (isKilled ? Effect.void : Effect.andThen(effect, Effect.uninterruptible(released.await))))
  const wrapped: RunnerStorage.RunnerStorage["Service"] = {
    ...storage,
    getRunners: asked(storage.getRunners, () => []),
    acquire: (address, shards) => asked(storage.acquire(address, shards), () => []),
    refresh: (address, shards) => {
      const all = [...shards]
      return asked(storage.refresh(address, all), () => all)
    },
    release: (address, shard) => releasing(storage.release(address, shard)),
    releaseAll: (address) => releasing(storage.releaseAll(address)),
    unregister: (address) => Effect.suspend(() => (isKilled ? Effect.void : storage.unregister(address)))
  }
  return {
    wrapped,
    freeze: thawed.close,
    thaw: thawed.open,
    kill: Effect.suspend(() => {
      isKilled = true
      fault = undefined
      return Effect.andThen(thawed.open, released.open)
    }),
    fault: (next: Fault | undefined) =>
      Effect.suspend(() => {
        fault = next
        return next === "release hangs" ? released.close : released.open
      })
  }
}

/** A fleet in which these entities run. It ends with the scope. */
export const fleet = Effect.fnUntraced(function* (options: {
  readonly entities: Entities
  readonly config?: Config
  readonly prefix?: string
}) {
  const parent = yield* Effect.scope
  const database = yield* Effect.context<DsqlClient.Provided>()
  const prefix = options.prefix ?? newPrefix()
  const config = { ...times, ...options.config }
  const groups = config.availableShardGroups ?? ["default"]
  const runners: Array<Runner> = []

  const storages = (shardingConfig: Config) => DsqlCluster.layerWith({ prefix, shardingConfig })

  const clientConfig = { ...config, runnerAddress: Option.none() }
  const client = yield* ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(NodeClusterSocket.layer({ storage: "byo", clientOnly: true, shardingConfig: clientConfig })),
    Layer.provideMerge(storages(clientConfig)),
    Layer.orDie,
    Layer.fresh,
    Layer.build
  )

  const start = Effect.fnUntraced(function* (
    more: { readonly entities?: Entities; readonly config?: Config; readonly relayed?: boolean } = {}
  ) {
    const scope = yield* Scope.fork(parent)
    const port = Number(yield* Effect.promise(freePort))
    const between = more.relayed === true ? yield* Scope.provide(relay(port), scope) : undefined
    const address = RunnerAddress.make("127.0.0.1", between?.port ?? port)
    const shardingConfig = {
      ...config,
      ...more.config,
      runnerAddress: Option.some(address),
      runnerListenAddress: Option.some(RunnerAddress.make("127.0.0.1", port))
    }
    const stored = yield* Layer.buildWithScope(Layer.fresh(Layer.orDie(storages(shardingConfig))), scope)
    const control = controlled(Context.get(stored, RunnerStorage.RunnerStorage))
    const context = yield* Layer.provideMerge(more.entities ?? options.entities, ClusterWorkflowEngine.layer).pipe(
      Layer.provideMerge(NodeClusterSocket.layer({ storage: "byo", shardingConfig })),
      Layer.provide(Layer.succeedContext(Context.add(stored, RunnerStorage.RunnerStorage, control.wrapped))),
      Layer.provide(Layer.succeedContext(database)),
      Layer.orDie,
      Layer.fresh,
      Layer.buildWithScope(scope)
    )
    let isRunning = true
    const end = (before: Effect.Effect<void>) =>
      Effect.suspend(() => {
        if (!isRunning && scope.state._tag === "Closed") return Effect.void
        isRunning = false
        return Effect.andThen(before, Scope.close(scope, Exit.void))
      })
    const runner: Runner = {
      address,
      groups: shardingConfig.assignedShardGroups ?? ["default"],
      sharding: Context.get(context, Sharding.Sharding),
      isRunning: () => isRunning,
      kill: end(Effect.asVoid(control.kill)),
      stop: end(Effect.asVoid(Effect.andThen(control.thaw, control.fault(undefined)))),
      freeze: Effect.suspend(() => {
        isRunning = false
        return Effect.asVoid(control.freeze)
      }),
      thaw: Effect.suspend(() => {
        isRunning = true
        return Effect.asVoid(control.thaw)
      }),
      fault: (fault) => Effect.asVoid(control.fault(fault)),
      run: (entities) =>
        Layer.provide(entities, Layer.succeedContext(Context.mergeAll(database, stored, context))).pipe(
          Layer.buildWithScope(scope),
          Effect.asVoid
        ),
      cut: Effect.sync(() => between?.cut())
    }
    // Nothing keeps a scope from closing that a test left frozen or faulty.
    yield* Scope.addFinalizer(scope, Effect.andThen(control.thaw, control.fault(undefined)))
    runners.push(runner)
    return runner
  })

  const shards = groups.flatMap((group) =>
    Array.from({ length: config.shardsPerGroup }, (_, index) => shard(index + 1, group))
  )
  const ownersOf = (shardId: ShardId.ShardId) =>
    runners.filter(({ isRunning, sharding }) => isRunning() && sharding.hasShardId(shardId))
  /** Who has each shard, of those who run. */
  const assignments = () => shards.map(ownersOf)

  /** Who is to have each shard of a group once all have heard of each other. */
  const assigned = (group: string) => {
    const ring = HashRing.make<RunnerAddress.RunnerAddress>()
    for (const runner of runners)
      if (runner.isRunning() && runner.groups.includes(group)) HashRing.add(ring, runner.address)
    return HashRing.getShards(ring, config.shardsPerGroup) ?? []
  }

  const isSettled = Effect.sync(() => {
    const expected = groups.flatMap(assigned)
    return assignments().every(
      (owners, index) => owners.length === 1 && owners[0]?.address.port === expected[index]?.port
    )
  })

  const shardOf = (entity: Placed, id: string) =>
    Context.get(client, Sharding.Sharding).getShardId(EntityId.make(id), entity.getShardGroup(EntityId.make(id)))

  return {
    prefix,
    runners: runners as ReadonlyArray<Runner>,
    start,
    assignments,
    /** Waits until each shard is on the one runner that it is assigned to, so that nothing moves any more. */
    settled: until("each shard is where it belongs", isSettled),
    ownerOf: (entity: Placed, id: string): Runner | undefined => ownersOf(shardOf(entity, id))[0],
    ownersOf: (entity: Placed, id: string) => ownersOf(shardOf(entity, id)),
    /** What calls an entity from outside. */
    clientOf: <Type extends string, Rpcs extends Rpc.Any>(entity: Entity.Entity<Type, Rpcs>) =>
      Effect.provide(entity.client, client),
    /** The workflow engine of the client. */
    engine: Context.get(client, WorkflowEngine.WorkflowEngine),
    /** Makes the headers of whatever waits unreadable. */
    garble: Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE cluster_requests SET headers = '{"tenant":1}'
        WHERE finished_at IS NULL AND starts_with(shard_id, ${`${prefix}/`})`
    }).pipe(Effect.provideContext(database), Effect.orDie),
    /** How many requests wait, and how many have ended how. */
    counts: Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const rows = yield* sql<{ readonly payload: string | null; readonly finished: boolean }>`
        SELECT request.finished_at IS NOT NULL AS finished, reply.payload
        FROM cluster_requests AS request LEFT JOIN cluster_replies AS reply
          ON reply.request_key = request.request_key AND reply.id = request.last_reply_id
        WHERE starts_with(request.shard_id, ${`${prefix}/`})`
      const ended = rows.flatMap(({ finished, payload }) => (finished ? [String(payload)] : []))
      const failed = ended.filter((payload) => payload.includes('"Failure"')).length
      return { failed, replied: ended.length - failed, waiting: rows.length - ended.length }
    }).pipe(Effect.provideContext(database), Effect.orDie)
  }
})

export type Fleet = Effect.Success<ReturnType<typeof fleet>>
