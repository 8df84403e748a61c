import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { RateLimiter as Store } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Result, Schedule } from "effect"
import { RateLimiter } from "effect/persistence"
import * as fc from "fast-check"
import { randomUUID } from "node:crypto"
import { asItIs, interleave, type Rewrite } from "../../../test/sessions.ts"
import * as Adaptive from "../src/internal/limiter/adaptive.ts"
import * as Slice from "../src/internal/limiter/slice.ts"
import { describeStorage, loseAnswer } from "./support/storage.ts"

const Limiters = Layer.provideMerge(RateLimiter.layer, Store.layerStoreSql)

/** Runs a program with a store of its own, as another process would. */
const elsewhere = Effect.provide(Layer.fresh(Limiters))

type Consume = Parameters<RateLimiter.RateLimiter["consume"]>[0]

const consume = (options: Consume) => Effect.flatMap(RateLimiter.RateLimiter, (limiter) => limiter.consume(options))

/** How long one has to wait, by the refusal. */
const refused = (options: Consume) =>
  Effect.map(Effect.flip(consume(options)), ({ reason }) =>
    reason._tag === "RateLimitExceeded" ? Duration.toMillis(reason.retryAfter) : assert.fail(reason.message)
  )

/** Lets time pass for a key: what it says of the past becomes so much older. */
const pass = (key: string, duration: Duration.Input) =>
  Effect.flatMap(
    DsqlClient.DsqlClient,
    ({ sql }) => sql`UPDATE effect_rate_limiter SET at = at - ${Duration.toMillis(duration)} WHERE id = ${key}`
  )

const tokensOf = (key: string) =>
  Effect.map(
    Effect.flatMap(
      DsqlClient.DsqlClient,
      ({ sql }) => sql<{ readonly tokens: number }>`SELECT tokens FROM effect_rate_limiter WHERE id = ${key}`
    ),
    ([row]) => row?.tokens
  )

const isAbout = (millis: number, expected: number) => {
  assert.isAtMost(millis, expected)
  // What the test itself takes.
  assert.isAbove(millis, expected - 5_000)
}

const minute = { window: "1 minute", limit: 5 } as const

