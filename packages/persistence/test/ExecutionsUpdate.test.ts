import { type Archetype, type Execution, Executions, type ExecutionWrite } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import {
  archetypes,
  created,
  currentOf,
  currentRun,
  executionOf,
  get,
  mutation,
  place,
  refused,
  snapshot,
  standing,
  stateOf,
  taskCount
} from "./support/executions.ts"
import { runId } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const update = (at: Execution.OwnedKey, change: ExecutionWrite.Update) =>
  Effect.flatMap(Executions.Executions, (executions) => executions.update(at, change))

const zombie = { standing: standing("Zombie") }
const completed = { standing: standing("Completed") }

/** A run after a change that only adds parts. */
const changed = (
  state: Execution.MutableState,
  change: ExecutionWrite.Mutation,
  dbRecordVersion: bigint
): Execution.MutableState => ({
  execution: executionOf(change, dbRecordVersion),
  activities: new Map([...state.activities, ...(change.put?.activities ?? [])]),
  timers: new Map([...state.timers, ...(change.put?.timers ?? [])]),
  children: new Map([...state.children, ...(change.put?.children ?? [])]),
  cancels: new Map([...state.cancels, ...(change.put?.cancels ?? [])]),
  signals: new Map([...state.signals, ...(change.put?.signals ?? [])]),
  requestedSignals: new Set([...state.requestedSignals, ...(change.put?.requestedSignals ?? [])]),
  chasmNodes: new Map([...state.chasmNodes, ...(change.put?.chasmNodes ?? [])]),
  bufferedEvents: [...state.bufferedEvents, ...(change.bufferEvents ?? [])]
})

