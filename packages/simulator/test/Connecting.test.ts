import { Connecting } from "@effect-dsql/simulator"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const scenario: Connecting.Scenario = { processes: 4, connections: 20, budget: 9_000, latency: 20, seed: "1" }

describe("connecting in virtual time", () => {
  it.effect("fills every pool at once where the cluster has room, and again after half was cut", () =>
    Effect.gen(function* () {
      const outcome = yield* Connecting.simulate(scenario)
      assert.strictEqual(outcome.open, 80)
      assert.isAtMost(outcome.filled ?? Number.NaN, 300)
      assert.isNotNull(outcome.recovered)
      assert.deepStrictEqual([outcome.refusedByCluster, outcome.refusedByBudget], [0, 0])
    })
  )

  it.effect("is paced by the cluster's rate where more come than it takes at once", () =>
    Effect.gen(function* () {
      const outcome = yield* Connecting.simulate({ ...scenario, processes: 15, connections: 100 })
      assert.strictEqual(outcome.open, 1_500)
      assert.isAbove(outcome.refusedByCluster, 0)
      // 1,000 at once, 100 a second after that.
      assert.isAtLeast(outcome.filled ?? Number.NaN, 5_000)
    })
  )

  it.effect("opens no more than the budget, without asking the cluster", () =>
    Effect.gen(function* () {
      const outcome = yield* Connecting.simulate({ ...scenario, budget: 50 })
      assert.strictEqual(outcome.open, 50)
      assert.isNull(outcome.filled)
      assert.isAbove(outcome.refusedByBudget, 0)
      assert.strictEqual(outcome.refusedByCluster, 0)
    })
  )

  it.effect("gives the same outcome for the same seed", () =>
    Effect.gen(function* () {
      const options = { ...scenario, processes: 12, connections: 100 }
      assert.deepStrictEqual(yield* Connecting.simulate(options), yield* Connecting.simulate(options))
    })
  )
})
