import { assert, layer } from "@effect/vitest"
import { Effect, Random } from "effect"
import { check, describe, violations } from "../../src/isolation/Checker.ts"
import * as Plan from "../../src/isolation/Plan.ts"
import * as Recorder from "../../src/isolation/Recorder.ts"
import { TestCluster } from "../../../test/database.ts"

const size: Plan.Size = { sessions: 8, transactions: 40, operations: 4, lists: 3 }

/** Sessions that skew each other's writes, and how often. */
const skew = { sessions: 4, rounds: 15 }

const skewed = Random.withSeed(Plan.skewed(skew.sessions, skew.rounds), "skew")

layer(TestCluster(), { excludeTestServices: true })("the emulator and the toolkit", (it) => {
  it.effect("show nothing that snapshot isolation forbids", () =>
    Effect.gen(function* () {
      yield* Recorder.lists(size.lists)
      const seed = process.env["PROOF_SEED"] ?? String(Date.now())
      yield* Effect.logInfo(`PROOF_SEED=${seed}`)
      const history = yield* Recorder.record({
        plans: yield* Random.withSeed(Plan.random(size), seed),
        locking: false
      })
      assert.isAtLeast(history.filter(({ outcome }) => outcome === "Committed").length, 1)
      assert.isAtLeast(history.filter(({ outcome }) => outcome === "Aborted").length, size.sessions - 1)
      assert.deepStrictEqual(violations(history).map(describe), [])
    })
  )
})

layer(TestCluster(), { excludeTestServices: true })("write skew", (it) => {
  it.effect("appears without locks, and nobody conflicts", () =>
    Effect.gen(function* () {
      yield* Recorder.lists(skew.sessions)
      const history = yield* Recorder.record({ plans: yield* skewed, locking: false })
      assert.deepStrictEqual(
        history.filter(({ outcome }) => outcome !== "Committed"),
        []
      )
      assert.include(
        check(history).map(({ name }) => name),
        "G2-item"
      )
    })
  )
})

layer(TestCluster(), { excludeTestServices: true })("the same with locks", (it) => {
  it.effect("conflicts each time that they meet, and shows no anomaly at all", () =>
    Effect.gen(function* () {
      yield* Recorder.lists(skew.sessions)
      const history = yield* Recorder.record({ plans: yield* skewed, locking: true })
      const aborted = history.filter(({ outcome }) => outcome === "Aborted")
      assert.isAtLeast(aborted.length, skew.rounds * (skew.sessions - 1))
      assert.deepStrictEqual(check(history).map(describe), [])
    })
  )
})