describeStorage("RateLimiter", Limiters, (it) => {
  it.effect("gives out a window's limit, and what exceeds it in the windows after it", () =>
    Effect.gen(function* () {
      const options = { ...minute, key: randomUUID(), onExceeded: "delay" } as const
      const delays = yield* Effect.replicateEffect(consume(options), 11)
      const minutes = delays.map(({ delay }) => Math.ceil(Duration.toMinutes(delay)))
      assert.deepStrictEqual(minutes, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
      yield* pass(options.key, "30 seconds")
      isAbout(Duration.toMillis((yield* consume(options)).delay), 90_000)
    })
  )

  it.effect("refuses what exceeds a window until it ends, and then begins anew", () =>
    Effect.gen(function* () {
      const options = { ...minute, key: randomUUID() }
      const remaining = yield* Effect.replicateEffect(consume(options), 5)
      assert.deepStrictEqual(
        remaining.map((each) => each.remaining),
        [4, 3, 2, 1, 0]
      )
      isAbout(yield* refused(options), 60_000)
      yield* pass(options.key, "30 seconds")
      isAbout(yield* refused(options), 30_000)
      yield* pass(options.key, "30 seconds")
      assert.strictEqual((yield* consume(options)).remaining, 4)
    })
  )

  it.effect("refills a bucket token by token, and lets it owe some", () =>
    Effect.gen(function* () {
      const options = { ...minute, key: randomUUID(), algorithm: "token-bucket", onExceeded: "delay" } as const
      const delays = yield* Effect.replicateEffect(consume(options), 7)
      for (const [index, { delay }] of delays.entries()) {
        const expected = Math.max(0, index - 4) * 12_000
        if (expected === 0) assert.isTrue(Duration.isZero(delay))
        else isAbout(Duration.toMillis(delay), expected)
      }
      yield* pass(options.key, "1 minute")
      assert.strictEqual((yield* consume(options)).remaining, 2)
    })
  )

  it.effect("refuses what a bucket does not hold until enough is refilled, and never fills it above its limit", () =>
    Effect.gen(function* () {
      const options = { ...minute, key: randomUUID(), algorithm: "token-bucket" } as const
      yield* Effect.replicateEffect(consume(options), 5)
      isAbout(yield* refused(options), 12_000)
      yield* pass(options.key, "36 seconds")
      assert.strictEqual((yield* consume(options)).remaining, 2)
      yield* pass(options.key, "1 hour")
      assert.strictEqual((yield* consume(options)).remaining, 4)
    })
  )

  it.effect("counts parts of tokens, and several at once", () =>
    Effect.gen(function* () {
      const options = { ...minute, key: randomUUID() }
      assert.strictEqual((yield* consume({ ...options, tokens: 0.5 })).remaining, 4.5)
      assert.strictEqual((yield* consume({ ...options, tokens: 4 })).remaining, 0.5)
      yield* refused({ ...options, tokens: 1 })
      assert.strictEqual((yield* consume({ ...options, tokens: 0.5 })).remaining, 0)
    })
  )

  for (const algorithm of ["fixed-window", "token-bucket"] as const) {
    it.effect(`gives out a limit and no more to twenty who ask two processes at once (${algorithm})`, () =>
      Effect.gen(function* () {
        const options = { ...minute, key: randomUUID(), algorithm }
        const ten = Effect.all(
          Array.from({ length: 10 }, () => Effect.result(consume(options))),
          { concurrency: "unbounded" }
        )
        const results = yield* Effect.all([ten, elsewhere(ten)], { concurrency: "unbounded" })
        assert.lengthOf(results.flat().filter(Result.isSuccess), 5)
      })
    )

    for (const when of ["before", "after"] as const) {
      it.effect(`gives out no more than a limit if an answer is lost ${when} COMMIT (${algorithm})`, () =>
        Effect.gen(function* () {
          const options = { ...minute, key: randomUUID(), algorithm }
          yield* loseAnswer(when)
          const results = yield* Effect.replicateEffect(Effect.result(consume(options)), 7)
          // What took effect unheard is counted twice.
          assert.lengthOf(results.filter(Result.isSuccess), when === "before" ? 5 : 4)
        })
      )
    }
  }

  it.effect("writes nothing for what it refuses: who changes the row meanwhile does not conflict", () =>
    Effect.gen(function* () {
      const options = { ...minute, key: randomUUID() }
      yield* consume({ ...options, tokens: 5 })
      const change = Transaction.autocommit(
        Effect.flatMap(
          Transaction.sql,
          (sql) => sql`UPDATE effect_rate_limiter SET at = at + 1 WHERE id = ${options.key}`
        ),
        { policy: RetryPolicy.none }
      )
      const programs = [elsewhere(Effect.flip(consume(options))), change]
      // The first one's tables are looked for; then it begins, the other one begins, and the first one ends.
      const exits = yield* interleave<unknown, unknown>(programs, [0, 0, 0, 0, 1, 0, 0])
      assert.deepStrictEqual(
        exits.map(({ _tag }) => _tag),
        ["Success", "Success"]
      )
    })
  )

  it.effect("takes tokens of a high limit ahead, and gives out no more than it has taken", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      const options = { key: randomUUID(), window: "1 hour", limit: 640 } as const
      yield* control.reset
      const untilRefused = Effect.gen(function* () {
        let given = 0
        while (Result.isSuccess(yield* Effect.result(consume(options)))) given++
        return given
      })
      const given = yield* Effect.all([untilRefused, elsewhere(untilRefused)], { concurrency: "unbounded" })
      const sum = given.reduce((one, other) => one + other)
      assert.strictEqual(yield* tokensOf(options.key), 640)
      assert.isAtMost(sum, 640)
      assert.isAtLeast(sum, 640 - 2 * 10)
      assert.isBelow((yield* control.statements()).length, 400)
    })
  )

  it.effect("keeps what it has counted when the transaction that asked is undone", () =>
    Effect.gen(function* () {
      const options = { ...minute, key: randomUUID() }
      const limiter = yield* RateLimiter.RateLimiter
      const undone = Effect.andThen(Effect.orDie(limiter.consume(options)), Effect.fail("undone" as const))
      assert.strictEqual(yield* Effect.flip(Transaction.run(undone, { operation: "Undone" })), "undone")
      assert.strictEqual(yield* tokensOf(options.key), 1)
    })
  )

  it.effect("removes what says no more than if it were not there", () =>
    Effect.gen(function* () {
      const [idle, busy] = [randomUUID(), randomUUID()]
      yield* consume({ key: idle, window: "1 milli", limit: 5 })
      yield* consume({ key: busy, window: "1 hour", limit: 5 })
      const left = yield* Effect.scoped(
        Effect.andThen(
          Layer.build(Store.layerCleanup()),
          Effect.repeat(tokensOf(idle), {
            until: (tokens) => tokens === undefined,
            schedule: Schedule.spaced("5 millis")
          })
        )
      )
      assert.deepStrictEqual([left, yield* tokensOf(busy)], [undefined, 1])
    })
  )

  it.effect("waits as long as a server says, then learns what it takes", () =>
    Effect.gen(function* () {
      const store = yield* RateLimiter.RateLimiterStore
      const key = randomUUID()
      const ask = store.adaptiveConsume({ key, tokens: 1, fallbackLimit: 5, fallbackWindow: Duration.minutes(1) })
      const say = (epoch: number, status: number, retryAfter: Duration.Duration | undefined) =>
        store.adaptiveFeedback({ key, epoch, tokens: 1, status, retryAfter })
      yield* say(0, 200, Duration.seconds(5))
      yield* say(0, 429, undefined)
      assert.strictEqual((yield* ask).phase, "inactive")
      yield* say(0, 429, Duration.millis(1))
      let found = yield* ask
      while (found.phase === "cooldown") {
        yield* Effect.sleep(found.delay)
        found = yield* ask
      }
      assert.deepInclude(found, { phase: "learning", epoch: 1 })
      const asked = yield* Effect.all(
        Array.from({ length: 3 }, () => ask),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        asked.map(({ phase }) => phase),
        ["learning", "learning", "learning"]
      )
      yield* say(1, 429, Duration.seconds(5))
      assert.deepInclude(yield* ask, { phase: "learned", epoch: 2 })
      yield* say(2, 429, Duration.seconds(5))
      const last = yield* ask
      assert.deepInclude(last, { phase: "cooldown", epoch: 2 })
      isAbout(Duration.toMillis(last.delay), 5_000)
    })
  )

  it.effect("hears all servers that say at once to come again later, and writes it down as rarely as it changes", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      const store = yield* RateLimiter.RateLimiterStore
      const key = randomUUID()
      const say = store.adaptiveFeedback({ key, epoch: 0, tokens: 1, status: 429, retryAfter: Duration.seconds(30) })
      const ask = store.adaptiveConsume({ key, tokens: 1, fallbackLimit: 5, fallbackWindow: Duration.minutes(1) })
      yield* control.reset
      const all = Array.from({ length: 150 }, (_, place) => (place % 3 === 0 ? ask : say))
      yield* Effect.all(all, { concurrency: "unbounded", discard: true })
      yield* say
      const writes = (yield* control.statements()).filter(({ sql }) => sql.includes("INSERT INTO"))
      assert.lengthOf(writes, 1)
      const found = yield* ask
      assert.strictEqual(found.phase, "cooldown")
      isAbout(Duration.toMillis(found.delay), 30_000)
    })
  )
})

