/**
 * What the store sends: how many round trips, how large, and nothing that Aurora DSQL refuses.
 */
import { Linter } from "@effect-dsql/dialect"
import {
  Archetype,
  type Execution,
  Executions,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  Shards
} from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { schemaText } from "../../../test/migrated.ts"
import { Control } from "./support/emulated.ts"
import {
  archetypes,
  chasm,
  created,
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
  tasks
} from "./support/executions.ts"
import { blob, key, runId } from "./support/rows.ts"
import { describeEmulated } from "./support/persistence.ts"

/** Counts what a program sends; the connection is there already. */
const counting = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const control = yield* Control
    const shards = yield* Shards.Shards
    yield* shards.find(Identifiers.ShardId.make(1))
    yield* control.reset
    yield* program
    const { roundTrips, statements } = yield* control.counts()
    return { roundTrips, statements }
  })

const once = { roundTrips: 1, statements: 1 }

describeEmulated("one round trip is enough", (it) => {
  for (const [name, archetypeId] of archetypes) {
    it.effect(`for each operation on ${name}`, () =>
      Effect.gen(function* () {
        const executions = yield* Executions.Executions
        const at = yield* place(archetypeId)
        const run = snapshot()
        const beside = snapshot({ standing: standing("Zombie") })
        const next = snapshot()
        const operations: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          executions.create(at, { _tag: "BrandNew" }, run),
          executions.create(at, { _tag: "BypassCurrent" }, beside),
          executions.update(at, {
            mode: "UpdateCurrent",
            mutation: mutation(run.runId, 1n, { bufferEvents: [blob(), blob()], clearBufferedEvents: true })
          }),
          executions.update(at, {
            mode: "UpdateCurrent",
            mutation: mutation(run.runId, 2n, { standing: standing("Completed") }),
            newRun: next
          }),
          executions.conflictResolve(at, {
            mode: "UpdateCurrent",
            run: replacement(beside.runId, 1n, { standing: standing("Completed") }),
            current: mutation(next.runId, 1n, { standing: standing("Zombie") }),
            newRun: snapshot()
          }),
          executions.set(at, replacement(run.runId, 3n)),
          executions.get({ ...at, runId: run.runId }),
          executions.salvage({ ...at, runId: run.runId }),
          executions.getCurrent(at),
          executions.deleteCurrent(at, run.runId),
          executions.delete(at, run.runId)
        ]
        for (const operation of operations) assert.deepStrictEqual(yield* counting(operation), once)
      })
    )
  }

  it.effect("for twenty changes of parts and ten tasks, and for reading a run with twenty parts of each kind", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      const run = yield* created(at, parts(20))
      const change = mutation(run.runId, 1n, {
        put: { activities: parts(10).activities, timers: parts(5).timers },
        remove: { children: new Set([...(run.children ?? new Map()).keys()].slice(0, 5)) },
        tasks: [...tasks(), ...tasks().slice(0, 4)]
      })
      const update = executions.update(at, { mode: "UpdateCurrent", mutation: change })
      assert.deepStrictEqual(yield* counting(update), once)
      assert.deepStrictEqual(yield* counting(executions.get({ ...at, runId: run.runId })), once)
    })
  )

  it.effect("and none for what is refused before it is sent", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at: Execution.OwnedKey = { ...key(Archetype.unspecified), rangeId: 5n }
      const create = Effect.flip(executions.create(at, { _tag: "BrandNew" }, snapshot()))
      assert.deepStrictEqual(yield* counting(create), { roundTrips: 0, statements: 0 })
    })
  )

  it.effect("which sends a text that depends on what is written, not on how much of it", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const at = yield* place(Archetype.workflow)
      const executions = yield* Executions.Executions
      const { runId } = yield* created(at)
      yield* control.reset
      for (const [index, count] of [1, 7, 40].entries()) {
        const put = parts(count)
        const change = mutation(runId, BigInt(index + 1), { put, remove: { timers: new Set(put.timers.keys()) } })
        yield* executions.update(at, { mode: "UpdateCurrent", mutation: change })
      }
      const texts = new Set((yield* control.statements()).map(({ sql }) => sql))
      assert.strictEqual(texts.size, 1)
    })
  )
})

