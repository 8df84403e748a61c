/**
 * Processes that connect to one cluster, and how long it takes until all of them are.
 *
 * Each runs the toolkit's own `ConnectionPool`, all of them on one
 * `ConnectionBudget`; time is virtual, and the cluster is a model that accepts
 * so many connections at all, and so many new ones a second. Once every pool is
 * full, half of all connections are cut at once.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as ConnectionBudget from "@effect-dsql/core/ConnectionBudget"
import * as ConnectionPool from "@effect-dsql/core/ConnectionPool"
import { ConnectionThrottled, TooManyConnections } from "@effect-dsql/core/DsqlError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"

/**
 * What is simulated.
 *
 * @since 0.1.0
 * @category models
 */
export const Scenario = Schema.Struct({
  processes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 })),
  /** Connections that each process keeps open. */
  connections: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  /** Connections that the budget gives out to all of them. */
  budget: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
  /** Milliseconds of a round trip; opening a connection takes five. */
  latency: Schema.Finite.check(Schema.isBetween({ minimum: 0.001, maximum: 60_000 })),
  /** The same seed gives the same results. */
  seed: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type Scenario = typeof Scenario.Type

/**
 * What became of it.
 *
 * @since 0.1.0
 * @category models
 */
export const Outcome = Schema.Struct({
  processes: Schema.Int,
  connections: Schema.Int,
  /** Connections that were open at the end, of all processes. */
  open: Schema.Int,
  /** Milliseconds until every pool was full; null where the budget or the cluster has no room for that. */
  filled: Schema.NullOr(Schema.Finite),
  /** Milliseconds until they were full again after half of all connections had been cut; null likewise. */
  recovered: Schema.NullOr(Schema.Finite),
  /** Attempts that the cluster refused, because too many came in a second or were there already. */
  refusedByCluster: Schema.Int,
  /** Attempts that the budget refused before they reached the cluster. */
  refusedByBudget: Schema.Int
})

/**
 * @since 0.1.0
 * @category models
 */
export type Outcome = typeof Outcome.Type

/** What the service accepts: connections, new ones a second in the long run, and at once (`Limits` of the dialect). */
const service = { connections: 10_000, rate: 100, burst: 1_000 }

/** Milliseconds after which a scenario is given up. */
const patience = 30 * 60_000

/**
 * Runs a scenario.
 *
 * @example
 * ```ts
 * import { Connecting } from "@effect-dsql/simulator"
 * import { Effect } from "effect"
 *
 * const scenario = { processes: 20, connections: 100, budget: 9_000, latency: 20, seed: "1" }
 * const program = Effect.gen(function*() {
 *   const { filled } = yield* Connecting.simulate(scenario)
 *   yield* Effect.logInfo(`all connected after ${filled} ms`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category simulation
 */
export const simulate = (options: Scenario): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const cluster = yield* makeCluster(options.latency)
    const { lease } = yield* ConnectionBudget.ConnectionBudget
    let refusedByBudget = 0
    const leased = Effect.tapError(lease, () => Effect.sync(() => refusedByBudget++))
    const connect: ConnectionPool.Open<void> = (end) => Effect.andThen(leased, cluster.connect(end))
    const { connections, processes } = options
    const pools = yield* Effect.forEach(Array.from({ length: processes }), () =>
      ConnectionPool.make(connect, { minConnections: connections, maxConnections: connections, name: "simulated" })
    )
    const open = Effect.map(
      Effect.forEach(pools, ({ stats }) => stats),
      (all) => all.reduce((sum, stats) => sum + stats.open, 0)
    )
    const wanted = processes * connections
    const room = Math.min(options.budget, service.connections)
    const reached = until(Effect.map(open, (count) => count >= Math.min(wanted, room)))
    const time = yield* reached
    // Those who find no room ask for ever, and nothing changes any more.
    const filled = wanted > room ? null : time
    if (filled !== null) yield* cluster.cutHalf
    const recovered = filled === null ? null : yield* reached
    return {
      processes,
      connections,
      open: yield* open,
      filled,
      recovered,
      refusedByCluster: cluster.refused(),
      refusedByBudget
    }
  }).pipe(
    Effect.provide(ConnectionBudget.layer({ limit: options.budget })),
    Effect.scoped,
    inVirtualTime,
    // Thousands of refusals are the result, and no news.
    Effect.provideService(References.MinimumLogLevel, "None"),
    Random.withSeed(options.seed)
  )

/** Runs an effect while the clock is moved on for it. */
const inVirtualTime = <A>(effect: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestClock.layer()))

/** Milliseconds until a condition holds, as finely as it is looked at; null where it does not in time. */
const until = (condition: Effect.Effect<boolean>): Effect.Effect<number | null> =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("100 millis") }),
    Effect.timeoutOption(patience),
    Effect.timed,
    Effect.map(([elapsed, held]) => (Option.isSome(held) ? Duration.toMillis(elapsed) : null))
  )

const makeCluster = Effect.fnUntraced(function* (latency: number) {
  const clock = yield* Clock.Clock
  const millis = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const open = new Set<(reason: ConnectionPool.EndReason) => void>()
  let tokens = service.burst
  let filledAt = millis()
  let refused = 0
  const taken = () => {
    const now = millis()
    tokens = Math.min(service.burst, tokens + ((now - filledAt) / 1_000) * service.rate)
    filledAt = now
    if (tokens < 1) return false
    tokens -= 1
    return true
  }
  const connect: ConnectionPool.Open<void> = (end) =>
    Effect.gen(function* () {
      yield* Effect.sleep(5 * latency * (0.9 + 0.2 * (yield* Random.next)))
      if (!taken()) {
        refused += 1
        return yield* new ConnectionThrottled({
          message: "Unable to accept connection, rate exceeded.",
          cause: undefined
        })
      }
      if (open.size >= service.connections) {
        refused += 1
        const message = "Unable to accept connection, too many open connections."
        return yield* new TooManyConnections({ message, cause: undefined })
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => open.add(end)),
        () => Effect.sync(() => open.delete(end))
      )
    })
  return {
    connect,
    refused: () => refused,
    cutHalf: Effect.sync(() => {
      for (const end of [...open].slice(0, Math.ceil(open.size / 2))) end("lost")
    })
  }
})
