/**
 * The stores against the same effect written with `pg` as one would by hand: on a server next door, and with what a
 * network adds.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator, type Postgres } from "@effect-dsql/emulator"
import {
  Archetype,
  Executions,
  ExecutionWrite,
  HistoryTask,
  Identifiers,
  Persistence,
  Shards,
  TaskQueueId,
  TaskQueues
} from "@effect-dsql/persistence"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import pg from "pg"
import * as ByHand from "./ByHand.ts"
import { compare, type Contender } from "./Compare.ts"
import { latencyProxy } from "./LatencyProxy.ts"

const connections = 4
const runs = 64
const rangeId = 1n

const blob = { data: ByHand.data, encoding: "Proto3" } as const
const shardId = Identifiers.ShardId.make(1)
const namespaceId = Identifiers.NamespaceId.make(randomUUID())

let taskId = 0n
const taskIds = (count: number) => Array.from({ length: count }, () => ++taskId)
const transfers = (count: number) =>
  taskIds(count).map((taskId) => ({ category: HistoryTask.transfer, taskId, task: blob }))

const head = {
  nextEventId: 1n,
  lastWriteVersion: 1n,
  info: blob,
  state: blob,
  standing: ExecutionWrite.Standing.make({})
}

const newRun = () => ({
  shardId,
  namespaceId,
  archetypeId: Archetype.workflow,
  rangeId,
  businessId: Identifiers.BusinessId.make(randomUUID()),
  runId: Identifiers.RunId.make(randomUUID())
})

type Run = ReturnType<typeof newRun>

/** So many runs that none is met again while it is still being changed; each with the version that it has. */
const cycle = (all: ReadonlyArray<Run>) => {
  const versions = all.map(() => 1n)
  let next = 0
  return () => {
    const index = next++ % all.length
    const [run, version] = [all[index], versions[index]]
    if (run === undefined || version === undefined) throw new Error("there are no runs")
    versions[index] = version + 1n
    return { run, version }
  }
}

const byEvent = new Map(Array.from({ length: 10 }, (_, id) => [BigInt(id), blob] as const))
const byTimer = new Map(Array.from({ length: 10 }, (_, id) => [Identifiers.TimerId.make(`timer ${id}`), blob] as const))

const create = (run: Run) =>
  Effect.flatMap(Executions.Executions, (executions) =>
    executions.create(run, { _tag: "BrandNew" }, { ...head, runId: run.runId, tasks: transfers(2) })
  )

/** The work that is compared, by hand and by the stores. */
const workloads = Effect.gen(function* () {
  const executions = yield* Executions.Executions
  const queues = yield* TaskQueues.TaskQueues
  const [ours, theirs, seen] = [0, 1, 2].map(() => Array.from({ length: runs }, newRun))
  if (ours === undefined || theirs === undefined || seen === undefined) throw new Error("there are no runs")
  for (const run of [...ours, ...theirs, ...seen]) yield* create(run)
  const [nextOurs, nextTheirs, nextSeen] = [cycle(ours), cycle(theirs), cycle(seen)]
  const change = ({ run, version }: ReturnType<typeof nextOurs>) =>
    executions.update(run, {
      mode: "UpdateCurrent",
      mutation: {
        ...head,
        runId: run.runId,
        expected: { dbRecordVersion: version },
        put: { activities: byEvent, timers: byTimer },
        tasks: transfers(10)
      }
    })
  for (const run of seen) yield* change({ run, version: 1n })
  const id = TaskQueueId.make({ namespaceId, name: Identifiers.TaskQueueName.make(randomUUID()), type: "Workflow" })
  const queue = yield* queues.lease(id, blob)
  const tasks = (count: number) => taskIds(count).map((taskId) => ({ position: { taskId }, task: blob }))
  return {
    "create an execution with two tasks": {
      byHand: (pool: pg.Pool) => ByHand.create(pool, newRun(), taskIds(2)),
      once: Effect.suspend(() => create(newRun()))
    },
    "update an execution, twenty map changes and ten tasks": {
      byHand: (pool: pg.Pool) => {
        const { run, version } = nextTheirs()
        return ByHand.update(pool, run, version, taskIds(10))
      },
      once: Effect.suspend(() => change(nextOurs()))
    },
    "read an execution with twenty parts": {
      byHand: (pool: pg.Pool) => ByHand.read(pool, nextSeen().run),
      once: Effect.suspend(() => executions.get(nextSeen().run))
    },
    "add 100 tasks to a queue": {
      byHand: (pool: pg.Pool) => ByHand.addTasks(pool, id, queue.rangeId, taskIds(100)),
      once: Effect.suspend(() => queues.createTasks({ id, rangeId: queue.rangeId }, tasks(100)))
    }
  }
})

/** Runs all comparisons on a server, as far away as its URL leads. */
const measure = (away: string, url: Redacted.Redacted, operations: number, roundTrips: () => number) =>
  Effect.gen(function* () {
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new pg.Pool({ connectionString: Redacted.value(url), max: connections })),
      (pool) => Effect.promise(() => pool.end())
    )
    for (const [title, { byHand, once }] of Object.entries(yield* workloads)) {
      const contenders: ReadonlyArray<Contender<Persistence.Persistence>> = [
        { name: "pg, by hand", once: Effect.promise(() => byHand(pool)) },
        { name: "the stores", once }
      ]
      yield* compare(`${title}, ${away}`, contenders, { operations, rounds: 9, concurrency: connections })
      for (const contender of contenders) {
        const before = roundTrips()
        yield* contender.once
        const took = roundTrips() - before
        if (took > 0) yield* Console.log(`  ${contender.name.padEnd(44)}${took} round trip${took === 1 ? "" : "s"}`)
      }
    }
  }).pipe(
    Effect.provide(Persistence.layer.pipe(Layer.provide(DsqlClient.layerUrl({ url, maxConnections: connections }))))
  )

/** A migrated database on the server. Only the emulator knows how to make DSQL's indexes there. */
const migrated = Effect.fnUntraced(function* (server: Postgres.Postgres) {
  const emulator = yield* Emulator.make({ postgres: server, log: false, jobDelay: "20 millis" })
  yield* emulator.createDatabase("persistence")
  const live = DsqlClient.layerUrl({ url: emulator.url("persistence") })
  yield* Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    yield* migrator.setup({ source: yield* SchemaSource.builtIn() })
    const shards = yield* Shards.Shards
    yield* shards.getOrCreate(shardId, () => ({ rangeId, info: blob }))
  }).pipe(
    Effect.provide(Layer.mergeAll(Migrator.layer, Shards.layer).pipe(Layer.provide(live))),
    Effect.provide(NodeServices.layer)
  )
  return server.url("persistence")
})

export const persistence = Effect.fnUntraced(function* (server: Postgres.Postgres) {
  const url = yield* migrated(server)
  yield* measure("next door", url, 40, () => 0)
  const proxy = yield* latencyProxy(server, 2)
  const far = new URL(Redacted.value(url))
  far.hostname = "127.0.0.1"
  far.port = String(proxy.port)
  yield* measure("2 ms away", Redacted.make(far.href), 16, proxy.roundTrips)
}, Effect.scoped)
