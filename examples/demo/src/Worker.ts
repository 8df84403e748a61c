/**
 * A process that takes shards, writes below them while it owns them, and learns when it does not any more.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { CurrentExecutions, Identifiers, Persistence, Shards } from "@effect-dsql/persistence"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Config, Console, Effect, Fiber, Layer, Metric, Option, Random, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import * as Counter from "./Counter.ts"
import * as Protocol from "./Protocol.ts"

const settings = Config.all({
  worker: Config.String("DEMO_WORKER"),
  shards: Config.Int("DEMO_SHARDS"),
  fibers: Config.Int("DEMO_FIBERS"),
  seconds: Config.Int("DEMO_SECONDS")
})

/** What this process has been told by the database. */
interface Ledger {
  readonly takeovers: Array<typeof Protocol.Takeover.Type>
  readonly started: Array<typeof Protocol.Started.Type>
  readonly increments: Map<number, number>
  readonly latencies: Array<number>
  refused: number
  unknown: number
  stale: number
}

const makeLedger = (): Ledger => ({
  takeovers: [],
  started: [],
  increments: new Map(),
  latencies: [],
  refused: 0,
  unknown: 0,
  stale: 0
})

/** Takes the shard from whoever has it. None when somebody else was quicker. */
const take = Effect.fnUntraced(function* (shardId: Identifiers.ShardId, owner: string) {
  const shards = yield* Shards.Shards
  const info = { data: new TextEncoder().encode(`${owner} ${randomUUID()}`), encoding: "Json" } as const
  const shard = yield* shards.getOrCreate(shardId, () => ({ rangeId: 0n, info }))
  const rangeId = shard.rangeId + 1n
  yield* shards.update({ shardId, rangeId, info }, shard.rangeId)
  return rangeId
})

/** Starts an execution and increments the shard's counter, in one transaction below the shard. */
const write = Effect.fnUntraced(function* (shardId: Identifiers.ShardId, rangeId: bigint) {
  const shards = yield* Shards.Shards
  const current = yield* CurrentExecutions.CurrentExecutions
  const started = Counter.execution(shardId, Identifiers.BusinessId.make(randomUUID()))
  const body = Effect.gen(function* () {
    yield* shards.shared({ shardId, rangeId })
    const counter = yield* current.find(Counter.key(shardId))
    if (Option.isNone(counter)) {
      yield* current.insert(Counter.row(shardId, { count: 1, rangeId }))
      yield* current.insert(started)
      return { started, overtaken: false }
    }
    const before = Counter.content(counter.value)
    yield* current.update(Counter.row(shardId, { count: before.count + 1, rangeId }), counter.value.runId)
    yield* current.insert(started)
    return { started, overtaken: before.rangeId > rangeId }
  })
  return yield* Transaction.run(body, { operation: "Write" })
})

/** Owns one shard for a while: takes it, then writes until somebody else has taken it. */
const own = Effect.fnUntraced(function* (ledger: Ledger, owner: string, shards: number, until: number) {
  const shardId = Identifiers.ShardId.make(yield* Random.nextIntBetween(1, shards))
  const rangeId = yield* timed(ledger, take(shardId, owner))
  ledger.takeovers.push({ shardId, rangeId })
  const writes = yield* Random.nextIntBetween(1, 40)
  for (let n = 0; n < writes && (yield* Clock.currentTimeMillis) < until; n++) {
    const { overtaken, started } = yield* timed(ledger, write(shardId, rangeId))
    ledger.started.push({ shardId, businessId: started.businessId, runId: started.runId })
    ledger.increments.set(shardId, (ledger.increments.get(shardId) ?? 0) + 1)
    if (overtaken) ledger.stale += 1
  }
})

const timed = <A, E, R>(ledger: Ledger, operation: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const value = yield* operation
    ledger.latencies.push(Number((yield* Clock.monotonicTimeNanos) - start) / 1e6)
    return value
  })

/** Losing a shard, or the race for one, is what this demo is about; an unknown outcome is counted, not retried. */
const fight = (ledger: Ledger, owner: string, shards: number, until: number) =>
  own(ledger, owner, shards, until).pipe(
    Effect.catchTags({
      ShardOwnershipLost: () => count(ledger, "refused"),
      ConflictRetriesExhausted: () => Effect.void,
      CommitOutcomeUnknown: () => count(ledger, "unknown")
    }),
    // Between operations, not by interruption: a write that is cut off after COMMIT would be there, and not in the ledger.
    Effect.repeat({ while: () => Effect.map(Clock.currentTimeMillis, (now) => now < until) })
  )

const count = (ledger: Ledger, field: "refused" | "unknown") =>
  Effect.sync(() => {
    ledger[field] += 1
  })

/** The sum of a counter over all its labels. */
const total = (name: string) =>
  Effect.map(Metric.snapshot, (series) =>
    series
      .filter((one) => one.id === name)
      .reduce((sum, one) => sum + ("count" in one.state ? Number(one.state.count) : 0), 0)
  )

const say = (message: Parameters<typeof Protocol.encode>[0]) =>
  Effect.flatMap(Effect.orDie(Protocol.encode(message)), Console.log)

const program = Effect.gen(function* () {
  const { fibers, seconds, shards, worker } = yield* settings
  const ledger = makeLedger()
  const until = (yield* Clock.currentTimeMillis) + seconds * 1_000
  const progress = Effect.gen(function* () {
    const conflicts = yield* total("dsql_tx_conflict_total")
    yield* say({ _tag: "Progress", operations: ledger.latencies.length, conflicts, refused: ledger.refused })
  })
  const reporting = yield* Effect.forkChild(Effect.repeat(progress, Schedule.spaced("250 millis")))
  const fighters = Array.from({ length: fibers }, (_, fiber) => fight(ledger, `${worker}.${fiber}`, shards, until))
  yield* Effect.all(fighters, { concurrency: "unbounded", discard: true })
  yield* Fiber.interrupt(reporting)
  yield* say({
    _tag: "Result",
    worker,
    takeovers: ledger.takeovers,
    started: ledger.started,
    increments: [...ledger.increments].map(([shardId, count]) => ({ shardId, count })),
    refused: ledger.refused,
    unknown: ledger.unknown,
    stale: ledger.stale,
    conflicts: yield* total("dsql_tx_conflict_total"),
    retries: yield* total("dsql_tx_retry_total"),
    latencies: ledger.latencies
  })
})

const live = Layer.provideMerge(Persistence.layer, DsqlClient.layerConfig())
program.pipe(Effect.provide(live), NodeRuntime.runMain)