const suite = (name: string, archetypeId: Archetype.ArchetypeId) =>
  describeStores(`Executions.update of ${name}`, (it) => {
    it.effect("changes the current run, and what the current execution says of it", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        const change = mutation(run.runId, 1n)
        yield* update(at, { mode: "UpdateCurrent", mutation: change })
        assert.deepStrictEqual(yield* get(at, run.runId), changed(stateOf(run), change, 2n))
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, change))
        assert.strictEqual(yield* taskCount(at), 2 * (run.tasks?.length ?? 0))
      })
    )

    it.effect("moves the version by one with each change", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        for (const version of [1n, 2n, 3n]) {
          const change = mutation(run.runId, version)
          yield* update(at, { mode: "UpdateCurrent", mutation: change })
          assert.strictEqual((yield* get(at, run.runId)).execution.dbRecordVersion, version + 1n)
        }
      })
    )

    it.effect("refuses to change a run that is no longer current as the current one", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at, completed)
        const executions = yield* Executions.Executions
        const next = snapshot()
        yield* executions.create(at, { _tag: "BrandNew", previousRunId: first.runId }, next)
        const conflict = yield* refused(at, update(at, { mode: "UpdateCurrent", mutation: mutation(first.runId, 1n) }))
        assert(conflict._tag === "CurrentExecutionConflict")
        assert.deepStrictEqual(conflict.current, currentOf(at, next))
      })
    )

    it.effect("refuses a change of a run that was written since, and says how it stands", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        for (const version of [0n, 2n, 7n]) {
          const change = mutation(run.runId, version)
          const conflict = yield* refused(at, update(at, { mode: "UpdateCurrent", mutation: change }))
          assert.include(conflict, { _tag: "ExecutionConflict", runId: run.runId } as const)
          assert(conflict._tag === "ExecutionConflict")
          assert.deepStrictEqual(conflict.expected, { dbRecordVersion: version })
          assert.deepStrictEqual(conflict.actual, { dbRecordVersion: 1n, nextEventId: run.nextEventId })
        }
      })
    )

    it.effect("goes by the next event's id where a run has no version of its own", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        const stale = mutation(run.runId, 0n, { expected: { nextEventId: run.nextEventId + 1n } })
        const conflict = yield* refused(at, update(at, { mode: "UpdateCurrent", mutation: stale }))
        assert.strictEqual(conflict._tag, "ExecutionConflict")
        const change = mutation(run.runId, 0n, { expected: { nextEventId: run.nextEventId } })
        yield* update(at, { mode: "UpdateCurrent", mutation: change })
        assert.deepStrictEqual(yield* get(at, run.runId), changed(stateOf(run), change, 2n))
      })
    )

    it.effect("continues as new: changes the run, creates the next and makes that one current", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        const change = mutation(run.runId, 1n, { standing: standing("Completed", "ContinuedAsNew") })
        const newRun = snapshot()
        yield* update(at, { mode: "UpdateCurrent", mutation: change, newRun })
        assert.deepStrictEqual(yield* get(at, run.runId), changed(stateOf(run), change, 2n))
        assert.deepStrictEqual(yield* get(at, newRun.runId), stateOf(newRun))
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, newRun))
      })
    )

    it.effect("does not continue as new where another run is current, or the new one is there already", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const other = yield* created(at, zombie)
        const stale = {
          mode: "UpdateCurrent",
          mutation: mutation(other.runId, 1n, completed),
          newRun: snapshot()
        } as const
        const conflict = yield* refused(at, update(at, stale))
        assert(conflict._tag === "CurrentExecutionConflict")
        assert.strictEqual(conflict.current.runId, first.runId)
        const again = yield* refused(
          at,
          update(at, {
            mode: "UpdateCurrent",
            mutation: mutation(first.runId, 1n, completed),
            newRun: snapshot({ runId: other.runId })
          })
        )
        assert.include(again, { _tag: "ExecutionConflict", runId: other.runId, expected: undefined } as const)
      })
    )

    it.effect("changes a zombie beside the current run, which stays", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = yield* created(at, zombie)
        const change = mutation(run.runId, 1n, zombie)
        yield* update(at, { mode: "BypassCurrent", mutation: change })
        assert.deepStrictEqual(yield* get(at, run.runId), changed(stateOf(run), change, 2n))
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, first))
      })
    )

    it.effect("changes a zombie where no run is current", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at, zombie)
        const change = mutation(run.runId, 1n, zombie)
        yield* update(at, { mode: "BypassCurrent", mutation: change })
        assert.deepStrictEqual(yield* get(at, run.runId), changed(stateOf(run), change, 2n))
      })
    )

    it.effect("refuses to change the current run as a zombie, and a zombie that was written since", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = yield* created(at, zombie)
        const current = yield* refused(
          at,
          update(at, { mode: "BypassCurrent", mutation: mutation(first.runId, 1n, zombie) })
        )
        assert(current._tag === "CurrentExecutionConflict")
        assert.deepStrictEqual(current.current, currentOf(at, first))
        const stale = yield* refused(
          at,
          update(at, { mode: "BypassCurrent", mutation: mutation(run.runId, 2n, zombie) })
        )
        assert.include(stale, { _tag: "ExecutionConflict", runId: run.runId } as const)
      })
    )

    it.effect("goes on from a zombie in another zombie, unless that is there already", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at)
        const run = yield* created(at, zombie)
        const newRun = snapshot(zombie)
        const change = mutation(run.runId, 1n, completed)
        yield* update(at, { mode: "BypassCurrent", mutation: change, newRun })
        assert.deepStrictEqual(yield* get(at, newRun.runId), stateOf(newRun))
        assert.strictEqual(yield* currentRun(at), first.runId)
        const again = { mode: "BypassCurrent", mutation: mutation(run.runId, 2n, completed), newRun } as const
        const conflict = yield* refused(at, update(at, again))
        assert.include(conflict, { _tag: "ExecutionConflict", runId: newRun.runId } as const)
      })
    )

    it.effect("changes a closed run, current or not, without a look at the current execution", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const first = yield* created(at, completed)
        const one = mutation(first.runId, 1n, completed)
        yield* update(at, { mode: "IgnoreCurrent", mutation: one })
        const executions = yield* Executions.Executions
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, first))
        const next = snapshot()
        yield* executions.create(at, { _tag: "BrandNew", previousRunId: first.runId }, next)
        const two = mutation(first.runId, 2n, completed)
        yield* update(at, { mode: "IgnoreCurrent", mutation: two })
        assert.deepStrictEqual(yield* executions.getCurrent(at), currentOf(at, next))
        assert.deepStrictEqual(yield* get(at, first.runId), changed(changed(stateOf(first), one, 2n), two, 3n))
        const stale = yield* refused(at, update(at, { mode: "IgnoreCurrent", mutation: mutation(first.runId, 2n) }))
        assert.strictEqual(stale._tag, "ExecutionConflict")
      })
    )

    it.effect("refuses a change of a run that is not there, and where no run is current", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const missing = mutation(runId(), 1n, completed)
        const current = yield* refused(at, update(at, { mode: "UpdateCurrent", mutation: missing }))
        assert.include(current, { _tag: "ExecutionNotFound", runId: undefined } as const)
        for (const mode of ["BypassCurrent", "IgnoreCurrent"] as const) {
          const run = yield* refused(at, update(at, { mode, mutation: missing }))
          assert.include(run, { _tag: "ExecutionNotFound", runId: missing.runId } as const)
        }
      })
    )

    it.effect("refuses a host that does not own the shard, whatever else is wrong", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        for (const mode of ["UpdateCurrent", "BypassCurrent", "IgnoreCurrent"] as const) {
          const change = { mode, mutation: mutation(run.runId, 1n, completed) }
          const lost = yield* refused(at, update({ ...at, rangeId: 4n }, change))
          assert.include(lost, { _tag: "ShardOwnershipLost", expected: 4n, actual: 5n } as const)
        }
      })
    )

    it.effect("leaves one of eight changes that expect one version", () =>
      Effect.gen(function* () {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        const changes = Array.from({ length: 8 }, () => mutation(run.runId, 1n))
        const outcomes = yield* Effect.forEach(
          changes,
          (change) => Effect.result(update(at, { mode: "UpdateCurrent", mutation: change })),
          { concurrency: "unbounded" }
        )
        const won = changes.filter((_, index) => outcomes[index]?._tag === "Success")
        assert.strictEqual(won.length, 1)
        const [winner] = won
        assert(winner !== undefined)
        assert.deepStrictEqual(yield* get(at, run.runId), changed(stateOf(run), winner, 2n))
        for (const outcome of outcomes) {
          if (outcome._tag === "Failure") assert.strictEqual(outcome.failure._tag, "ExecutionConflict")
        }
      })
    )
  })

for (const [name, archetypeId] of archetypes) suite(name, archetypeId)
