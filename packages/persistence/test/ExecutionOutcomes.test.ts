/**
 * Writes whose answer is lost: what the caller is told is what became of them.
 */
import { RetryPolicy, Transaction } from "@effect-dsql/core"
import { Archetype, type Execution, Executions, type ExecutionWrite } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { Statement } from "effect/sql"
import { Control } from "./support/emulated.ts"
import * as Outcome from "../src/internal/executions/outcome.ts"
import * as Plan from "../src/internal/executions/plan.ts"
import * as Writes from "../src/internal/executions/writes.ts"
import {
  created,
  currentRun,
  everything,
  get,
  mutation,
  place,
  replacement,
  snapshot,
  standing,
  stateOf
} from "./support/executions.ts"
import { runId } from "./support/rows.ts"
import { describeEmulated, describeStores } from "./support/persistence.ts"

const zombie = { standing: standing("Zombie") }
const completed = { standing: standing("Completed") }

interface Given {
  readonly at: Execution.OwnedKey
  readonly first: ExecutionWrite.Snapshot
  readonly other: ExecutionWrite.Snapshot
}

type Failure = Effect.Error<ReturnType<Executions.Executions["Service"]["update"]>>

type Write = (given: Given) => Effect.Effect<void, Failure, Executions.Executions>

const write =
  <E>(f: (executions: Executions.Executions["Service"], given: Given) => Effect.Effect<void, E>) =>
  (given: Given) =>
    Effect.flatMap(Executions.Executions, (executions) => f(executions, given))

/** Writes that can be told from what is stored, whether they took effect. */
const settled: Readonly<Record<string, Write>> = {
  "a new run": write((executions, { at, first }) =>
    executions.create(at, { _tag: "BrandNew", previousRunId: first.runId }, snapshot())
  ),
  "a zombie": write((executions, { at }) => executions.create(at, { _tag: "BypassCurrent" }, snapshot(zombie))),
  "a change": write((executions, { at, first }) =>
    executions.update(at, { mode: "UpdateCurrent", mutation: mutation(first.runId, 1n, completed), newRun: snapshot() })
  ),
  "a change that only removes": write((executions, { at, first }) =>
    executions.update(at, {
      mode: "IgnoreCurrent",
      mutation: mutation(first.runId, 1n, { put: {}, remove: { timers: new Set(first.timers?.keys()) } })
    })
  ),
  "a conflict resolution": write((executions, { at, first, other }) =>
    executions.conflictResolve(at, {
      mode: "UpdateCurrent",
      run: replacement(other.runId, 1n),
      current: mutation(first.runId, 1n, zombie)
    })
  ),
  "a replacement": write((executions, { at, first }) => executions.set(at, replacement(first.runId, 1n))),
  "a deletion of the current execution": write((executions, { at, first }) => executions.deleteCurrent(at, first.runId))
}

const given = Effect.gen(function* () {
  const at = yield* place(Archetype.workflow)
  return { at, first: yield* created(at), other: yield* created(at, zombie) }
})

describeEmulated("a write whose connection is cut", (it) => {
  for (const [name, write] of Object.entries(settled)) {
    it.effect(`after ${name} took effect is a success`, () =>
      Effect.gen(function* () {
        const control = yield* Control
        for (const fault of ["cut-after", "unavailable-after"] as const) {
          const before = yield* given
          const all = yield* everything(before.at)
          yield* control.inject({ on: "commit", fault, nth: [1] })
          yield* write(before)
          yield* control.clear
          assert.notDeepEqual(yield* everything(before.at), all)
        }
      })
    )

    it.effect(`before ${name} took effect is a ConnectionLost, and nothing was written`, () =>
      Effect.gen(function* () {
        const control = yield* Control
        for (const fault of ["cut", "unavailable"] as const) {
          const before = yield* given
          const all = yield* everything(before.at)
          yield* control.inject({ on: "commit", fault, nth: [1] })
          const lost = yield* Effect.flip(write(before))
          yield* control.clear
          assert.strictEqual(lost._tag, "ConnectionLost")
          assert.deepStrictEqual(yield* everything(before.at), all)
          yield* write(before)
          assert.notDeepEqual(yield* everything(before.at), all)
        }
      })
    )
  }

  it.effect("deletes a run whether the deletion took effect or not", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const executions = yield* Executions.Executions
      for (const fault of ["cut", "cut-after"] as const) {
        const { at, first } = yield* given
        yield* control.inject({ on: "commit", fault, nth: [1] })
        yield* executions.delete(at, first.runId)
        yield* control.clear
        assert.strictEqual((yield* Effect.flip(get(at, first.runId)))._tag, "ExecutionNotFound")
      }
    })
  )

  it.effect("makes the run that it says it made the current one", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      const run = snapshot()
      yield* control.inject({ on: "commit", fault: "cut-after", nth: [1] })
      yield* executions.create(at, { _tag: "BrandNew" }, run)
      yield* control.clear
      assert.strictEqual(yield* currentRun(at), run.runId)
      assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run))
    })
  )
})

