/**
 * Workflows of a shard, moved on step by step: a run begins, changes and continues as a new one, and each step is an
 * event of its history.
 *
 * A step leaves a task, which says whose it was and stays where it is. So the steps that were ever taken can be read.
 */
import {
  Archetype,
  type Execution,
  Executions,
  ExecutionWrite,
  HistoryBranch,
  HistoryBranches,
  HistoryTask,
  Identifiers
} from "@effect-dsql/persistence"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { randomUUID } from "node:crypto"
import { Mark, Progress, Step } from "./Json.ts"
import { Scribe } from "./Scribe.ts"

/** The namespace of all workflows. */
const namespaceId = Identifiers.NamespaceId.make("5702a000-0000-4000-8000-000000000000")

/** What each shard has. The last of them is no workflow, so its current run is kept elsewhere. */
const businesses = [
  ["order-1", Archetype.workflow],
  ["order-2", Archetype.workflow],
  ["activity", Archetype.ArchetypeId.make(77)]
] as const

/** Moves one of the shard's workflows on; `id` gives out the ids of the shard's owner. */
export const step = Effect.fnUntraced(function* (shardId: Identifiers.ShardId, rangeId: bigint, id: () => bigint) {
  const executions = yield* Executions.Executions
  const scribe = yield* Scribe
  const [name, archetypeId] = yield* Random.choice(businesses)
  const at = { shardId, rangeId, namespaceId, businessId: Identifiers.BusinessId.make(name), archetypeId }
  const op = yield* scribe.op
  const workflow = `${shardId}/${name}`
  const task = (number: number) => [
    { category: HistoryTask.transfer, taskId: id(), task: Step.encode({ op, rangeId, workflow, step: number }) }
  ]
  const attempt = <E>(number: number, write: Effect.Effect<void, E>) =>
    scribe.attempt(op, { _tag: "Step", shardId, rangeId, workflow, step: number }, write)

  const current = yield* Effect.catchTag(
    Effect.asSome(executions.getCurrent(at)),
    "ExecutionNotFound",
    () => Effect.succeedNone
  )
  if (current._tag === "None") {
    const run = yield* begun(at, op, 1, id())
    return yield* attempt(1, executions.create(at, { _tag: "BrandNew" }, { ...run, tasks: task(1) }))
  }
  const { runId } = current.value
  const { execution } = yield* executions.get({ ...at, runId })
  const next = yield* appended(at, op, Progress.decode(execution.info.data), id())
  const continues = (yield* Random.nextIntBetween(1, 6)) === 1
  const mutation = ExecutionWrite.change(
    runId,
    { execution },
    {
      ...head(next),
      standing: standing(continues ? "Completed" : "Running"),
      tasks: task(next.step)
    }
  )
  const newRun = continues ? yield* begun(at, op, next.step, id()) : undefined
  yield* attempt(next.step, executions.update(at, { mode: "UpdateCurrent", mutation, newRun }))
})

type Progressed = ReturnType<typeof Progress.decode>

/** Begins the history of a new run, and gives the run. */
const begun = Effect.fnUntraced(function* (at: Execution.OwnedKey, op: string, step: number, txnId: bigint) {
  const history = yield* HistoryBranches.HistoryBranches
  const branch = HistoryBranch.root(Identifiers.TreeId.make(randomUUID()), Identifiers.BranchId.make(randomUUID()))
  const progress = { step, treeId: branch.treeId, branchId: branch.branchId, nodeId: 1n, txnId }
  yield* history.append({
    shardId: at.shardId,
    branch,
    nodes: [{ nodeId: 1n, txnId, prevTxnId: 0n, events: Mark.encode({ op }) }],
    newBranch: { info: op }
  })
  return ExecutionWrite.Snapshot.make({
    runId: Identifiers.RunId.make(randomUUID()),
    ...head(progress),
    standing: standing("Running")
  })
})

/** Appends an event behind a run's last one. It becomes history only if the run's next step does. */
const appended = Effect.fnUntraced(function* (at: Execution.OwnedKey, op: string, last: Progressed, txnId: bigint) {
  const history = yield* HistoryBranches.HistoryBranches
  const next = { ...last, step: last.step + 1, nodeId: last.nodeId + 1n, txnId }
  yield* history.append({
    shardId: at.shardId,
    branch: branchOf(last),
    nodes: [{ nodeId: next.nodeId, txnId, prevTxnId: last.txnId, events: Mark.encode({ op }) }]
  })
  return next
})

/** Where the history of a run is. */
export const branchOf = ({ branchId, treeId }: Pick<Progressed, "branchId" | "treeId">) =>
  HistoryBranch.root(Identifiers.TreeId.make(treeId), Identifiers.BranchId.make(branchId))

const head = (progress: Progressed) => ({
  nextEventId: progress.nodeId + 1n,
  lastWriteVersion: 1n,
  info: Progress.encode(progress),
  state: Mark.encode({ op: "state" })
})

const standing = (state: "Running" | "Completed") =>
  ExecutionWrite.Standing.make({ state, status: state === "Running" ? "Running" : "ContinuedAsNew" })
