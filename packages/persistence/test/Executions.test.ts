import { Archetype, type Execution, Executions } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import {
  archetypes,
  chasm,
  created,
  currentOf,
  currentRun,
  everything,
  get,
  mutation,
  noParts,
  parts,
  place,
  refused,
  replacement,
  snapshot,
  standing,
  stateOf
} from "./support/executions.ts"
import { blob, key, runId } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const zombie = { standing: standing("Zombie") }

const suite = (name: string, archetypeId: Archetype.ArchetypeId) =>
  describeStores(`Executions of ${name}`, (it) => {
    it.effect("set puts a run in the place of what is stored, and leaves the current execution", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        const first = yield* created(at)
        const run = replacement(first.runId, 1n)
        yield* executions.set(at, run)
        assert.deepStrictEqual(yield* get(at, first.runId), stateOf(run, 2n))
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, first))
      })
    )

    it.effect("set refuses a run that is not there, was written since, or whose shard is another's", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        const missing = yield* refused(at, executions.set(at, replacement(runId(), 1n)))
        assert.strictEqual(missing._tag, "ExecutionNotFound")
        const { runId: id } = yield* created(at)
        const stale = yield* refused(at, executions.set(at, replacement(id, 2n)))
        assert.strictEqual(stale._tag, "ExecutionConflict")
        const lost = yield* refused(at, executions.set({ ...at, rangeId: 4n }, replacement(id, 1n)))
        assert.strictEqual(lost._tag, "ShardOwnershipLost")
      })
    )

    it.effect("get and getCurrent say that there is none", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        const run = yield* Effect.flip(executions.get({ ...at, runId: runId() }))
        assert.strictEqual(run._tag, "ExecutionNotFound")
        const current = yield* Effect.flip(executions.getCurrent(at))
        assert.include(current, { _tag: "ExecutionNotFound", runId: undefined } as const)
      })
    )

    it.effect("deleteCurrent deletes the current execution if it is the run that it was told", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        const run = yield* created(at)
        const before = yield* everything(at)
        yield* executions.deleteCurrent(at, runId())
        assert.deepStrictEqual(yield* everything(at), before)
        yield* executions.deleteCurrent(at, run.runId)
        assert.strictEqual((yield* Effect.flip(executions.getCurrent(at)))._tag, "ExecutionNotFound")
        assert.deepStrictEqual(yield* get(at, run.runId), stateOf(run))
        yield* executions.deleteCurrent(at, run.runId)
      })
    )

    it.effect("delete leaves nothing of a run, and all of the others", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        yield* created(at)
        const before = yield* everything(at)
        const run = yield* created(at, { ...zombie, tasks: [] })
        yield* executions.update(at, {
          mode: "BypassCurrent",
          mutation: mutation(run.runId, 1n, { bufferEvents: [blob(), blob()], tasks: [], ...zombie })
        })
        yield* executions.delete(at, run.runId)
        assert.deepStrictEqual(yield* everything(at), before)
        assert.strictEqual((yield* Effect.flip(executions.get({ ...at, runId: run.runId })))._tag, "ExecutionNotFound")
        yield* executions.delete(at, run.runId)
        assert.deepStrictEqual(yield* everything(at), before)
      })
    )

    it.effect("delete and deleteCurrent refuse a host that does not own the shard", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        const run = yield* created(at)
        for (const operation of ["delete", "deleteCurrent"] as const) {
          const lost = yield* refused(at, executions[operation]({ ...at, rangeId: 4n }, run.runId))
          assert.include(lost, { _tag: "ShardOwnershipLost", expected: 4n, actual: 5n } as const)
        }
      })
    )

    it.effect("delete removes more parts than a transaction takes, the run's own row last", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const executions = yield* Executions.Executions
        const before = yield* everything(at)
        const run = yield* created(at, { ...noParts, tasks: [], ...zombie })
        for (const version of [1n, 2n]) {
          const change = mutation(run.runId, version, { put: parts(360), tasks: [], ...zombie })
          yield* executions.update(at, { mode: "BypassCurrent", mutation: change })
        }
        yield* executions.delete(at, run.runId)
        assert.deepStrictEqual(yield* everything(at), before)
      })
    )
  })

for (const [name, archetypeId] of archetypes) suite(name, archetypeId)

describeStores("Executions of several archetypes", (it) => {
  it.effect("keep one business id apart: each has its own current run, and loses only its own", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const first = yield* place(Archetype.workflow)
      const places = [first, { ...first, archetypeId: chasm }, { ...first, archetypeId: Archetype.scheduler }]
      const runs = yield* Effect.forEach(places, (at) => created(at))
      const check = Effect.fnUntraced(function* (gone: number) {
        for (const [index, at] of places.entries()) {
          const current = yield* Effect.option(currentRun(at))
          assert.strictEqual(Option.getOrUndefined(current), index <= gone ? undefined : runs[index]?.runId)
        }
      })
      yield* check(-1)
      for (const [index, at] of places.entries()) {
        const run = runs[index]
        assert(run !== undefined)
        yield* executions.update(at, { mode: "UpdateCurrent", mutation: mutation(run.runId, 1n) })
        yield* executions.deleteCurrent(at, run.runId)
        yield* executions.delete(at, run.runId)
        yield* check(index)
      }
    })
  )

  it.effect("take an archetype that is left out for a workflow", () =>
    Effect.gen(function* () {
      const at = yield* place(Archetype.workflow)
      const run = yield* created({ ...at, archetypeId: undefined })
      assert.strictEqual(yield* currentRun(at), run.runId)
    })
  )

  it.effect("send nothing for an archetype that is not specified", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at: Execution.OwnedKey = { ...key(Archetype.unspecified), rangeId: 5n }
      const run = runId()
      const operations: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        executions.create(at, { _tag: "BrandNew" }, snapshot()),
        executions.update(at, { mode: "IgnoreCurrent", mutation: mutation(run, 1n) }),
        executions.conflictResolve(at, { mode: "UpdateCurrent", run: replacement(run, 1n) }),
        executions.set(at, replacement(run, 1n)),
        executions.get({ ...at, runId: run }),
        executions.salvage({ ...at, runId: run }),
        executions.getCurrent(at),
        executions.delete(at, run),
        executions.deleteCurrent(at, run)
      ]
      for (const operation of operations) {
        assert.propertyVal(yield* Effect.flip(operation), "_tag", "ArchetypeUnspecified")
      }
    })
  )
})
