import { type Archetype, type Execution, Executions, type ExecutionWrite } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import {
  archetypes,
  created,
  currentOf,
  executionOf,
  get,
  mutation,
  place,
  refused,
  replacement,
  snapshot,
  standing,
  stateOf
} from "./support/executions.ts"
import { runId } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const resolve = (at: Execution.OwnedKey, resolution: ExecutionWrite.ConflictResolution) =>
  Effect.flatMap(Executions.Executions, (executions) => executions.conflictResolve(at, resolution))

const currentIs = Effect.fnUntraced(function* (at: Execution.OwnedKey, run: ExecutionWrite.Snapshot) {
  const executions = yield* Executions.Executions
  assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, run))
})

const zombie = { standing: standing("Zombie") }
const completed = { standing: standing("Completed") }

const suite = (name: string, archetypeId: Archetype.ArchetypeId) =>
  describeStores(`Executions.conflictResolve of ${name}`, (it) => {
    it.effect("resets the current run", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = replacement(first.runId, 1n)
        yield* resolve(at, { mode: "UpdateCurrent", run })
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run, 2n))
        yield* currentIs(at, run)
      })
    )

    it.effect("resets the current run, and goes on in a new one", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = replacement(first.runId, 1n, completed)
        const newRun = snapshot()
        yield* resolve(at, { mode: "UpdateCurrent", run, newRun })
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run, 2n))
        assert.deepStrictEqual(yield* get(at, newRun.runId), stateOf(newRun))
        yield* currentIs(at, newRun)
      })
    )

    it.effect("suppresses the current run by one that was a zombie", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const other = yield* created(at, zombie)
        const current = mutation(first.runId, 1n, zombie)
        const run = replacement(other.runId, 1n)
        yield* resolve(at, { mode: "UpdateCurrent", run, current })
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run, 2n))
        assert.deepStrictEqual((yield* get(at, first.runId)).execution, executionOf(current, 2n))
        yield* currentIs(at, run)
      })
    )

    it.effect("suppresses the current run, and goes on from the zombie in a new one", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const other = yield* created(at, zombie)
        const newRun = snapshot()
        yield* resolve(at, {
          mode: "UpdateCurrent",
          run: replacement(other.runId, 1n, completed),
          current: mutation(first.runId, 1n, zombie),
          newRun
        })
        assert.deepStrictEqual(yield* get(at, newRun.runId), stateOf(newRun))
        yield* currentIs(at, newRun)
      })
    )

    it.effect("rebuilds a zombie beside the current run, which stays", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const other = yield* created(at, zombie)
        const run = replacement(other.runId, 1n, completed)
        const newRun = snapshot(zombie)
        yield* resolve(at, { mode: "BypassCurrent", run, newRun })
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run, 2n))
        assert.deepStrictEqual(yield* get(at, newRun.runId), stateOf(newRun))
        yield* currentIs(at, first)
      })
    )

    it.effect("refuses to reset a run that is not current, with and without a new one", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const other = yield* created(at, zombie)
        for (const newRun of [undefined, snapshot()]) {
          const run = replacement(other.runId, 1n, completed)
          const conflict = yield* refused(at, resolve(at, { mode: "UpdateCurrent", run, newRun }))
          assert(conflict._tag === "CurrentExecutionConflict")
          assert.deepStrictEqual(conflict.current, currentOf(at, first))
        }
      })
    )

    it.effect("refuses to suppress a run that is not current", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        yield* created(at)
        const [one, two] = [yield* created(at, zombie), yield* created(at, zombie)]
        const resolution = { run: replacement(one.runId, 1n), current: mutation(two.runId, 1n, zombie) }
        const conflict = yield* refused(at, resolve(at, { mode: "UpdateCurrent", ...resolution }))
        assert.strictEqual(conflict._tag, "CurrentExecutionConflict")
      })
    )

    it.effect("refuses to rebuild the current run as a zombie", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = replacement(first.runId, 1n, zombie)
        const conflict = yield* refused(at, resolve(at, { mode: "BypassCurrent", run }))
        assert.strictEqual(conflict._tag, "CurrentExecutionConflict")
      })
    )

    it.effect("refuses where any of its runs was written since, is missing, or is there already", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const other = yield* created(at, zombie)
        const taken = yield* created(at, zombie)
        const good = {
          run: replacement(other.runId, 1n, completed),
          current: mutation(first.runId, 1n, zombie),
          newRun: snapshot()
        }
        const cases = [
          [{ ...good, run: replacement(other.runId, 2n, completed) }, "ExecutionConflict", other.runId],
          [{ ...good, current: mutation(first.runId, 2n, zombie) }, "ExecutionConflict", first.runId],
          [{ ...good, newRun: snapshot({ runId: taken.runId }) }, "ExecutionConflict", taken.runId],
          [{ ...good, run: replacement(runId(), 1n, completed) }, "ExecutionNotFound", undefined]
        ] as const
        for (const [resolution, tag, id] of cases) {
          const failed = yield* refused(at, resolve(at, { mode: "UpdateCurrent", ...resolution }))
          assert.strictEqual(failed._tag, tag)
          if (id !== undefined) assert.propertyVal(failed, "runId", id)
        }
        const stale = { mode: "BypassCurrent", run: replacement(other.runId, 2n, zombie) } as const
        assert.strictEqual((yield* refused(at, resolve(at, stale)))._tag, "ExecutionConflict")
      })
    )

    it.effect("refuses a host that does not own the shard", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = replacement(first.runId, 1n, completed)
        for (const mode of ["UpdateCurrent", "BypassCurrent"] as const) {
          const lost = yield* refused(at, resolve({ ...at, rangeId: 6n }, { mode, run }))
          assert.include(lost, { _tag: "ShardOwnershipLost", expected: 6n, actual: 5n } as const)
        }
      })
    )
  })

for (const [name, archetypeId] of archetypes) suite(name, archetypeId)
