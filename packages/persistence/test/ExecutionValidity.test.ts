/**
 * Writes of executions that Temporal's managers refuse, whatever is stored: by the states of their runs.
 */
import { Archetype, type CurrentExecution, Executions, type ExecutionWrite } from "@effect-dsql/persistence"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Validity from "../src/internal/executions/validity.ts"
import { Control } from "./support/emulated.ts"
import { mutation, replacement, snapshot, standing } from "./support/executions.ts"
import { describeEmulated } from "./support/persistence.ts"
import { key, runId } from "./support/rows.ts"

const at = { ...key(Archetype.workflow), rangeId: 1n }

const states = ["Created", "Running", "Completed", "Zombie", "Corrupted"] as const

type Of = CurrentExecution.State

/** What a state goes together with. */
const status = (state: Of): CurrentExecution.Status =>
  state === "Completed" || state === "Corrupted" ? "Completed" : "Running"

const of = (state: Of) => ({ standing: standing(state, status(state)) })

/** A new run is not completed unless it says so. */
const newOf = (state: Of) => snapshot({ standing: standing(state, state === "Completed" ? "Completed" : "Running") })

const passes = (write: Effect.Effect<void, unknown>) => Result.isSuccess(Effect.runSync(Effect.result(write)))

/** The states, alone or in pairs, with which a write is not refused. */
const alone = (write: (state: Of) => Effect.Effect<void, unknown>) => states.filter((state) => passes(write(state)))

const paired = (write: (run: Of, next: Of) => Effect.Effect<void, unknown>) =>
  states.flatMap((run) => states.filter((next) => passes(write(run, next))).map((next) => `${run} then ${next}`))

const changed = (state: Of) => mutation(runId(), 1n, of(state))
const rebuilt = (state: Of) => replacement(runId(), 1n, of(state))

