/**
 * What the owner of a shard does with the executions in it.
 *
 * Every operation reads a run, decides what becomes of it, and writes that as
 * one statement below the shard. Whoever wrote the run in between makes it
 * start over; a shard that was taken over makes it end with `NotOwner`, and
 * nothing written.
 */
import {
  type CurrentExecution,
  type Execution,
  Executions,
  ExecutionWrite,
  HistoryBranches,
  Identifiers,
  type PersistenceError
} from "@effect-dsql/persistence"
import { Clock, Context, DateTime, Effect, Layer, RcMap, Result, type Schema, Semaphore, Stream } from "effect"
import { randomUUID } from "node:crypto"
import type { Description, Kind } from "../api/HistoryApi.ts"
import { AlreadyRunning, NotFound, NotOwner, Unavailable } from "../api/Refusal.ts"
import type { Command } from "../domain/Command.ts"
import type { Event } from "../domain/Event.ts"
import { Keyspace } from "../Keyspace.ts"
import { type Owned, Ownership } from "./Ownership.ts"
import * as State from "./State.ts"
import * as Transition from "./Transition.ts"

/** What starts an execution. */
export interface Start {
  readonly kind: Kind
  readonly id: string
  /** The workflow's type, or the activity's name. */
  readonly name: string
  readonly input: Schema.Json
  readonly requestId: string
}

export interface Signal {
  readonly id: string
  readonly runId: string
  readonly signalId: string
  readonly name: string
  readonly value: Schema.Json
}

export interface Fired {
  readonly id: string
  readonly runId: string
  readonly timerId: string
}

export interface Decision {
  readonly id: string
  readonly runId: string
  /** How many events it was made from. */
  readonly seen: number
  readonly commands: ReadonlyArray<Command>
}

export interface Done {
  readonly kind: Kind
  readonly id: string
  readonly runId: string
  readonly scheduled: number
  readonly result: Schema.Json
}

export type Refused = NotOwner | NotFound | Unavailable

/** Whatever comes twice is done once: a start, a signal, a timer, a decision, a result. */
export class Engine extends Context.Service<
  Engine,
  {
    readonly start: (start: Start) => Effect.Effect<string, NotOwner | Unavailable | AlreadyRunning>
    readonly signal: (signal: Signal) => Effect.Effect<void, Refused>
    readonly fire: (fired: Fired) => Effect.Effect<void, Refused>
    readonly decide: (decision: Decision) => Effect.Effect<void, Refused>
    readonly activityDone: (done: Done) => Effect.Effect<void, Refused>
    readonly describe: (kind: Kind, id: string) => Effect.Effect<Description, Refused>
    readonly history: (id: string, runId: string) => Effect.Effect<ReadonlyArray<Event>, Refused>
  }
>()("services/Engine") {}

/** Where an activity that stands alone keeps itself in its tree of components. */
const root = Identifiers.ChasmPath.make("activity")

const failoverVersion = 1n

