/**
 * Contenders for few rows, and what a retry policy makes of them.
 *
 * Every contender runs `Transaction.run` with the policy under test; time is
 * virtual and the cluster is a model of snapshot isolation, so an hour of
 * contention takes a second, and one seed gives one answer.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as cluster from "./internal/cluster.ts"
import type { Named } from "./Policies.ts"

/**
 * What is simulated.
 *
 * @since 0.1.0
 * @category models
 */
export const Scenario = Schema.Struct({
  /** Clients that begin at the same time. */
  contenders: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  /** Transactions that each of them runs, one after the other. */
  transactions: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  /** Rows that they contend for; each transaction changes one, chosen at random. */
  hotKeys: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
  /** Milliseconds of a round trip, 10 % more or less. */
  latency: Schema.Finite.check(Schema.isBetween({ minimum: 0.001, maximum: 60_000 })),
  /** How often the scenario is run; the results are of all runs together. */
  runs: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  /** The same seed gives the same results. */
  seed: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type Scenario = typeof Scenario.Type

/**
 * One row, twenty milliseconds: what a cluster in the same region is like when everybody wants the same thing.
 *
 * @since 0.1.0
 * @category models
 */
export const scenario: Scenario = { contenders: 10, transactions: 1, hotKeys: 1, latency: 20, runs: 40, seed: "1" }

/**
 * What became of all transactions of a scenario under one policy.
 *
 * @since 0.1.0
 * @category models
 */
export const Outcome = Schema.Struct({
  policy: Schema.String,
  contenders: Schema.Int,
  committed: Schema.Int,
  /** Transactions that ended with `ConflictRetriesExhausted`. */
  gaveUp: Schema.Int,
  /** The same as a share of all transactions, 0 to 1. */
  giveUpShare: Schema.Finite,
  /** Attempts of all transactions, for each one that committed. */
  attemptsPerCommit: Schema.Finite,
  /** Milliseconds from the beginning of a transaction to its COMMIT: the median of those that committed. */
  p50: Schema.Finite,
  /** The 99th percentile of the same. */
  p99: Schema.Finite,
  /** Milliseconds until the last contender of a run was done, on average. */
  finish: Schema.Finite
})

/**
 * @since 0.1.0
 * @category models
 */
export type Outcome = typeof Outcome.Type

/**
 * Runs a scenario under a policy.
 *
 * @example
 * ```ts
 * import { Contention, Policies } from "@effect-dsql/simulator"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const outcome = yield* Contention.simulate({ ...Contention.scenario, contenders: 100 }, Policies.standard)
 *   yield* Effect.logInfo(`${outcome.attemptsPerCommit} attempts per commit`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category simulation
 */
export const simulate = (options: Scenario, { name, policy }: Named): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const runs = yield* Effect.forEach(
      Array.from({ length: options.runs }, (_, run) => run),
      (run) => Random.withSeed(contest(options, policy), `${options.seed} ${run}`)
    )
    const all = runs.flatMap(({ results }) => results)
    const times = all.flatMap(({ millis }) => (millis === undefined ? [] : [millis])).toSorted((a, b) => a - b)
    const attempts = all.reduce((sum, result) => sum + result.attempts, 0)
    return {
      policy: name,
      contenders: options.contenders,
      committed: times.length,
      gaveUp: all.length - times.length,
      giveUpShare: (all.length - times.length) / all.length,
      attemptsPerCommit: attempts / Math.max(1, times.length),
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      finish: runs.reduce((sum, { finish }) => sum + finish, 0) / runs.length
    }
  })

/** One transaction: how often it was tried, and how long it took where it committed. */
interface One {
  readonly attempts: number
  readonly millis: number | undefined
}

const contest = (options: Scenario, policy: Named["policy"]) =>
  Effect.gen(function* () {
    const client = yield* cluster.make(options.latency)
    const contender = Effect.replicateEffect(one(options, policy), options.transactions)
    const fiber = yield* Effect.forkChild(
      Effect.all(
        Array.from({ length: options.contenders }, () => contender),
        { concurrency: "unbounded" }
      ).pipe(Effect.timed, Effect.provideContext(client))
    )
    // Every policy ends, so any time that is long enough will do: what is measured is when they were done.
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 hour")
    const [finish, results] = yield* Fiber.join(fiber)
    return { results: results.flat(), finish: Duration.toMillis(finish) }
  }).pipe(Effect.provide(TestClock.layer()))

const one = (options: Scenario, policy: Named["policy"]): Effect.Effect<One, never, DsqlClient> =>
  Effect.gen(function* () {
    const row = yield* Random.nextIntBetween(1, options.hotKeys)
    let attempts = 0
    const body = Effect.gen(function* () {
      attempts += 1
      const sql = yield* Transaction.sql
      yield* sql`SELECT value FROM hot WHERE id = ${row}`
      yield* sql`UPDATE hot SET value = value + 1 WHERE id = ${row}`
    })
    const run = Effect.result(Transaction.run(body, { operation: "Simulated", policy }))
    const [elapsed, result] = yield* Effect.timed(run)
    return { attempts, millis: Result.isSuccess(result) ? Duration.toMillis(elapsed) : undefined }
  })

/** By nearest rank; NaN where there is nothing. */
const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
