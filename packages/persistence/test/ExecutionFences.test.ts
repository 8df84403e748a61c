/**
 * What a host that lost its shard, or its place, may still do: nothing. Each write is stepped against another that
 * commits between its snapshot and its statement; and each is shown to go wrong once its fence is taken out.
 */
import { Fence, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Archetype, type Execution, Executions, type ExecutionWrite, Shards } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { Statement } from "effect/sql"
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
  standing
} from "./support/executions.ts"
import { blob } from "./support/rows.ts"
import { describeForms } from "./support/persistence.ts"

/** Changes the text of each statement, to take a fence out of it. */
const rewriting =
  (rewrite: (text: string) => string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, Statement.CurrentTransformer, (statement, sql) => {
      const [text, parameters] = statement.compile()
      return Effect.succeed(sql.unsafe(rewrite(text), parameters))
    })

const asItIs = rewriting((text) => text)

/** Takes a part out of the statements of a write, and makes sure that it was there. */
const without =
  (part: RegExp, replacement = ""): typeof asItIs =>
  (effect) =>
    Effect.suspend(() => {
      const all = new RegExp(part, "g")
      let found = 0
      const taken = rewriting((text) =>
        text.replaceAll(all, () => {
          found++
          return replacement
        })
      )
      return Effect.tap(taken(effect), () => Effect.sync(() => assert.isAbove(found, 0, String(part))))
    })

const shardUnlocked = without(/ FOR KEY SHARE/)
const shardUnchecked = without(/(?<=FROM "_guarded_\d+_shard" )WHERE range_id = \$\d+::bigint/)

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

const zombie = { standing: standing("Zombie") }
const completed = { standing: standing("Completed") }

/** What a write meets: a current run, a zombie beside it. */
interface Given {
  readonly at: Execution.OwnedKey
  readonly first: ExecutionWrite.Snapshot
  readonly other: ExecutionWrite.Snapshot
}

/** Every write that the store knows, as it is sent. */
const writes: Readonly<Record<string, (given: Given) => Effect.Effect<Plan.Plan<unknown>, unknown>>> = {
  "create brand new": ({ at, first }) =>
    Writes.create(at, { _tag: "BrandNew", previousRunId: first.runId }, snapshot()),
  "create in place of a completed run": ({ at, first }) =>
    Writes.create(
      at,
      { _tag: "UpdateCurrent", previousRunId: first.runId, previousLastWriteVersion: first.lastWriteVersion },
      snapshot()
    ),
  "create beside the current run": ({ at }) => Writes.create(at, { _tag: "BypassCurrent" }, snapshot()),
  "update the current run": ({ at, first }) =>
    Writes.update(at, { mode: "UpdateCurrent", mutation: mutation(first.runId, 1n) }),
  "update beside the current run": ({ at, other }) =>
    Writes.update(at, { mode: "BypassCurrent", mutation: mutation(other.runId, 1n) }),
  "update without a look at the current run": ({ at, first }) =>
    Writes.update(at, { mode: "IgnoreCurrent", mutation: mutation(first.runId, 1n) }),
  "continue as new": ({ at, first }) =>
    Writes.update(at, { mode: "UpdateCurrent", mutation: mutation(first.runId, 1n), newRun: snapshot() }),
  "conflictResolve the current run": ({ at, first, other }) =>
    Writes.conflictResolve(at, {
      mode: "UpdateCurrent",
      run: replacement(other.runId, 1n),
      current: mutation(first.runId, 1n),
      newRun: snapshot()
    }),
  "conflictResolve beside the current run": ({ at, other }) =>
    Writes.conflictResolve(at, { mode: "BypassCurrent", run: replacement(other.runId, 1n) }),
  set: ({ at, first }) => Writes.set(at, replacement(first.runId, 1n)),
  delete: ({ at, first }) => Writes.remove(at, first.runId),
  deleteCurrent: ({ at, first }) => Writes.removeCurrent(at, first.runId)
}

const given = Effect.gen(function* () {
  const at = yield* place(Archetype.workflow)
  return { at, first: yield* created(at, completed), other: yield* created(at, zombie) }
})