/** How many of four are given a token of a limit of two, who ask in this order. */
const given = (schedule: ReadonlyArray<number>, algorithm: Consume["algorithm"], rewrite: Rewrite) =>
  Effect.gen(function* () {
    const options = { key: randomUUID(), window: "1 hour", limit: 3, algorithm } as const
    yield* consume(options)
    const exits = yield* interleave(
      Array.from({ length: 4 }, () => elsewhere(Effect.result(consume(options)))),
      schedule,
      rewrite
    )
    return exits.filter((exit) => exit._tag === "Success" && Result.isSuccess(exit.value)).length
  })

const seed = Number(process.env["PROPERTY_SEED"] ?? fc.sample(fc.nat(), 1)[0])

describeStorage(`RateLimiter, seed ${seed}`, Limiters, (it) => {
  const schedules = fc.array(fc.nat(3), { minLength: 4, maxLength: 20 })
  const algorithms = fc.constantFrom("fixed-window", "token-bucket")

  it.effect("gives out the limit and no more, however those who count interleave", () =>
    Effect.gen(function* () {
      const run = Effect.runPromiseWith(yield* Effect.context<DsqlClient.DsqlClient | RateLimiter.RateLimiter>())
      const property = fc.asyncProperty(schedules, algorithms, async (schedule, algorithm) => {
        assert.strictEqual(await run(given(schedule, algorithm, asItIs)), 2)
      })
      yield* Effect.promise(() => fc.assert(property, { seed, numRuns: 12 }))
    })
  )

  it.effect("would give out more if a count did not replace the one that it began with", () =>
    Effect.gen(function* () {
      const run = Effect.runPromiseWith(yield* Effect.context<DsqlClient.DsqlClient | RateLimiter.RateLimiter>())
      const forgotten: Rewrite = (text) => text.replace(/DO UPDATE SET[^)]*/s, "DO NOTHING")
      const property = fc.asyncProperty(schedules, algorithms, async (schedule, algorithm) => {
        assert.strictEqual(await run(given(schedule, algorithm, forgotten)), 2)
      })
      const found = yield* Effect.promise(() =>
        Promise.resolve(fc.check(property, { seed: 0x5eed, endOnFailure: true }))
      )
      assert.isTrue(found.failed)
    })
  )
})

