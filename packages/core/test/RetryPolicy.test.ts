import { DsqlError, RetryPolicy } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Random, Ref, Schedule } from "effect"
import { TestClock } from "effect/testing"

const conflict = (code: DsqlError.SerializationConflict["code"] = "OC000") =>
  new DsqlError.SerializationConflict({ code, message: `change conflicts (${code})` })

/** The delays that a policy gives for conflicts that come one millisecond after another. */
const delays = (
  policy: RetryPolicy.RetryPolicy,
  conflicts: ReadonlyArray<DsqlError.SerializationConflict> = Array.from({ length: 100 }, () => conflict())
) =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(policy)
    const seen: Array<number> = []
    for (const [now, input] of conflicts.entries()) {
      const decision = yield* Effect.exit(step(now, input))
      if (Exit.isFailure(decision)) break
      seen.push(Duration.toMillis(decision.value[1]))
    }
    return seen
  })

describe("RetryPolicy.make", () => {
  it.effect("doubles the delay up to the cap", () =>
    Effect.gen(function* () {
      const seen = yield* delays(RetryPolicy.make({ jitter: "none", base: 10, cap: 100, attempts: 8 }))
      assert.deepStrictEqual(seen, [10, 20, 40, 80, 100, 100, 100])
    })
  )

  it.effect("draws full jitter uniformly from the whole delay", () =>
    Effect.gen(function* () {
      const policy = RetryPolicy.make({ base: 10, cap: 100, attempts: 6 })
      const seen = yield* Random.withSeed(delays(policy), "full")
      const drawn = yield* Random.withSeed(Effect.all([10, 20, 40, 80, 100].map((whole) => times(whole))), "full")
      assert.deepStrictEqual(seen, drawn)
    })
  )

  it.effect("keeps bounded jitter within 20 percent, and below the cap", () =>
    Effect.gen(function* () {
      const policy = RetryPolicy.make({ jitter: "bounded", base: 10, cap: 100, attempts: 100 })
      const seen = yield* Random.withSeed(delays(policy), "bounded")
      assert.strictEqual(seen.length, 99)
      const nominal = [10, 20, 40, 80]
      for (const [index, delay] of seen.entries()) {
        const whole = nominal[index] ?? 100
        assert.isAtLeast(delay, whole * 0.8)
        assert.isAtMost(delay, Math.min(100, whole * 1.2))
      }
      assert.isTrue(seen.some((delay) => delay === 100))
    })
  )

  it.effect("never exceeds the cap, jitter included", () =>
    Effect.gen(function* () {
      for (const jitter of ["full", "bounded", "none"] as const) {
        const seen = yield* delays(RetryPolicy.make({ jitter, base: 1_000, cap: 50, attempts: 100 }))
        assert.isAtMost(Math.max(...seen), 50)
      }
    })
  )

  it.effect("stays finite after a thousand doublings", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 1_200 }, () => conflict())
      const seen = yield* delays(RetryPolicy.make({ jitter: "none", attempts: 1_201 }), many)
      assert.strictEqual(seen.at(-1), 2_000)
    })
  )

  it.effect("retries the first OC001 at once, and only the first", () =>
    Effect.gen(function* () {
      const codes = ["OC000", "OC001", "OC001", "OC000"] as const
      const policy = RetryPolicy.make({ jitter: "none", base: 10 })
      assert.deepStrictEqual(yield* delays(policy, codes.map(conflict)), [10, 0, 40, 80])
    })
  )

  it.effect("keeps no memory between runs", () =>
    Effect.gen(function* () {
      const policy = RetryPolicy.make({ jitter: "none", base: 10 })
      const once = delays(policy, [conflict("OC001"), conflict()])
      assert.deepStrictEqual(
        [yield* once, yield* once],
        [
          [0, 20],
          [0, 20]
        ]
      )
    })
  )

  it.effect("tries as often as it is told, in virtual time", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const fiber = yield* Ref.update(runs, (n) => n + 1).pipe(
        Effect.andThen(Effect.fail(conflict())),
        Effect.retry(RetryPolicy.make({ jitter: "none", base: 10, attempts: 4 })),
        Effect.exit,
        Effect.forkChild
      )
      const counts: Array<number> = []
      for (const step of [0, 9, 1, 19, 1, 39, 1, 10_000]) {
        yield* TestClock.adjust(step)
        counts.push(yield* Ref.get(runs))
      }
      assert.deepStrictEqual(counts, [1, 1, 2, 2, 3, 3, 4, 4])
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
    })
  )

  it.effect("stops when its time is over, however many attempts are left", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const fiber = yield* Ref.update(runs, (n) => n + 1).pipe(
        Effect.andThen(Effect.fail(conflict())),
        Effect.retry(RetryPolicy.make({ jitter: "none", base: 100, cap: 100, attempts: 1_000, elapsed: "1 second" })),
        Effect.exit,
        Effect.forkChild
      )
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      // One at the start, one every 100 ms, and the last one scheduled when the second was just over.
      assert.strictEqual(yield* Ref.get(runs), 12)
    })
  )

  it.each([
    [{ attempts: 0 }, "attempts must be a whole number of at least 1, and is 0"],
    [{ attempts: Number.NaN }, "attempts must be a whole number of at least 1, and is NaN"],
    [{ attempts: 2.5 }, "attempts must be a whole number of at least 1, and is 2.5"],
    [{ factor: 0 }, "factor must be a number above 0, and is 0"],
    [{ factor: Number.NaN }, "factor must be a number above 0, and is NaN"],
    [{ base: -1 }, "base must not be negative, and is -1 ms"],
    [{ cap: -1 }, "cap must not be negative, and is -1 ms"],
    [{ elapsed: -1 }, "elapsed must not be negative, and is -1 ms"]
  ] as const)("cannot be made like this: %o", (options, message) => {
    assert.throws(() => RetryPolicy.make(options), message)
  })

  it.effect("does not retry at all with `none`", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* delays(RetryPolicy.none), [])
    })
  )
})

const times = (whole: number) => Effect.map(Random.next, (random) => Duration.toMillis(Duration.millis(whole * random)))