describeEmulated("what the store sends", (it) => {
  it.effect("is accepted by Aurora DSQL", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const executions = yield* Executions.Executions
      yield* control.reset
      for (const archetypeId of [Archetype.workflow, chasm]) {
        const at = yield* place(archetypeId)
        const run = yield* created(at)
        const other = yield* created(at, { standing: standing("Zombie") })
        yield* executions.update(at, {
          mode: "UpdateCurrent",
          mutation: mutation(run.runId, 1n, {
            bufferEvents: [blob()],
            clearBufferedEvents: true,
            remove: {
              activities: new Set([1n]),
              timers: new Set([Identifiers.TimerId.make("t")]),
              requestedSignals: new Set([Identifiers.SignalId.make("s")]),
              chasmNodes: new Set([Identifiers.ChasmPath.make("")])
            },
            standing: standing("Completed")
          })
        })
        const next = snapshot()
        yield* executions.create(
          at,
          {
            _tag: "UpdateCurrent",
            previousRunId: run.runId,
            previousLastWriteVersion: (yield* get(at, run.runId)).execution.lastWriteVersion
          },
          next
        )
        yield* executions.update(at, {
          mode: "UpdateCurrent",
          mutation: mutation(next.runId, 0n, {
            standing: standing("Completed"),
            expected: { nextEventId: next.nextEventId }
          }),
          newRun: snapshot()
        })
        yield* executions.conflictResolve(at, {
          mode: "BypassCurrent",
          run: replacement(other.runId, 1n, { standing: standing("Zombie") })
        })
        yield* (yield* HistoryTasks.HistoryTasks).add(at, tasks())
        yield* executions.getCurrent(at)
        yield* executions.deleteCurrent(at, run.runId)
        yield* executions.delete(at, run.runId)
        // A lost answer is looked for.
        yield* control.inject({ on: "commit", fault: "cut-after", nth: [1] })
        yield* (yield* HistoryTasks.HistoryTasks).add(at, tasks())
        yield* control.clear
        yield* control.inject({ on: "commit", fault: "cut-after", nth: [1] })
        yield* executions.deleteCurrent(at, runId())
        yield* control.clear
      }
      const texts = new Set((yield* control.statements()).map(({ sql }) => sql))
      assert.isAbove(texts.size, 20)
      const schema = yield* schemaText()
      for (const text of texts) {
        // These rules look at a file as a whole; the statements come one by one.
        const options = { disable: ["transaction-left-open", "no-transaction"], schema }
        assert.deepStrictEqual(yield* Linter.lint(text, options), [], text)
      }
    })
  )
})

describeEmulated("sizes", (it) => {
  const large = (bytes: number) => ({ data: new Uint8Array(bytes), encoding: "Proto3" }) as const
  const mib = 1024 * 1024

  /** The error of a write that sends nothing. */
  const unsent = <A, E, R>(at: Execution.OwnedKey, write: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const control = yield* Control
      yield* control.reset
      const error = yield* Effect.flip(write)
      assert.strictEqual((yield* control.counts()).statements, 0)
      yield* refused(at, write)
      return error
    })

  it.effect("of values, rows and keys are checked before anything is sent", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      const { runId } = yield* created(at)
      const change = (changed: Parameters<typeof mutation>[2]) =>
        executions.update(at, { mode: "UpdateCurrent", mutation: mutation(runId, 1n, changed) })
      const path = Identifiers.ChasmPath.make("p".repeat(1000))
      const cases = [
        [change({ info: large(mib + 1) }), "column_bytes", "executions.data"],
        [change({ info: large(mib), state: large(mib) }), "row_bytes", "executions"],
        [change({ put: { activities: new Map([[1n, large(mib + 1)]]) } }), "column_bytes", "activity_info_maps.data"],
        [change({ put: { chasmNodes: new Map([[path, { metadata: blob() }]]) } }), "key_bytes", "chasm_node_maps"],
        [change({ bufferEvents: [large(mib + 1)] }), "column_bytes", "buffered_events.data"],
        [
          change({ tasks: [{ category: HistoryTask.transfer, taskId: 1n, task: large(mib + 1) }] }),
          "column_bytes",
          "transfer_tasks.data"
        ]
      ] as const
      for (const [write, limit, place] of cases) {
        const error = yield* unsent(at, write)
        assert.include(error, { _tag: "LimitExceeded", limit } as const)
        assert.include(error.message, place)
        assert.match(error.message, /\d+ bytes; Aurora DSQL takes at most \d+/)
      }
    })
  )

  it.effect("of all that a transaction changes are checked before anything is sent", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      const { runId } = yield* created(at)
      const activities = new Map(Array.from({ length: 2000 }, (_, index) => [BigInt(index), large(1)]))
      const gone = new Set(Array.from({ length: 1000 }, (_, index) => BigInt(index)))
      const rows = mutation(runId, 1n, { put: { activities }, remove: { children: gone }, tasks: [] })
      const many = yield* unsent(at, executions.update(at, { mode: "UpdateCurrent", mutation: rows }))
      assert.include(many, { _tag: "LimitExceeded", limit: "transaction_rows" } as const)
      const heavy = new Map(Array.from({ length: 11 }, (_, index) => [BigInt(index), large(mib)]))
      const run = replacement(runId, 1n, { ...noParts, activities: heavy })
      const bytes = yield* unsent(at, executions.set(at, run))
      assert.include(bytes, { _tag: "LimitExceeded", limit: "transaction_bytes" } as const)
    })
  )

  it.effect("up to the limit are taken", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      const { runId } = yield* created(at)
      const activities = new Map(Array.from({ length: 2998 }, (_, index) => [BigInt(index), large(1)]))
      const change = mutation(runId, 1n, { put: { activities }, tasks: [] })
      yield* executions.update(at, { mode: "UpdateCurrent", mutation: change })
      assert.isAbove((yield* everything(at)).length, 2998)
    })
  )
})
