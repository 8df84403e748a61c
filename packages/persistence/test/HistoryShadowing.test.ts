/**
 * Whatever attempts fail on the way, a history reads as the batches that were acknowledged: forwards, backwards, in
 * pages of any size, over forks.
 */
import { type HistoryBranch, HistoryBranches } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { branchId, located, node, readAll, readAllBackward } from "./support/history.ts"
import { describeStores } from "./support/persistence.ts"

interface Attempt {
  readonly batches: ReadonlyArray<number>
  readonly acknowledged: boolean
  readonly fork: boolean
}

/** A writer appends batches that follow each other; it is acknowledged, or it was all for nothing. */
const attempt: fc.Arbitrary<Attempt> = fc.record({
  batches: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  acknowledged: fc.boolean(),
  /** Whether to fork before, and go on there; the fork shares all that is acknowledged. */
  fork: fc.boolean()
})

const seed = fc.sample(fc.integer(), 1)[0] ?? 1

describeStores("a history with failed attempts in it", (it) => {
  it.effect(`reads as what was acknowledged (seed ${seed})`, () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const check = (attempts: ReadonlyArray<Attempt>, size: number) =>
        Effect.gen(function* () {
          let of = located()
          const truth: Array<HistoryBranch.HistoryNode> = []
          let [next, last, txn] = [1, 0, 0]
          for (const { acknowledged, batches, fork } of attempts) {
            if (fork && next > 1) {
              const forking = { ...of, nodeId: BigInt(next), branchId: branchId(), info: "" }
              of = { shardId: of.shardId, branch: yield* history.fork(forking) }
            }
            let [at, previous] = [next, last]
            const nodes: Array<HistoryBranch.HistoryNode> = []
            for (const events of batches) {
              nodes.push(node(at, ++txn, previous))
              at += events
              previous = txn
            }
            for (const each of nodes) yield* history.append({ ...of, nodes: [each], newBranch: { info: "" } })
            if (!acknowledged) continue
            truth.push(...nodes)
            next = at
            last = previous
          }
          // Only what the execution knows of is read: up to its next event.
          const range = { ...of, max: BigInt(next) }
          assert.deepStrictEqual(yield* readAll(range, size), truth)
          if (truth.length === 0) return
          assert.deepStrictEqual(
            yield* readAllBackward({ ...range, lastTxnId: BigInt(last) }, size),
            truth.toReversed()
          )
          const [end] = truth.slice(-1)
          yield* history.trim({ ...of, nodeId: end?.nodeId ?? 0n, txnId: end?.txnId ?? 0n, beyond: true })
          assert.deepStrictEqual(yield* readAll(of, size), truth)
        })
      const run = Effect.runPromiseWith(yield* Effect.context<HistoryBranches.HistoryBranches>())
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.array(attempt, { minLength: 1, maxLength: 7 }),
            fc.integer({ min: 1, max: 9 }),
            (attempts, size) => run(check(attempts, size))
          ),
          { seed, numRuns: 40 }
        )
      )
    })
  )
})