describe("A run", () => {
  it("that is new becomes the current one unless it is a zombie, and is beside it unless it runs", () => {
    const modes: ReadonlyArray<readonly [ExecutionWrite.CreateMode, ReadonlyArray<Of>]> = [
      [{ _tag: "BrandNew" }, ["Created", "Running", "Completed", "Corrupted"]],
      [
        { _tag: "UpdateCurrent", previousRunId: runId(), previousLastWriteVersion: 1n },
        ["Created", "Running", "Completed", "Corrupted"]
      ],
      [{ _tag: "BypassCurrent" }, ["Completed", "Zombie", "Corrupted"]]
    ]
    for (const [mode, allowed] of modes) {
      assert.deepStrictEqual(
        alone((state) => Validity.create(at, mode, newOf(state))),
        allowed,
        mode._tag
      )
    }
  })

  it("that is changed is current unless it is a zombie, and is beside the current one unless it runs", () => {
    const allowed = (mode: ExecutionWrite.Update["mode"]) =>
      alone((state) => Validity.update(at, { mode, mutation: changed(state) }))
    assert.deepStrictEqual(allowed("UpdateCurrent"), ["Created", "Running", "Completed", "Corrupted"])
    assert.deepStrictEqual(allowed("BypassCurrent"), ["Completed", "Zombie", "Corrupted"])
    assert.deepStrictEqual(allowed("IgnoreCurrent"), [...states])
  })

  it("follows another that does not run any more, and only where the current execution is looked at", () => {
    const allowed = (mode: ExecutionWrite.Update["mode"]) =>
      paired((run, next) => Validity.update(at, { mode, mutation: changed(run), newRun: newOf(next) }))
    const after = (runs: ReadonlyArray<Of>, next: ReadonlyArray<Of>) =>
      runs.flatMap((run) => next.map((each) => `${run} then ${each}`))
    const over = ["Completed", "Zombie", "Corrupted"] as const
    assert.deepStrictEqual(allowed("UpdateCurrent"), after(over, ["Created", "Running", "Completed", "Corrupted"]))
    assert.deepStrictEqual(allowed("BypassCurrent"), after(over, over))
    assert.deepStrictEqual(allowed("IgnoreCurrent"), [])
  })

  it("that is rebuilt obeys the same, and takes the place of a current one that does not run any more", () => {
    const resolve = (mode: "UpdateCurrent" | "BypassCurrent") => ({
      alone: alone((state) => Validity.conflictResolve(at, { mode, run: rebuilt(state) })),
      followed: paired((run, next) => Validity.conflictResolve(at, { mode, run: rebuilt(run), newRun: newOf(next) }))
    })
    const followed = (next: ReadonlyArray<Of>) =>
      (["Completed", "Corrupted"] as const).flatMap((run) => next.map((each) => `${run} then ${each}`))
    assert.deepStrictEqual(resolve("UpdateCurrent"), {
      alone: ["Created", "Running", "Completed", "Corrupted"],
      followed: followed(["Created", "Running", "Completed", "Corrupted"])
    })
    assert.deepStrictEqual(resolve("BypassCurrent"), {
      alone: ["Completed", "Zombie", "Corrupted"],
      followed: followed(["Zombie", "Corrupted"])
    })
    const current = alone((state) =>
      Validity.conflictResolve(at, { mode: "UpdateCurrent", run: rebuilt("Running"), current: changed(state) })
    )
    assert.deepStrictEqual(current, ["Completed", "Zombie", "Corrupted"])
  })

  it("has a status that its state goes together with: running or paused until it is over, and never both", () => {
    const statuses = ["Running", "Paused", "Completed", "Failed"] as const
    const allowed = (write: (of: Pick<ExecutionWrite.Snapshot, "standing">) => Effect.Effect<void, unknown>) =>
      states.map((state) => statuses.filter((status) => passes(write({ standing: standing(state, status) }))))
    const over = ["Completed", "Failed"]
    const going = ["Running", "Paused"]
    assert.deepStrictEqual(
      allowed((changed) => Validity.set(at, replacement(runId(), 1n, changed))),
      [["Running"], going, over, going, over]
    )
    const made = allowed((changed) => {
      const beside = changed.standing.state === "Zombie" ? ("BypassCurrent" as const) : ("BrandNew" as const)
      return Validity.create(at, { _tag: beside }, snapshot(changed))
    })
    assert.deepStrictEqual(made, [["Running"], ["Running"], over, ["Running"], ["Running"]])
  })

  it("is given to one write once, however its id is written", () => {
    const run = rebuilt("Completed")
    const twice = { ...newOf("Running"), runId: run.runId.toUpperCase() as typeof run.runId }
    const writes = [
      Validity.update(at, { mode: "UpdateCurrent", mutation: mutation(run.runId, 1n, of("Completed")), newRun: twice }),
      Validity.conflictResolve(at, { mode: "UpdateCurrent", run, newRun: twice }),
      Validity.conflictResolve(at, { mode: "UpdateCurrent", run, current: mutation(run.runId, 1n, of("Completed")) })
    ]
    for (const write of writes) {
      const error = Effect.runSync(Effect.flip(write))
      assert.include(error, { _tag: "ExecutionInvalid", reason: "one write is given it twice" } as const)
    }
  })
})

describeEmulated("A write of an execution that is never right", (it) => {
  it.effect("is refused by every operation, and nothing is sent", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const control = yield* Control
      yield* control.reset
      const wrong = { standing: standing("Completed", "Running") }
      const bufferEvents = [{ data: new Uint8Array(), encoding: "Proto3" } as const]
      const writes = [
        executions.create(at, { _tag: "BrandNew" }, snapshot(wrong)),
        executions.update(at, { mode: "UpdateCurrent", mutation: mutation(runId(), 1n, wrong) }),
        executions.update(at, { mode: "UpdateCurrent", mutation: mutation(runId(), 1n, { bufferEvents }) }),
        executions.conflictResolve(at, { mode: "UpdateCurrent", run: replacement(runId(), 1n, wrong) }),
        executions.set(at, replacement(runId(), 1n, wrong))
      ]
      for (const write of writes) assert.strictEqual((yield* Effect.flip(write))._tag, "ExecutionInvalid")
      assert.strictEqual((yield* control.counts()).roundTrips, 0)
    })
  )
})
