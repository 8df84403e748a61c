import { Contention, Policies } from "@effect-dsql/simulator"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("contention in virtual time", () => {
  const hundred = { ...Contention.scenario, contenders: 100, runs: 2 }

  it.effect("commits at once where nobody contends", () =>
    Effect.gen(function* () {
      const outcome = yield* Contention.simulate(
        { ...Contention.scenario, contenders: 1, transactions: 5, runs: 1 },
        Policies.standard
      )
      assert.strictEqual(outcome.committed, 5)
      assert.strictEqual(outcome.attemptsPerCommit, 1)
    })
  )

  it.effect.each([
    ["apart", 4],
    ["run", 3],
    ["finish", 2],
    ["batch", 1]
  ] as const)("takes the round trips of its form where nobody contends: %s takes %s", ([form, trips]) =>
    Effect.gen(function* () {
      const policy = yield* Policies.parse(`form=${form}`)
      const { p50 } = yield* Contention.simulate({ ...Contention.scenario, contenders: 1 }, policy)
      const { commit, latency } = Contention.scenario
      assert.closeTo(p50, trips * latency + commit, (trips * latency + commit) * 0.1)
    })
  )

  it.effect("tries less often the sooner it commits", () =>
    Effect.gen(function* () {
      const outcomes = yield* Effect.forEach(["apart", "run", "finish", "batch"], (form) =>
        Effect.flatMap(Policies.parse(`form=${form}`), (policy) => Contention.simulate({ ...hundred, runs: 1 }, policy))
      )
      const attempts = outcomes.map(({ attemptsPerCommit }) => attemptsPerCommit)
      assert.deepStrictEqual(
        attempts,
        attempts.toSorted((a, b) => b - a)
      )
    })
  )

  it.effect("lets everybody commit at once where each has a row of its own", () =>
    Effect.gen(function* () {
      const contenders = { ...Contention.scenario, contenders: 50, runs: 4 }
      const apart = yield* Contention.simulate({ ...contenders, hotKeys: 1_000_000 }, Policies.standard)
      const together = yield* Contention.simulate(contenders, Policies.standard)
      assert.isBelow(apart.attemptsPerCommit, 1.05)
      assert.isAbove(together.attemptsPerCommit, 2)
    })
  )

  it.effect("gives the same outcome for the same seed, and another for another", () =>
    Effect.gen(function* () {
      const options = { ...Contention.scenario, runs: 2 }
      const first = yield* Contention.simulate(options, Policies.standard)
      assert.deepStrictEqual(yield* Contention.simulate(options, Policies.standard), first)
      assert.notDeepEqual(yield* Contention.simulate({ ...options, seed: "2" }, Policies.standard), first)
    })
  )

  it.effect("counts who gives up", () =>
    Effect.gen(function* () {
      const once = yield* Policies.parse("attempts=1")
      const outcome = yield* Contention.simulate({ ...Contention.scenario, runs: 3 }, once)
      assert.strictEqual(outcome.committed + outcome.gaveUp, 30)
      assert.isAbove(outcome.gaveUp, 0)
      assert.strictEqual(outcome.giveUpShare, outcome.gaveUp / 30)
      assert.strictEqual(outcome.attemptsPerCommit, 30 / outcome.committed)
    })
  )

  it.effect("tries once where those of one process queue, and at most three times in ten of them", () =>
    Effect.gen(function* () {
      const one = yield* Contention.simulate(hundred, Policies.queued)
      const ten = yield* Contention.simulate({ ...hundred, processes: 10 }, Policies.queued)
      assert.deepStrictEqual([one.gaveUp, ten.gaveUp], [0, 0])
      assert.isAtMost(one.attemptsPerCommit, 1.1)
      assert.isAtMost(ten.attemptsPerCommit, 3)
    })
  )

  it.effect("is over ten times sooner where increments go together", () =>
    Effect.gen(function* () {
      const apart = yield* Contention.simulate(hundred, Policies.standard)
      const together = yield* Contention.simulate(hundred, Policies.grouped)
      assert.strictEqual(together.committed, 200)
      assert.isAtMost(together.finish, apart.finish / 10)
    })
  )

  it.effect("helps nobody where each process has one contender", () =>
    Effect.gen(function* () {
      const alone = { ...Contention.scenario, processes: 10, runs: 3 }
      const { attemptsPerCommit } = yield* Contention.simulate(alone, Policies.standard)
      const queued = yield* Contention.simulate(alone, Policies.queued)
      assert.strictEqual(queued.processes, 10)
      assert.strictEqual(queued.attemptsPerCommit, attemptsPerCommit)
    })
  )

  it.effect("refuses retries that a quota does not pay", () =>
    Effect.gen(function* () {
      const paid = yield* Policies.parse("quota=500")
      const outcome = yield* Contention.simulate(hundred, paid)
      assert.isAbove(outcome.gaveUp, 100)
      const free = yield* Contention.simulate(hundred, Policies.standard)
      assert.strictEqual(free.gaveUp, 0)
    })
  )

  it.effect("tells when each hundredth had committed", () =>
    Effect.gen(function* () {
      const { committedAfter, finish } = yield* Contention.simulate({ ...hundred, runs: 1 }, Policies.queued)
      assert.lengthOf(committedAfter, 100)
      assert.deepStrictEqual(
        committedAfter,
        committedAfter.toSorted((a, b) => a - b)
      )
      assert.strictEqual(committedAfter.at(-1), finish)
      const few = yield* Contention.simulate({ ...Contention.scenario, runs: 7 }, Policies.awsDrizzle)
      assert.strictEqual(few.committedAfter.length, Math.floor((100 * few.committed) / 70))
    })
  )
})
