/**
 * Which jitter is better: how many attempts contenders for one row need, and how long until all have committed.
 *
 * The contenders run the toolkit's own policy in virtual time over a model of a row with optimistic concurrency: an
 * attempt reads a version, takes a round trip's time to commit, and conflicts if the version has moved. Time is the
 * only thing that is modelled; the schedule is the one that transactions use.
 */
import { DsqlError, RetryPolicy } from "@effect-dsql/core"
import { Clock, Console, Effect, Fiber, Random, Result } from "effect"
import { TestClock } from "effect/testing"

const roundTrip = 20
const runs = 40

const conflict = new DsqlError.SerializationConflict({ code: "OC000", message: "change conflicts (OC000)" })

/** One run of many contenders: attempts in all, who gave up, and milliseconds until the last one was done. */
const contest = (contenders: number, policy: RetryPolicy.RetryPolicy) =>
  Effect.gen(function* () {
    let version = 0
    let attempts = 0
    const latency = Effect.flatMap(Random.next, (random) => Effect.sleep(roundTrip * (0.9 + 0.2 * random)))
    const attempt = Effect.gen(function* () {
      attempts += 1
      yield* latency
      const seen = version
      yield* latency
      if (version !== seen) return yield* conflict
      version += 1
    })
    const start = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.forkChild(
      Effect.all(
        Array.from({ length: contenders }, () => Effect.result(Effect.retry(attempt, policy))),
        { concurrency: "unbounded" }
      ).pipe(Effect.flatMap((outcomes) => Effect.map(Clock.currentTimeMillis, (end) => ({ outcomes, end }))))
    )
    yield* TestClock.adjust("10 minutes")
    const { end, outcomes } = yield* Fiber.join(fiber)
    return { attempts, gaveUp: outcomes.filter(Result.isFailure).length, millis: end - start }
  }).pipe(Effect.provide(TestClock.layer()))

export const contention = Effect.gen(function* () {
  yield* Console.log(`\nContenders for one row, virtual time, ${runs} runs each, ${roundTrip} ms per round trip`)
  yield* Console.log(
    `  ${"contenders".padStart(10)}${"jitter".padStart(10)}${"attempts/commit".padStart(18)}${"gave up".padStart(10)}${"all done".padStart(12)}`
  )
  for (const contenders of [10, 100]) {
    for (const jitter of ["bounded", "full"] as const) {
      const policy = RetryPolicy.make({ jitter })
      const results = yield* Effect.forEach(
        Array.from({ length: runs }, (_, run) => run),
        (run) => Random.withSeed(contest(contenders, policy), `run ${run}`)
      )
      const sum = (field: (result: (typeof results)[number]) => number) =>
        results.reduce((total, result) => total + field(result), 0)
      const commits = contenders * runs - sum((result) => result.gaveUp)
      yield* Console.log(
        `  ${String(contenders).padStart(10)}${jitter.padStart(10)}` +
          `${(sum((result) => result.attempts) / commits).toFixed(2).padStart(18)}` +
          `${`${((100 * sum((result) => result.gaveUp)) / (contenders * runs)).toFixed(2)} %`.padStart(10)}` +
          `${`${(sum((result) => result.millis) / runs).toFixed(0)} ms`.padStart(12)}`
      )
    }
  }
})