export const layer = Layer.effect(
  Engine,
  Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const histories = yield* HistoryBranches.HistoryBranches
    const keyspace = yield* Keyspace
    const ownership = yield* Ownership
    // An execution is written by one operation at a time: the events that a loser appended would hide the winner's,
    // whose transaction is older. Between processes the shard's range does the same.
    const turns = yield* RcMap.make({ lookup: (_execution: string) => Semaphore.make(1) })

    /** Runs an operation below the shard of an execution; over again where somebody else wrote in between. */
    const below = Effect.fnUntraced(function* <A>(
      kind: Kind,
      id: string,
      run: (owned: Owned, key: CurrentExecution.Key) => Effect.Effect<A, StoreError | NotFound>
    ) {
      const key = yield* keyspace.key(kind, id)
      const owned = yield* ownership.owned(key.shardId)
      const turn = yield* RcMap.get(turns, `${kind}/${id}`)
      return yield* run(owned, key).pipe(
        turn.withPermit,
        Effect.retry({ while: (error) => error._tag === "ExecutionConflict", times: 20 }),
        Effect.catch((error): Effect.Effect<never, Refused> => {
          switch (error._tag) {
            case "NotFound":
              return Effect.fail(error)
            case "ExecutionNotFound":
              return Effect.fail(new NotFound({ what: error.message }))
            case "ShardOwnershipLost":
              return Effect.andThen(ownership.lost(owned), new NotOwner({ shardId: key.shardId }))
            default:
              return Effect.fail(new Unavailable({ reason: error.message }))
          }
        })
      )
    }, Effect.scoped)

    /** A new run of a workflow, its first event in its history. */
    const newRun = Effect.fnUntraced(function* (
      owned: Owned,
      runId: Identifiers.RunId,
      { id, input, kind, name, requestId }: Start
    ) {
      const startedAt = yield* Clock.currentTimeMillis
      const txnId = yield* owned.nextId
      const branch = {
        treeId: Identifiers.TreeId.make(runId),
        branchId: Identifiers.BranchId.make(randomUUID()),
        ancestors: []
      }
      const workflow = kind === "workflow"
      if (workflow) {
        const events = State.batches.encode([{ _tag: "Started", workflowType: name, input, requestId }])
        const first = { nodeId: 1n, txnId, prevTxnId: 0n, events }
        yield* histories.append({ shardId: owned.shardId, branch, nodes: [first], newBranch: { info: id } })
      }
      const transfer: State.Transfer = workflow
        ? { _tag: "Decide", id, runId }
        : { _tag: "Do", kind, id, runId, scheduled: 1, name, input }
      const activity = State.activities.encode({ name, input })
      const info = { kind, name, requestId, startedAt, closed: false, branch, lastTxnId: txnId }
      return ExecutionWrite.Snapshot.make({
        runId,
        nextEventId: 2n,
        lastWriteVersion: failoverVersion,
        info: State.infos.encode({ ...info, deciding: workflow, decided: 0 }),
        state: State.states.encode({}),
        standing: { createRequestId: requestId, startTime: DateTime.makeUnsafe(startedAt) },
        tasks: [State.transferTask(yield* owned.nextId, transfer)],
        chasmNodes: workflow ? new Map() : new Map([[root, { metadata: activity }]])
      })
    })

    const read = Effect.fnUntraced(function* (key: CurrentExecution.Key, runId: string) {
      const state = yield* executions.get({ ...key, runId: Identifiers.RunId.make(runId) })
      const info = yield* State.infos.decode(state.execution.info)
      const run: Transition.Run = {
        id: key.businessId,
        runId: Identifiers.RunId.make(runId),
        info,
        nextEventId: state.execution.nextEventId
      }
      return { state, run }
    })

    /** Writes what becomes of a run. */
    const write = Effect.fnUntraced(function* (
      owned: Owned,
      key: CurrentExecution.Key,
      state: Execution.MutableState,
      run: Transition.Run,
      transition: Transition.Transition
    ) {
      const { info } = run
      const now = yield* Clock.currentTimeMillis
      const txnId = yield* owned.nextId
      const [, ...more] = transition.events
      if (transition.events.length > 0) {
        const events = State.batches.encode(transition.events)
        const node = { nodeId: run.nextEventId, txnId, prevTxnId: info.lastTxnId, events }
        yield* histories.append({ shardId: key.shardId, branch: info.branch, nodes: [node] })
      }
      const next =
        transition.next === undefined
          ? undefined
          : yield* newRun(owned, transition.next.runId, {
              kind: info.kind,
              id: run.id,
              name: info.name,
              input: transition.next.input,
              requestId: transition.next.runId
            })
      const transfers = yield* Effect.forEach(transition.transfers, (transfer) =>
        Effect.map(owned.nextId, (taskId) => State.transferTask(taskId, transfer))
      )
      const timers = yield* Effect.forEach(transition.timers, ({ millis, timerId }) =>
        Effect.map(owned.nextId, (taskId) =>
          State.timerTask(taskId, now + millis, { id: run.id, runId: run.runId, timerId })
        )
      )
      const closed = transition.status !== "Running"
      const mutation = ExecutionWrite.change(run.runId, state, {
        nextEventId: run.nextEventId + BigInt(transition.events.length === 0 ? 0 : more.length + 1),
        info: State.infos.encode({
          ...info,
          closed,
          lastTxnId: transition.events.length === 0 ? info.lastTxnId : txnId,
          deciding: transition.deciding,
          decided: transition.decided
        }),
        state: State.states.encode(transition.result === undefined ? {} : { result: transition.result }),
        standing: {
          createRequestId: info.requestId,
          state: closed ? "Completed" : "Running",
          status: transition.status,
          startTime: DateTime.makeUnsafe(info.startedAt)
        },
        put: transition.put,
        remove: transition.remove,
        tasks: [...transfers, ...timers]
      })
      yield* executions.update({ ...key, rangeId: owned.rangeId }, { mode: "UpdateCurrent", mutation, newRun: next })
    })

    const start = (start: Start) =>
      below(start.kind, start.id, (owned, key) =>
        Effect.gen(function* () {
          const snapshot = yield* newRun(owned, Identifiers.RunId.make(randomUUID()), start)
          const create = (mode: ExecutionWrite.CreateMode) =>
            Effect.as(executions.create({ ...key, rangeId: owned.rangeId }, mode, snapshot), snapshot.runId)
          const created = yield* Effect.result(create({ _tag: "BrandNew" }))
          if (Result.isSuccess(created)) return { runId: created.success, running: false }
          if (created.failure._tag !== "CurrentExecutionConflict") return yield* created.failure
          const { createRequestId, lastWriteVersion, runId, state } = created.failure.current
          if (createRequestId === start.requestId) return { runId, running: false }
          if (state !== "Completed") return { runId, running: true }
          const mode = { previousRunId: runId, previousLastWriteVersion: lastWriteVersion }
          return { runId: yield* create({ _tag: "UpdateCurrent", ...mode }), running: false }
        })
      ).pipe(
        Effect.catchTag("NotFound", ({ what }) => Effect.fail(new Unavailable({ reason: what }))),
        Effect.flatMap(({ runId, running }) =>
          running ? Effect.fail(new AlreadyRunning({ id: start.id, runId })) : Effect.succeed<string>(runId)
        )
      )

    return Engine.of({
      start,
      signal: ({ id, name, runId, signalId, value }) =>
        below("workflow", id, (owned, key) =>
          Effect.gen(function* () {
            const { run, state } = yield* read(key, runId)
            const signal = Identifiers.SignalId.make(signalId)
            if (run.info.closed) return yield* new NotFound({ what: `running workflow ${id}` })
            if (state.requestedSignals.has(signal)) return
            const put = { requestedSignals: new Set([signal]) }
            const event: Event = { _tag: "Signaled", signalId, name, value }
            yield* write(owned, key, state, run, Transition.happened(run, event, { put }))
          })
        ),
      fire: ({ id, runId, timerId }) =>
        below("workflow", id, (owned, key) =>
          Effect.gen(function* () {
            const { run, state } = yield* read(key, runId)
            const timer = Identifiers.TimerId.make(timerId)
            if (run.info.closed || !state.timers.has(timer)) return
            const remove = { timers: new Set([timer]) }
            yield* write(owned, key, state, run, Transition.happened(run, { _tag: "TimerFired", timerId }, { remove }))
          })
        ),
      decide: ({ commands, id, runId, seen }) =>
        below("workflow", id, (owned, key) =>
          Effect.gen(function* () {
            const { run, state } = yield* read(key, runId)
            if (run.info.closed || seen <= run.info.decided) return
            const next = Identifiers.RunId.make(randomUUID())
            yield* write(owned, key, state, run, Transition.decided(run, seen, commands, next))
          })
        ),
      activityDone: ({ id, kind, result, runId, scheduled }) =>
        below(kind, id, (owned, key) =>
          Effect.gen(function* () {
            const { run, state } = yield* read(key, runId)
            if (run.info.closed) return
            if (kind === "activity") {
              return yield* write(owned, key, state, run, Transition.finished(root, state, result))
            }
            const activity = BigInt(scheduled)
            if (!state.activities.has(activity)) return
            const remove = { activities: new Set([activity]) }
            const event: Event = { _tag: "ActivityCompleted", scheduled, result }
            yield* write(owned, key, state, run, Transition.happened(run, event, { remove }))
          })
        ),
      describe: (kind, id) =>
        below(kind, id, (_, key) =>
          Effect.gen(function* () {
            const current = yield* executions.getCurrent(key)
            const { run, state } = yield* read(key, current.runId)
            const { result } = yield* State.states.decode(state.execution.state)
            const events = kind === "workflow" ? yield* eventsOf(key.shardId, run) : []
            return {
              id,
              runId: current.runId,
              status: current.status,
              ...(result === undefined ? {} : { result }),
              events: events.map(({ _tag }) => _tag)
            }
          })
        ),
      history: (id, runId) =>
        below("workflow", id, (_, key) => Effect.flatMap(read(key, runId), ({ run }) => eventsOf(key.shardId, run)))
    })

    /** What has happened to a run, up to its state: events behind it were appended, and may yet come to nothing. */
    function eventsOf(shardId: Identifiers.ShardId, { info, nextEventId }: Transition.Run) {
      return histories.streamNodes({ shardId, branch: info.branch, max: nextEventId }).pipe(
        Stream.mapEffect((node) => State.batches.decode(node.events)),
        Stream.runCollect,
        Effect.map((batches) => batches.flat())
      )
    }
  })
)

type StoreError =
  | Executions.ExecutionReadError
  | Effect.Error<ReturnType<Executions.Executions["Service"]["update"]>>
  | PersistenceError.PageError
  | Effect.Error<ReturnType<HistoryBranches.HistoryBranches["Service"]["append"]>>