/** Runs a write whose snapshot is from before `between`, and says what came of it and whether it changed anything. */
const race = <E, R>(
  at: Execution.OwnedKey,
  write: Effect.Effect<Plan.Plan<unknown>, unknown>,
  fence: <A, F, Q>(effect: Effect.Effect<A, F, Q>) => Effect.Effect<A, F, Q>,
  between: Effect.Effect<unknown, E, R>
) =>
  Effect.gen(function* () {
    const plan = yield* write
    const begun = yield* Deferred.make<void>()
    const done = yield* Deferred.make<void>()
    const attempts: Array<number> = []
    const racing = yield* Transaction.run(
      Effect.gen(function* () {
        const { attempt, sql } = yield* Transaction.Transaction
        attempts.push(attempt)
        // The first read takes the snapshot that the whole transaction sees.
        yield* sql`SELECT range_id FROM shards WHERE shard_id = ${at.shardId}`
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(done)
        yield* fence(Plan.send(plan))
      }),
      { policy }
    ).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(begun)
    yield* between
    const before = yield* everything(at)
    yield* Deferred.succeed(done, undefined)
    const outcome = yield* Fiber.join(racing)
    const after = yield* everything(at)
    return { outcome, attempts, changed: JSON.stringify(after) !== JSON.stringify(before) }
  })

const takeOver = (at: Execution.OwnedKey) =>
  Effect.flatMap(Shards.Shards, (shards) =>
    shards.update({ shardId: at.shardId, rangeId: at.rangeId + 1n, info: blob() }, at.rangeId)
  )

describeForms("a host that lost its shard", (it) => {
  for (const [name, write] of Object.entries(writes)) {
    it.effect(`does not ${name}, begun before the takeover`, () =>
      Effect.gen(function* () {
        const before = yield* given
        const { changed, outcome } = yield* race(before.at, write(before), asItIs, takeOver(before.at))
        assert(outcome._tag === "Failure")
        assert.include(outcome.failure, { _tag: "ShardOwnershipLost", expected: 5n, actual: 6n } as const)
        assert.isFalse(changed)
      })
    )

    it.effect(`would ${name}, begun before the takeover, if it only read the shard`, () =>
      Effect.gen(function* () {
        const before = yield* given
        const { changed, outcome } = yield* race(before.at, write(before), shardUnlocked, takeOver(before.at))
        assert.strictEqual(outcome._tag, "Success")
        assert.isTrue(changed)
      })
    )

    it.effect(`would ${name} after the takeover, if it did not compare the range`, () =>
      Effect.gen(function* () {
        const before = yield* given
        yield* takeOver(before.at)
        const all = yield* everything(before.at)
        const plan = yield* write(before)
        const lost = yield* Effect.flip(Transaction.run(Plan.send(plan)))
        assert.propertyVal(lost, "_tag", "ShardOwnershipLost")
        assert.deepStrictEqual(yield* everything(before.at), all)
        yield* Transaction.run(shardUnchecked(Plan.send(plan)))
        assert.notDeepEqual(yield* everything(before.at), all)
      })
    )
  }
})

describeForms("writers of one shard", (it) => {
  const bothWrite = Effect.gen(function* () {
    const { at, first, other } = yield* given
    const executions = yield* Executions.Executions
    return yield* race(
      at,
      Writes.set(at, replacement(first.runId, 1n)),
      asItIs,
      executions.set(at, replacement(other.runId, 1n))
    )
  })

  it.effect("do not conflict with each other", () =>
    Effect.gen(function* () {
      const { attempts, outcome } = yield* bothWrite
      assert.strictEqual(outcome._tag, "Success")
      assert.deepStrictEqual(attempts, [1])
    })
  )

  it.effect("conflict and both write where the cluster has no FOR KEY SHARE", () =>
    Effect.gen(function* () {
      const { attempts, outcome } = yield* bothWrite.pipe(Effect.provideService(Fence.SharedLock, "FOR UPDATE"))
      assert.strictEqual(outcome._tag, "Success")
      assert.deepStrictEqual(attempts, [1, 2])
    })
  )
})

