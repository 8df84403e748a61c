/**
 * Properties 3, 5, 6 and 7, of every fenced write, whatever faults it meets: conflicts are retried and nothing else is,
 * an error is one of those that are promised and says truly what was written, a write is whole or not there, and the
 * metrics count what happened.
 */
import { DsqlClient, Metrics } from "@effect-dsql/core"
import { Archetype, type Persistence, Shards } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Exit, Metric, Option } from "effect"
import * as fc from "fast-check"
import { Control } from "../support/emulated.ts"
import { place } from "../support/executions.ts"
import { type Store, stores } from "../support/fenced.ts"
import { describeEmulated } from "../support/persistence.ts"
import { interleave, mustFail, parameters, type Runs, type Program, seed, tagOf } from "../support/sessions.ts"

/** What the statements and COMMITs of a write meet, one after the other. */
const faults = fc.array(
  fc.record({
    on: fc.constantFrom("statement", "commit"),
    fault: fc.constantFrom(
      "none",
      "conflict",
      "schema-conflict",
      "unavailable",
      "unavailable-after",
      "cut",
      "cut-after"
    )
  }),
  { maxLength: 6 }
)

type Faults = typeof faults extends fc.Arbitrary<infer Found> ? Found : never

/** After a COMMIT, or before anything. */
const possible = ({ fault, on }: Faults[number]) => on === "commit" || !fault.endsWith("-after")

/** Runs a program while its events meet these faults, and gives what it ended with and how many COMMITs it sent. */
const under = Effect.fnUntraced(function* <A, E>(program: Program<A, E>, met: Faults) {
  const control = yield* Control
  yield* control.reset
  yield* control.clear
  const seen = { statement: 0, commit: 0 }
  for (const each of met.filter(possible)) {
    const nth = [++seen[each.on]]
    if (each.fault !== "none") yield* control.inject({ on: each.on, fault: each.fault, nth })
  }
  const [exit] = yield* interleave([Effect.result(program)], [])
  yield* control.clear
  const commits = (yield* control.statements()).filter(({ sql }) => sql === "COMMIT").length
  if (exit === undefined || Exit.isFailure(exit)) return yield* Effect.die(exit)
  return { outcome: exit.value, commits }
})

/** How often a write may have been done where it ends with this. */
const truths: Readonly<Record<string, ReadonlyArray<bigint>>> = {
  Success: [1n],
  ConflictRetriesExhausted: [0n],
  ConnectionLost: [0n],
  CommitOutcomeUnknown: [0n, 1n]
}

const attemptsOf = (error: unknown) =>
  typeof error === "object" && error !== null && "attempts" in error ? Number(error.attempts) : undefined

/** How often a counter has counted, whatever its labels. */
const counted = (id: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics
      .filter((metric) => metric.id === id && metric.type === "Counter")
      .reduce((sum, { state }) => sum + ("count" in state ? Number(state.count) : 0), 0)
  )

type Needed = Persistence.Persistence | DsqlClient.DsqlClient | Control

describeEmulated(`Whatever it meets (seed ${seed})`, (it) => {
  const check = Effect.fnUntraced(function* <A>(
    arbitrary: fc.Arbitrary<A>,
    runs: Runs,
    property: (value: A) => Effect.Effect<void, unknown, Needed>
  ) {
    const context = yield* Effect.context<Needed>()
    const runnable = fc.asyncProperty(arbitrary, (value) => Effect.runPromiseWith(context)(property(value)))
    return yield* Effect.promise(() => fc.check(runnable, runs))
  })

  const holds = <A>(result: fc.RunDetails<A>) =>
    assert.isFalse(result.failed, `${fc.defaultReportMessage(result)}\n${String(result.errorInstance)}`)

  /** The move is done once, or not, and who asked for it is told which. */
  const truthful = (given: Store["given"]) => (met: Faults) =>
    Effect.gen(function* () {
      const { move, stored } = yield* given
      const { outcome } = yield* under(move(0), met)
      const tag = outcome._tag === "Success" ? "Success" : tagOf(outcome.failure)
      const { moves } = yield* stored
      assert.include(truths[tag] ?? [], moves, `${tag}, and it was done ${moves} times`)
      if (outcome._tag === "Failure") {
        const { message } = outcome.failure as Error
        assert.match(message, /^[^\n]{10,}$/)
        assert.notMatch(message, /password|postgres(ql)?:\/\//)
      }
    })

  for (const [name, { given, refusals }] of Object.entries(stores)) {
    it.effect(`${name}: a write is done once or not at all, and its error says truly which`, () =>
      Effect.gen(function* () {
        holds(yield* check(faults, parameters(8), truthful(given)))
      })
    )

    it.effect(`${name}: conflicts are retried and refusals are not, and the metrics say so`, () =>
      Effect.gen(function* () {
        const input = fc.record({ conflicts: fc.nat(24), stale: fc.boolean() })
        const result = yield* check(input, parameters(5), ({ conflicts, stale }) =>
          Effect.gen(function* () {
            const { move, stored } = yield* given
            const met = Array.from({ length: conflicts }, () => ({ on: "commit", fault: "conflict" }) as const)
            const { commits, outcome } = yield* under(move(stale ? 1 : 0), met)
            const error = outcome._tag === "Failure" ? outcome.failure : undefined
            const exhausted = tagOf(error) === "ConflictRetriesExhausted"
            if (exhausted) assert.strictEqual(attemptsOf(error), commits)
            else assert.strictEqual(commits, conflicts + 1)
            if (!exhausted && stale) assert.include(refusals, tagOf(error))
            if (!exhausted && !stale) assert.strictEqual(outcome._tag, "Success")
            assert.strictEqual((yield* stored).moves, !exhausted && !stale ? 1n : 0n)
            const conflicted = exhausted ? commits : conflicts
            assert.strictEqual(yield* counted(Metrics.transaction.conflicts.metric.id), conflicted)
            assert.strictEqual(yield* counted(Metrics.transaction.retries.metric.id), commits - 1)
            assert.strictEqual(yield* counted(Metrics.transaction.exhausted.metric.id), exhausted ? 1 : 0)
          }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
        )
        holds(result)
      })
    )
  }

  it.effect("a write would be done twice, were a lost answer simply answered by sending it again", () =>
    Effect.gen(function* () {
      const blind: Store["given"] = Effect.gen(function* () {
        const { rangeId, shardId } = yield* place(Archetype.workflow)
        return {
          move: () =>
            Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => {
              const write = sql`UPDATE shards SET range_id = range_id + 1 WHERE shard_id = ${shardId}`
              return Effect.catch(write, () => write)
            }),
          stored: Effect.flatMap(Shards.Shards, (shards) =>
            Effect.map(shards.find(shardId), (found) => ({ moves: Option.getOrThrow(found).rangeId - rangeId }))
          )
        }
      })
      const lost: Faults = [{ on: "commit", fault: "cut-after" }]
      const result = yield* check(fc.constant(lost), mustFail, truthful(blind))
      assert.isTrue(result.failed)
      assert.match(String(result.errorInstance), /Success, and it was done 2 times/)
    })
  )
})
