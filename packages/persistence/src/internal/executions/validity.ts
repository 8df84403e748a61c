/**
 * What a write of an execution may be, whatever is stored: Temporal's managers ask the same before they send anything.
 */
import * as Effect from "effect/Effect"
import type { State } from "../../CurrentExecution.ts"
import { ExecutionInvalid, type OwnedKey } from "../../Execution.ts"
import { RunId } from "../../Identifiers.ts"
import type { ConflictResolution, CreateMode, Mutation, Replacement, Snapshot, Update } from "../../ExecutionWrite.ts"

type Run = Pick<Snapshot, "runId" | "standing">

/** What is wrong with a write, if it is. */
interface Question {
  readonly run: Run
  readonly wrong: boolean
  readonly reason: string
}

const judge = (at: OwnedKey, questions: ReadonlyArray<Question>): Effect.Effect<void, ExecutionInvalid> => {
  const found = questions.find(({ wrong }) => wrong)
  if (found === undefined) return Effect.void
  const { reason, run } = found
  return Effect.fail(new ExecutionInvalid({ businessId: at.businessId, runId: RunId.make(run.runId), reason }))
}

export const create = (at: OwnedKey, { _tag }: CreateMode, run: Snapshot) =>
  judge(at, [made(run), _tag === "BypassCurrent" ? not(run, open, "not the current one") : not(run, zombie, "current")])

export const update = (at: OwnedKey, { mode, mutation, newRun }: Update) =>
  judge(at, [
    ...changed(mutation),
    ...(newRun === undefined ? [] : [made(newRun)]),
    ...once(mutation, newRun),
    ...successor(mode, mutation, newRun)
  ])

export const conflictResolve = (at: OwnedKey, resolution: ConflictResolution) => {
  const { mode, newRun, run } = resolution
  const current = resolution.mode === "UpdateCurrent" ? resolution.current : undefined
  return judge(at, [
    stands(run),
    ...(current === undefined ? [] : changed(current)),
    ...(newRun === undefined ? [] : [made(newRun)]),
    ...once(run, newRun, current),
    ...successor(mode, run, newRun),
    ...(newRun === undefined ? [] : [not(run, zombie, "followed by another")]),
    ...(mode === "BypassCurrent" && newRun !== undefined ? [not(newRun, closed, "not the current one")] : []),
    ...(current === undefined ? [] : [not(current, open, "current no more")])
  ])
}

export const set = (at: OwnedKey, run: Replacement) => judge(at, [stands(run)])

/** How a run that is written, and one that follows it, relate to the current execution. */
const successor = (mode: Update["mode"], run: Run, next: Run | undefined): ReadonlyArray<Question> => {
  const left = next === undefined ? [] : [not(run, open, "followed by another")]
  switch (mode) {
    case "UpdateCurrent":
      return [...left, not(next ?? run, zombie, "current")]
    case "BypassCurrent":
      return [run, next].filter((each) => each !== undefined).map((each) => not(each, open, "not the current one"))
    case "IgnoreCurrent":
      return next === undefined
        ? []
        : [{ run: next, wrong: true, reason: "it follows another while the current execution is not looked at" }]
  }
}

const open: ReadonlySet<State> = new Set(["Created", "Running"])

const closed: ReadonlySet<State> = new Set(["Completed"])

const zombie: ReadonlySet<State> = new Set(["Zombie"])

const not = (run: Run, states: ReadonlySet<State>, role: string): Question => ({
  run,
  wrong: states.has(run.standing.state),
  reason: `a run that is ${run.standing.state} cannot be ${role}`
})

/** A new run is running unless it is completed. */
const made = (run: Run): Question =>
  mismatch(run, run.standing.state === "Completed" ? !isGoingOn(run) : run.standing.status === "Running")

/** A run that has been running for some time may also be paused. */
const stands = (run: Run): Question => {
  const { state, status } = run.standing
  if (state === "Created") return mismatch(run, status === "Running")
  return mismatch(run, state === "Completed" || state === "Corrupted" ? !isGoingOn(run) : isGoingOn(run))
}

const changed = (run: Mutation): ReadonlyArray<Question> => [
  stands(run),
  {
    run,
    wrong: run.bufferEvents?.some(({ data }) => data.length === 0) ?? false,
    reason: "a batch of events that is buffered has no events"
  }
]

const isGoingOn = ({ standing: { status } }: Run): boolean => status === "Running" || status === "Paused"

const mismatch = (run: Run, fits: boolean): Question => ({
  run,
  wrong: !fits,
  reason: `the state ${run.standing.state} and the status ${run.standing.status} do not go together`
})

/** One write changes a run once. */
const once = (...runs: ReadonlyArray<Run | undefined>): ReadonlyArray<Question> => {
  const given = runs.filter((run) => run !== undefined)
  return given.map((run, index) => ({
    run,
    // Of an id that is a cast nothing says in which letters it is.
    wrong: given.slice(0, index).some(({ runId }) => runId.toLowerCase() === run.runId.toLowerCase()),
    reason: "one write is given it twice"
  }))
}
