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
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as cluster from "./internal/cluster.ts"
import * as Contender from "./internal/contender.ts"
import * as Monotonic from "./internal/monotonic.ts"
import * as VirtualTime from "./internal/virtualTime.ts"
import type { Named } from "./Policies.ts"

/**
 * What is simulated.
 *
 * @since 0.1.0
 * @category models
 */
export const Scenario = Schema.Struct({
  /** Callers that begin at the same time. */
  contenders: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  /** Processes that they are spread over, each with a client of its own; no more than there are contenders. */
  processes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  /** Transactions that each of them runs, one after the other. */
  transactions: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  /** Rows that they contend for; each transaction changes one, chosen at random. */
  hotKeys: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
  /** Milliseconds of a round trip, 10 % more or less. */
  latency: Schema.Finite.check(Schema.isBetween({ minimum: 0.001, maximum: 60_000 })),
  /** Milliseconds that a COMMIT that writes takes at the cluster until it is decided, 10 % more or less. */
  commit: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 60_000 })),
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
 * One row that everybody wants, twenty milliseconds away, on a cluster that takes ten to commit.
 *
 * @since 0.1.0
 * @category models
 */
export const scenario: Scenario = {
  contenders: 10,
  processes: 1,
  transactions: 1,
  hotKeys: 1,
  latency: 20,
  commit: 10,
  runs: 40,
  seed: "1"
}

/**
 * What became of all transactions of a scenario under one policy.
 *
 * @since 0.1.0
 * @category models
 */
export const Outcome = Schema.Struct({
  policy: Schema.String,
  contenders: Schema.Int,
  processes: Schema.Int,
  committed: Schema.Int,
  /** Transactions that ended with `ConflictRetriesExhausted` or `RetryQuotaExhausted`. */
  gaveUp: Schema.Int,
  /** The same as a share of all transactions, 0 to 1. */
  giveUpShare: Schema.Finite,
  /** Attempts of all transactions, for each one that committed; a group's are those of one. */
  attemptsPerCommit: Schema.Finite,
  /** Milliseconds from the beginning of a transaction to its COMMIT: the median of those that committed. */
  p50: Schema.Finite,
  /** The 99th percentile of the same. */
  p99: Schema.Finite,
  /** Milliseconds until the last contender of a run was done, on average. */
  finish: Schema.Finite,
  /**
   * Milliseconds from the beginning of its run until so many hundredths of all transactions had committed: the first
   * number is that of one hundredth. It ends where no more of them did.
   */
  committedAfter: Schema.Array(Schema.Finite)
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
export const simulate = (options: Scenario, named: Named): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const runs = yield* Effect.forEach(
      Array.from({ length: options.runs }, (_, run) => run),
      (run) => Random.withSeed(contest(options, named), `${options.seed} ${run}`)
    )
    const all = runs.flatMap(({ results }) => results)
    const times = all.flatMap(({ millis }) => (millis === undefined ? [] : [millis])).toSorted((a, b) => a - b)
    const attempts = runs.reduce((sum, run) => sum + run.attempts, 0)
    return {
      policy: named.name,
      contenders: options.contenders,
      processes: Math.min(options.processes, options.contenders),
      committed: times.length,
      gaveUp: all.length - times.length,
      giveUpShare: (all.length - times.length) / all.length,
      attemptsPerCommit: attempts / Math.max(1, times.length),
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      finish: mean(runs.map(({ finish }) => finish)),
      committedAfter: hundredths(runs.map(({ results }) => results))
    }
  })

/** One transaction: how long it took where it committed, and when, after its run had begun. */
interface One {
  readonly millis: number | undefined
  readonly at: number
}

/** A run: what became of each transaction, how many attempts that took, and when the last one was over. */
const contest = (options: Scenario, named: Named) =>
  Effect.gen(function* () {
    const { contenders, processes, transactions } = options
    const rows = yield* cluster.make({ roundTrip: options.latency, commit: options.commit })
    const attempts = { count: 0 }
    const increments = yield* Effect.replicateEffect(
      Effect.provide(Contender.make(named, attempts), rows.client(named)),
      Math.min(processes, contenders)
    )
    const start = yield* Monotonic.millis
    const one = (increment: Contender.Increment): Effect.Effect<One> =>
      Effect.gen(function* () {
        const row = yield* Random.nextIntBetween(1, options.hotKeys)
        const begun = yield* Monotonic.millis
        const hasCommitted = yield* increment(row)
        const now = yield* Monotonic.millis
        return { millis: hasCommitted ? now - begun : undefined, at: now - start }
      })
    const all = Array.from({ length: contenders }, (_, contender) => increments[contender % increments.length])
    const results = (yield* Effect.all(
      all.flatMap((increment) =>
        increment === undefined ? [] : [Effect.replicateEffect(one(increment), transactions)]
      ),
      { concurrency: "unbounded" }
    )).flat()
    return { results, attempts: attempts.count, finish: Math.max(...results.map(({ at }) => at)) }
  }).pipe(Effect.scoped, VirtualTime.run)

/** By nearest rank; NaN where there is nothing. */
const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN

const mean = (numbers: ReadonlyArray<number>): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length

/** When so many hundredths of the transactions of all runs had committed. */
const hundredths = (runs: ReadonlyArray<ReadonlyArray<One>>): ReadonlyArray<number> => {
  const all = runs.flat()
  const times = all.flatMap(({ at, millis }) => (millis === undefined ? [] : [at])).toSorted((a, b) => a - b)
  return Array.from({ length: 100 }, (_, index) => Math.ceil(((index + 1) / 100) * all.length) - 1).flatMap(
    (place) => times[place] ?? []
  )
}