describeForms("a write from an old version of a run", (it) => {
  const olds = {
    "update the current run": writes["update the current run"],
    "continue as new": writes["continue as new"],
    "update beside the current run": writes["update beside the current run"],
    "update without a look at the current run": writes["update without a look at the current run"],
    "conflictResolve the current run": writes["conflictResolve the current run"],
    "conflictResolve beside the current run": writes["conflictResolve beside the current run"],
    set: writes["set"]
  }
  const unchecked = without(/(executions\.)?db_record_version = \$\d+::bigint/, "TRUE")

  for (const [name, write] of Object.entries(olds)) {
    assert(write !== undefined)

    it.effect(`does not ${name}, begun before the other write`, () =>
      Effect.gen(function* () {
        const before = yield* given
        const executions = yield* Executions.Executions
        const between = Effect.forEach([before.first, before.other], ({ runId }) =>
          executions.set(before.at, replacement(runId, 1n))
        )
        const { changed, outcome } = yield* race(before.at, write(before), asItIs, between)
        assert(outcome._tag === "Failure")
        assert.propertyVal(outcome.failure, "_tag", "ExecutionConflict")
        assert.isFalse(changed)
      })
    )

    it.effect(`would ${name} over the other write, if it did not compare the version`, () =>
      Effect.gen(function* () {
        const before = yield* given
        const executions = yield* Executions.Executions
        for (const { runId } of [before.first, before.other]) {
          yield* executions.set(before.at, replacement(runId, 1n))
        }
        const all = yield* everything(before.at)
        const plan = yield* write(before)
        const conflict = yield* Effect.flip(Transaction.run(Plan.send(plan)))
        assert.propertyVal(conflict, "_tag", "ExecutionConflict")
        assert.deepStrictEqual(yield* everything(before.at), all)
        yield* Transaction.run(unchecked(Plan.send(plan)))
        assert.notDeepEqual(yield* everything(before.at), all)
      })
    )
  }
})

describeForms("a write that takes another run for the current one", (it) => {
  /** The current run changes hands before the write. */
  const replaced = Effect.gen(function* () {
    const before = yield* given
    const executions = yield* Executions.Executions
    const next = snapshot()
    yield* executions.create(before.at, { _tag: "BrandNew", previousRunId: before.first.runId }, next)
    return { ...before, next }
  })

  const misled = ["create in place of a completed run", "update the current run", "conflictResolve the current run"]

  for (const name of misled) {
    const write = writes[name]
    assert(write !== undefined)
    const unchecked = without(
      /(?<=FROM "_guarded_\d+_current"\s+)WHERE run_id = \$\d+::uuid[^)]*|AND "current_executions"\."run_id" = \$\d+::uuid/
    )

    it.effect(`would ${name} over it, if it did not compare the run`, () =>
      Effect.gen(function* () {
        const before = yield* replaced
        const plan = yield* write(before)
        const conflict = yield* Effect.flip(Transaction.run(Plan.send(plan)))
        assert.propertyVal(conflict, "_tag", "CurrentExecutionConflict")
        assert.strictEqual(yield* currentRun(before.at), before.next.runId)
        yield* Transaction.run(unchecked(Plan.send(plan)))
        assert.notStrictEqual(yield* currentRun(before.at), before.next.runId)
      })
    )
  }

  it.effect("would delete the current execution of another run, if it did not compare the run", () =>
    Effect.gen(function* () {
      const { at, first, next } = yield* replaced
      const plan = yield* Writes.removeCurrent(at, first.runId)
      yield* Transaction.run(Plan.send(plan))
      assert.strictEqual(yield* currentRun(at), next.runId)
      yield* Transaction.run(without(/AND "current_executions"\."run_id" = \$\d+::uuid/)(Plan.send(plan)))
      assert.strictEqual((yield* Effect.flip(currentRun(at)))._tag, "ExecutionNotFound")
    })
  )
})

describeForms("a reuse of a business id, begun before its run is written", (it) => {
  const reuse = Effect.fnUntraced(function* (fence: typeof asItIs) {
    const { at, first } = yield* given
    const executions = yield* Executions.Executions
    const run = snapshot()
    const write = Writes.create(
      at,
      { _tag: "UpdateCurrent", previousRunId: first.runId, previousLastWriteVersion: first.lastWriteVersion },
      run
    )
    // It moves the version that the reuse names, in the run's own row.
    const between = executions.update(at, { mode: "IgnoreCurrent", mutation: mutation(first.runId, 1n, completed) })
    return { ...(yield* race(at, write, fence, between)), at, run }
  })

  it.effect("loses to the write, and changes nothing", () =>
    Effect.gen(function* () {
      const { changed, outcome } = yield* reuse(asItIs)
      assert(outcome._tag === "Failure")
      assert.propertyVal(outcome.failure, "_tag", "CurrentExecutionConflict")
      assert.isFalse(changed)
    })
  )

  it.effect("would go through, if it only read the run", () =>
    Effect.gen(function* () {
      const { at, outcome, run } = yield* reuse(
        without(/(?<="run_id" = \(SELECT run_id FROM "current_executions" WHERE [^)]*\)) FOR UPDATE/)
      )
      assert.strictEqual(outcome._tag, "Success")
      assert.strictEqual((yield* get(at, run.runId)).execution.dbRecordVersion, 1n)
    })
  )
})
