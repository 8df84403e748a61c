import { assert, layer } from "@effect/vitest"
import { Effect, Random } from "effect"
import { check, describe, violations } from "../../src/isolation/Checker.ts"
import * as Recorder from "../../src/isolation/Recorder.ts"
import { TestCluster } from "../../../test/database.ts"

const workload: Recorder.Workload = { sessions: 8, transactions: 40, operations: 4, keys: 3, locking: false }

/** A write and a read of few lists at once: the shape of write skew. */
const skewed: Recorder.Workload = { sessions: 4, transactions: 60, operations: 2, keys: 2, locking: false }

const record = (options: Recorder.Workload, seed: string) => Random.withSeed(Recorder.record(options), seed)

layer(TestCluster(), { excludeTestServices: true })("the emulator and the toolkit", (it) => {
  it.effect("show nothing that snapshot isolation forbids", () =>
    Effect.gen(function* () {
      yield* Recorder.lists(workload.keys)
      const seed = process.env["PROOF_SEED"] ?? String(Date.now())
      yield* Effect.logInfo(`PROOF_SEED=${seed}`)
      const history = yield* record(workload, seed)
      assert.isAbove(history.filter(({ outcome }) => outcome === "Committed").length, 0)
      assert.isAbove(history.filter(({ outcome }) => outcome === "Aborted").length, 0)
      assert.deepStrictEqual(violations(history).map(describe), [])
    })
  )
})

layer(TestCluster(), { excludeTestServices: true })("write skew", (it) => {
  it.effect("appears without locks", () =>
    Effect.gen(function* () {
      yield* Recorder.lists(skewed.keys)
      const anomalies = check(yield* record(skewed, "skew"))
      assert.include(
        anomalies.map(({ name }) => name),
        "G2-item"
      )
    })
  )
})

layer(TestCluster(), { excludeTestServices: true })("the same with locks", (it) => {
  it.effect("shows no anomaly at all", () =>
    Effect.gen(function* () {
      yield* Recorder.lists(skewed.keys)
      const anomalies = check(yield* record({ ...skewed, locking: true }, "locked"))
      assert.deepStrictEqual(anomalies.map(describe), [])
    })
  )
})