describe("a slice of a window", () => {
  const slice = () => ({ left: 2, taken: 10, millis: 1_000, askedAt: 50, endsAt: 1_200 })
  const options = { tokens: 1, refillRate: 100 }

  it("gives out what it has, counted and timed as if each had been asked for", () => {
    const some = slice()
    assert.deepStrictEqual(Slice.next(some, options, 60), [11, 1_090])
    assert.deepStrictEqual(Slice.next(some, options, 70), [12, 1_180])
    assert.isUndefined(Slice.next(some, options, 80))
  })

  it("gives nothing of a window that is over", () => {
    assert.isUndefined(Slice.next(slice(), options, 1_200))
  })

  it("is no more than a part of the limit, and twice what was asked for lately", () => {
    assert.strictEqual(Slice.ahead(100, 6_400, 1), 100)
    assert.strictEqual(Slice.ahead(3, 6_400, 1), 6)
    assert.strictEqual(Slice.ahead(3, 63, 1), 0)
    assert.strictEqual(Slice.ahead(3, undefined, 1), 0)
  })
})

describe("an adaptive limit", () => {
  const window = 60_000
  const ask = (state: Adaptive.State | undefined, tokens: number, now: number) => {
    const { next, result } = Adaptive.consume(state, { tokens, fallbackWindow: window }, now)
    return { state: next ?? state, delay: Duration.toMillis(result.delay), phase: result.phase, epoch: result.epoch }
  }
  const say = (state: Adaptive.State | undefined, epoch: number, retryAfter: number, now: number, tokens = 1) =>
    Adaptive.feedback(state, { epoch, tokens, retryAfter }, now) ?? state
  const learning = ask(say(undefined, 0, 1_000, 0), 2, 1_000).state

  it("believes a server no longer than an hour, and at least a millisecond", () => {
    assert.strictEqual(say(undefined, 0, 0, 0)?.cooldownUntil, 1)
    assert.strictEqual(say(undefined, 0, 7_200_000, 0)?.cooldownUntil, 3_600_000)
  })

  it("learns how much was taken, in the time until the server takes more", () => {
    const learned = say(ask(learning, 3, 5_000).state, 1, 6_000, 5_000, 3)
    assert.include(learned, { phase: "learned", epoch: 2, learnedLimit: 2, learnedWindow: 10_000 })
    const first = ask(learned, 1, 11_000)
    const second = ask(first.state, 1, 11_000)
    assert.deepStrictEqual([first.delay, second.delay, ask(second.state, 1, 11_000).delay], [0, 0, 10_000])
  })

  it("hears nothing of an earlier epoch, and waits again where nothing was taken", () => {
    assert.strictEqual(say(learning, 0, 10_000, 2_000), learning)
    assert.include(say(learning, 1, 1_000, 2_000, 2), { phase: "cooldown", epoch: 1, cooldownUntil: 3_000 })
  })

  it("waits longer if it is told so, and never shorter", () => {
    const waiting = say(undefined, 0, 10_000, 0)
    assert.strictEqual(say(waiting, 0, 1_000, 0)?.cooldownUntil, 10_000)
    assert.strictEqual(say(waiting, 0, 20_000, 0)?.cooldownUntil, 20_000)
  })

  it("is not written anew for a sixteenth of the wait", () => {
    const waiting = say(undefined, 0, 16_000, 0)
    assert.strictEqual(say(waiting, 0, 16_000, 1_000), waiting)
    assert.strictEqual(say(waiting, 0, 16_000, 1_001)?.cooldownUntil, 17_001)
  })
})