describeStores("what is stored after a write whose answer was lost", (it) => {
  const outcome = <A, E>(verify: Effect.Effect<Transaction.Outcome<A>, E, Transaction.Transaction>) =>
    Effect.map(Transaction.run(verify), ({ _tag }) => _tag)

  it.effect("is another's where the version is this write's and the parts are not", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      const run = yield* created(at)
      const mine = mutation(run.runId, 1n)
      // The same row, and another activity: only the parts tell the two apart.
      const theirs = { ...mine, put: mutation(run.runId, 1n).put, tasks: [] }
      assert.strictEqual(yield* outcome(Outcome.ofMutation(at, mine)), "NotCommitted")
      yield* executions.update(at, { mode: "UpdateCurrent", mutation: theirs })
      assert.strictEqual(yield* outcome(Outcome.ofMutation(at, mine)), "NotCommitted")
      assert.strictEqual(yield* outcome(Outcome.ofMutation(at, theirs)), "Committed")
      yield* executions.set(at, replacement(run.runId, 2n))
      assert.strictEqual(yield* outcome(Outcome.ofMutation(at, mine)), "Unknown")
    })
  )

  it.effect("does not tell where the run is gone, and tells of a new run that is not there", () =>
    Effect.gen(function* () {
      const at = yield* place(Archetype.workflow)
      assert.strictEqual(yield* outcome(Outcome.ofMutation(at, mutation(runId(), 1n))), "Unknown")
      assert.strictEqual(yield* outcome(Outcome.ofCreation(at, snapshot())), "NotCommitted")
      // Since then the shard has had another owner, who may have deleted it.
      assert.strictEqual(yield* outcome(Outcome.ofCreation({ ...at, rangeId: 4n }, snapshot())), "Unknown")
    })
  )

  it.effect("goes by what is there where the write had no version to go by", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      const run = yield* created(at)
      const change = mutation(run.runId, 0n, { expected: { nextEventId: run.nextEventId } })
      assert.strictEqual(yield* outcome(Outcome.ofMutation(at, change)), "Unknown")
      yield* executions.update(at, { mode: "UpdateCurrent", mutation: change })
      assert.strictEqual(yield* outcome(Outcome.ofMutation(at, change)), "Committed")
    })
  )

  /** Looks for a new run while its COMMIT is still to come, and lets that come then. */
  const lookedForTooEarly = (look: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const at = yield* place(Archetype.workflow)
      const run = snapshot()
      const plan = yield* Writes.create(at, { _tag: "BrandNew" }, run)
      const written = yield* Deferred.make<void>()
      const looked = yield* Deferred.make<void>()
      const attempts: Array<number> = []
      const slow = yield* Transaction.run(
        Effect.gen(function* () {
          attempts.push((yield* Transaction.Transaction).attempt)
          yield* Plan.send(plan)
          yield* Deferred.succeed(written, undefined)
          yield* Deferred.await(looked)
        }),
        { policy: RetryPolicy.make({ jitter: "none", base: "1 millis" }) }
      ).pipe(Effect.forkChild)
      yield* Deferred.await(written)
      assert.strictEqual(yield* outcome(look(Outcome.ofCreation(at, run))), "NotCommitted")
      yield* Deferred.succeed(looked, undefined)
      yield* Fiber.join(slow)
      return attempts
    })

  it.effect("stays so: a COMMIT that comes after the look conflicts with it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* lookedForTooEarly((effect) => effect), [1, 2])
    })
  )

  it.effect("would not stay so, if the look did not take the shard", () =>
    Effect.gen(function* () {
      const unlocked = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.provideService(effect, Statement.CurrentTransformer, (statement, sql) => {
          const [text, parameters] = statement.compile()
          return Effect.succeed(sql.unsafe(text.replace("FOR UPDATE", ""), parameters))
        })
      assert.deepStrictEqual(yield* lookedForTooEarly(unlocked), [1])
    })
  )
})
