import { type Archetype, type Execution, Executions, type ExecutionWrite } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import {
  archetypes,
  created,
  currentOf,
  currentRun,
  get,
  noParts,
  place,
  refused,
  snapshot,
  standing,
  stateOf,
  taskCount
} from "./support/executions.ts"
import { runId } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const brandNew: ExecutionWrite.CreateMode = { _tag: "BrandNew" }
const bypass: ExecutionWrite.CreateMode = { _tag: "BypassCurrent" }

const after = (previous: ExecutionWrite.Snapshot): ExecutionWrite.CreateMode => ({
  _tag: "UpdateCurrent",
  previousRunId: previous.runId,
  previousLastWriteVersion: previous.lastWriteVersion
})

const create = (at: Execution.OwnedKey, mode: ExecutionWrite.CreateMode, run: ExecutionWrite.Snapshot) =>
  Effect.flatMap(Executions.Executions, (executions) => executions.create(at, mode, run))

const completed = { standing: standing("Completed") }

const suite = (name: string, archetypeId: Archetype.ArchetypeId) =>
  describeStores(`Executions.create of ${name}`, (it) => {
    it.effect("keeps a brand new run with all its parts and tasks, and makes it current", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = snapshot()
        yield* create(at, brandNew, run)
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run))
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, run))
        assert.strictEqual(yield* taskCount(at), run.tasks?.length)
      })
    )

    it.effect("keeps a run without any parts or tasks, and without a start time", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = snapshot({ ...noParts, tasks: [], standing: { ...standing(), startTime: undefined } })
        yield* create(at, brandNew, run)
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run))
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, run))
      })
    )

    it.effect("keeps a brand new run that is closed already", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at, completed)
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run))
        assert.strictEqual(yield* currentRun(at), run.runId)
      })
    )

    it.effect("refuses a brand new run where one is current, and gives that one", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        const conflict = yield* refused(at, create(at, brandNew, snapshot()))
        assert(conflict._tag === "CurrentExecutionConflict")
        assert.deepStrictEqual(conflict.current, currentOf(at, run))
      })
    )

    it.effect("lets a brand new run take the place of the run that it names, and of no other", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = snapshot()
        const conflict = yield* refused(at, create(at, { _tag: "BrandNew", previousRunId: runId() }, run))
        assert.strictEqual(conflict._tag, "CurrentExecutionConflict")
        yield* create(at, { _tag: "BrandNew", previousRunId: first.runId }, run)
        assert.strictEqual(yield* currentRun(at), run.runId)
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run))
        assert.deepStrictEqual(yield* get(at, first.runId), stateOf(first))
      })
    )

    it.effect("makes a brand new run current where the run that it names is gone", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = snapshot()
        yield* create(at, { _tag: "BrandNew", previousRunId: runId() }, run)
        assert.strictEqual(yield* currentRun(at), run.runId)
      })
    )

    it.effect("reuses a business id whose run is completed", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at, completed)
        const run = snapshot()
        yield* create(at, after(first), run)
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run))
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, run))
      })
    )

    it.effect("reuses a business id for a run that is closed already", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at, completed)
        const run = snapshot(completed)
        yield* create(at, after(first), run)
        assert.strictEqual(yield* currentRun(at), run.runId)
      })
    )

    it.effect("does not reuse a business id whose run goes on, is another, or was written again", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const running = yield* refused(at, create(at, after(first), snapshot()))
        assert(running._tag === "CurrentExecutionConflict")
        assert.deepStrictEqual(running.current, currentOf(at, first))

        const other = yield* place(archetypeId)
        const done = yield* created(other, completed)
        for (const changed of [{ runId: runId() }, { lastWriteVersion: done.lastWriteVersion + 1n }]) {
          const conflict = yield* refused(other, create(other, after({ ...done, ...changed }), snapshot()))
          assert(conflict._tag === "CurrentExecutionConflict")
          assert.deepStrictEqual(conflict.current, currentOf(other, done))
        }
      })
    )

    it.effect("takes the version that a reuse names from the run itself, and reports that one", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        const first = yield* created(at, completed)
        // A closed run that is written without a look at the current execution leaves that with an old version.
        const { runId: id, ...rest } = snapshot(completed)
        yield* executions.update(at, {
          mode: "IgnoreCurrent",
          mutation: { ...rest, runId: first.runId, expected: { dbRecordVersion: 1n } }
        })
        const conflict = yield* refused(at, create(at, after(first), snapshot({ runId: id })))
        assert(conflict._tag === "CurrentExecutionConflict")
        assert.strictEqual(conflict.current.lastWriteVersion, rest.lastWriteVersion)
        yield* create(at, after({ ...first, lastWriteVersion: rest.lastWriteVersion }), snapshot({ runId: id }))
        assert.strictEqual(yield* currentRun(at), id)
      })
    )

    it.effect("does not reuse a business id that has no current run", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const missing = yield* refused(at, create(at, after(snapshot()), snapshot()))
        assert.include(missing, { _tag: "ExecutionNotFound", runId: undefined } as const)
      })
    )

    it.effect("creates a zombie beside the current run, which stays", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const zombie = yield* created(at, { standing: standing("Zombie") })
        assert.deepStrictEqual(yield* get(at, zombie.runId), stateOf(zombie))
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, first))
      })
    )

    it.effect("creates a closed run beside the current run, and where there is none", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const alone = snapshot(completed)
        yield* create(at, bypass, alone)
        const executions = yield* Executions.Executions
        const none = yield* Effect.flip(executions.getCurrent(at))
        assert.include(none, { _tag: "ExecutionNotFound", runId: undefined } as const)
        const first = yield* created(at)
        const beside = snapshot(completed)
        yield* create(at, bypass, beside)
        assert.strictEqual(yield* currentRun(at), first.runId)
        assert.deepStrictEqual(yield* get(at, beside.runId), stateOf(beside))
      })
    )

    it.effect("refuses a zombie whose run is the current one", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const conflict = yield* refused(
          at,
          create(at, bypass, snapshot({ runId: first.runId, standing: standing("Zombie") }))
        )
        assert.strictEqual(conflict._tag, "CurrentExecutionConflict")
      })
    )

    it.effect("refuses a run that is there already, and says how it stands", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at, completed)
        const again = yield* refused(at, create(at, after(first), snapshot({ runId: first.runId })))
        assert(again._tag === "ExecutionConflict")
        assert.deepStrictEqual(again.actual, { dbRecordVersion: 1n, nextEventId: first.nextEventId })
        assert.isUndefined(again.expected)
      })
    )

    it.effect("refuses a host that does not own the shard, whatever else is wrong", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        yield* created(at)
        for (const rangeId of [4n, 6n]) {
          const lost = yield* refused(at, create({ ...at, rangeId }, brandNew, snapshot()))
          assert.include(lost, { _tag: "ShardOwnershipLost", expected: rangeId, actual: 5n } as const)
        }
      })
    )

    it.effect("leaves one winner of eight who start the same business id", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const runs = Array.from({ length: 8 }, () => snapshot())
        const outcomes = yield* Effect.forEach(runs, (run) => Effect.result(create(at, brandNew, run)), {
          concurrency: "unbounded"
        })
        const winners = runs.filter((_, index) => outcomes[index]?._tag === "Success")
        assert.strictEqual(winners.length, 1)
        const [winner] = winners
        assert(winner !== undefined)
        assert.deepStrictEqual(yield* get(at, winner.runId), stateOf(winner))
        for (const outcome of outcomes) {
          if (outcome._tag === "Success") continue
          assert(outcome.failure._tag === "CurrentExecutionConflict")
          assert.strictEqual(outcome.failure.current.runId, winner.runId)
        }
        assert.strictEqual(yield* taskCount(at), winner.tasks?.length)
      })
    )
  })

for (const [name, archetypeId] of archetypes) suite(name, archetypeId)
