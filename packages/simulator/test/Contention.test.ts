import { Contention, Policies } from "@effect-dsql/simulator"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("contention in virtual time", () => {
  it.effect("commits at once where nobody contends", () =>
    Effect.gen(function* () {
      const outcome = yield* Contention.simulate(
        { ...Contention.scenario, contenders: 1, transactions: 5, runs: 1 },
        Policies.standard
      )
      assert.strictEqual(outcome.committed, 5)
      assert.strictEqual(outcome.attemptsPerCommit, 1)
      // BEGIN, two statements and COMMIT, a round trip each.
      assert.closeTo(outcome.p50, 4 * Contention.scenario.latency, 4 * Contention.scenario.latency * 0.1)
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
})
