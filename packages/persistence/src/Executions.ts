/**
 * Executions: the runs of every archetype, with all their parts.
 *
 * A write is one statement that commits by itself, one round trip, whatever it
 * consists of: the run's row, its parts, its tasks, the current execution. In
 * the same statement it holds the shard, and locks the current execution and
 * the runs that it writes; where one of them is not as the caller expects,
 * nothing is written and the error says what is there. Two writes that meet
 * conflict: the later one runs again and sees the other's. A read is one
 * statement as well, so it sees a run as one write left it.
 *
 * A write whose answer was lost is looked for; the caller learns
 * `CommitOutcomeUnknown` only where what is stored does not tell.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CurrentExecution, CurrentExecutionConflict, Key } from "./CurrentExecution.ts"
import {
  type ExecutionConflict,
  type ExecutionInvalid,
  ExecutionNotFound,
  type MutableState,
  type OwnedKey,
  type RunKey,
  type Salvaged
} from "./Execution.ts"
import type { ConflictResolution, CreateMode, Replacement, Snapshot, Update } from "./ExecutionWrite.ts"
import type { RunId } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as Current from "./internal/executions/currentRow.ts"
import { route } from "./internal/executions/currentRoute.ts"
import * as Outcome from "./internal/executions/outcome.ts"
import * as Plan from "./internal/executions/plan.ts"
import * as Read from "./internal/executions/read.ts"
import * as Validity from "./internal/executions/validity.ts"
import * as Writes from "./internal/executions/writes.ts"
import type {
  ArchetypeUnspecified,
  OperationError,
  ReadError,
  ShardOwnershipLost,
  WriteError
} from "./PersistenceError.ts"

/**
 * What every write can end with that found what is stored as it expects it.
 *
 * @since 0.1.0
 * @category models
 */
export type ExecutionWriteError = ArchetypeUnspecified | ShardOwnershipLost | WriteError

/**
 * What is stored is not as the write expects it. Nothing was written.
 *
 * @since 0.1.0
 * @category models
 */
export type ExecutionRefusal = CurrentExecutionConflict | ExecutionConflict | ExecutionNotFound

/**
 * What every read of one execution can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type ExecutionReadError = ArchetypeUnspecified | ExecutionNotFound | ReadError

/**
 * Keeps executions.
 *
 * @example
 * ```ts
 * import { type Execution, Executions, type ExecutionWrite } from "@effect-dsql/persistence"
 * import { Effect } from "effect"
 *
 * // Starts a run; where the business id has a run that is completed, takes its place.
 * const start = (at: Execution.OwnedKey, run: ExecutionWrite.Snapshot) =>
 *   Effect.gen(function*() {
 *     const executions = yield* Executions.Executions
 *     yield* executions.create(at, { _tag: "BrandNew" }, run).pipe(
 *       Effect.catchTag("CurrentExecutionConflict", ({ current }) =>
 *         executions.create(
 *           at,
 *           { _tag: "UpdateCurrent", previousRunId: current.runId, previousLastWriteVersion: current.lastWriteVersion },
 *           run
 *         )
 *       )
 *     )
 *   })
 *
 * // Adds a timer to a run that was read before.
 * const addTimer = (
 *   at: Execution.OwnedKey,
 *   { execution }: Execution.MutableState,
 *   change: Omit<ExecutionWrite.Mutation, "expected">
 * ) =>
 *   Effect.flatMap(Executions.Executions, (executions) =>
 *     executions.update(at, {
 *       mode: "UpdateCurrent",
 *       mutation: { ...change, expected: { dbRecordVersion: execution.dbRecordVersion } }
 *     })
 *   )
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Executions extends Context.Service<
  Executions,
  {
    /** Creates a run. One round trip. */
    readonly create: (
      at: OwnedKey,
      mode: CreateMode,
      run: Snapshot
    ) => Effect.Effect<void, ExecutionWriteError | ExecutionInvalid | ExecutionRefusal>
    /** Changes a run, and creates the one that goes on from it. One round trip. */
    readonly update: (
      at: OwnedKey,
      update: Update
    ) => Effect.Effect<void, ExecutionWriteError | ExecutionInvalid | ExecutionRefusal>
    /** Rebuilds a run, changes the current one, creates the one that goes on from it. One round trip. */
    readonly conflictResolve: (
      at: OwnedKey,
      resolution: ConflictResolution
    ) => Effect.Effect<void, ExecutionWriteError | ExecutionInvalid | ExecutionRefusal>
    /** Puts a run in the place of what is stored of it; the current execution is not looked at. One round trip. */
    readonly set: (
      at: OwnedKey,
      run: Replacement
    ) => Effect.Effect<void, ExecutionWriteError | ExecutionConflict | ExecutionInvalid | ExecutionNotFound>
    /** Everything that is kept of a run. One round trip. */
    readonly get: (key: RunKey) => Effect.Effect<MutableState, ExecutionReadError>
    /** What can be read of a run, and what cannot, where `get` fails with `MalformedRow`. One round trip. */
    readonly salvage: (key: RunKey) => Effect.Effect<Salvaged, ArchetypeUnspecified | OperationError>
    /** The current execution. One round trip. */
    readonly getCurrent: (key: Key) => Effect.Effect<CurrentExecution, ExecutionReadError>
    /**
     * Deletes a run with all its parts; that it is not there is no error. One round trip, or one for each 300 parts of
     * a kind; the run's own row goes last, so that a deletion which was interrupted can be run again.
     */
    readonly delete: (at: OwnedKey, runId: RunId) => Effect.Effect<void, ExecutionWriteError>
    /** Deletes the current execution if it is this run; that it is not is no error. One round trip. */
    readonly deleteCurrent: (at: OwnedKey, runId: RunId) => Effect.Effect<void, ExecutionWriteError>
  }
>()("@effect-dsql/persistence/Executions") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Executions, never, DsqlClient> = Layer.effect(
  Executions,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    return Executions.of({
      create: operation("Executions.create", create),
      update: operation("Executions.update", update),
      conflictResolve: operation("Executions.conflictResolve", conflictResolve),
      set: operation("Executions.set", set),
      get: operation("Executions.get", get),
      salvage: operation("Executions.salvage", salvage),
      getCurrent: operation("Executions.getCurrent", getCurrent),
      delete: operation("Executions.delete", remove),
      deleteCurrent: operation("Executions.deleteCurrent", removeCurrent)
    })
  })
)

/** Checks what a write consists of, sends it, and looks for it if the answer is lost. */
const send = <E>(
  plan: Plan.Plan<E>,
  operation: string,
  verify: Effect.Effect<Transaction.Outcome<Readonly<Record<string, unknown>>>, unknown, Transaction.Transaction>
) =>
  Effect.andThen(
    Plan.check(plan, operation),
    Transaction.autocommit(Plan.send(plan), { operation, verify: () => verify })
  )

const create = Effect.fnUntraced(function* (at: OwnedKey, mode: CreateMode, run: Snapshot) {
  yield* Validity.create(at, mode, run)
  yield* send(yield* Writes.create(at, mode, run), "CreateExecution", Outcome.ofCreation(at, run))
})

const update = Effect.fnUntraced(function* (at: OwnedKey, change: Update) {
  yield* Validity.update(at, change)
  yield* send(yield* Writes.update(at, change), "UpdateExecution", Outcome.ofMutation(at, change.mutation))
})

const conflictResolve = Effect.fnUntraced(function* (at: OwnedKey, resolution: ConflictResolution) {
  yield* Validity.conflictResolve(at, resolution)
  const plan = yield* Writes.conflictResolve(at, resolution)
  yield* send(plan, "ConflictResolveExecution", Outcome.ofReplacement(at, resolution.run))
})

const set = Effect.fnUntraced(function* (at: OwnedKey, run: Replacement) {
  yield* Validity.set(at, run)
  yield* send(yield* Writes.set(at, run), "SetExecution", Outcome.ofReplacement(at, run))
})

const remove = Effect.fnUntraced(function* (at: OwnedKey, runId: RunId) {
  const plan = yield* Writes.remove(at, runId)
  const once = send(plan, "DeleteExecution", Outcome.ofRemoval({ ...at, runId }))
  yield* Effect.repeat(once, { while: ({ more }) => more === true })
})

const removeCurrent = Effect.fnUntraced(function* (at: OwnedKey, runId: RunId) {
  const plan = yield* Writes.removeCurrent(at, runId)
  yield* send(plan, "DeleteCurrentExecution", Outcome.ofCurrentRemoval(at, runId))
})

const salvage = Effect.fnUntraced(function* (key: RunKey) {
  yield* route(key)
  return yield* Transaction.autocommit(Read.read(key), { operation: "GetExecution", readOnly: "proven" })
})

const get = Effect.fnUntraced(function* (key: RunKey) {
  const { execution, malformed, ...parts } = yield* salvage(key)
  const [first] = malformed
  if (first !== undefined) return yield* first
  if (execution._tag === "None") {
    return yield* new ExecutionNotFound({ businessId: key.businessId, runId: key.runId })
  }
  return { execution: execution.value, ...parts }
})

const getCurrent = Effect.fnUntraced(function* (key: Key) {
  const found = yield* Transaction.autocommit(Current.select(key, ""), {
    operation: "GetCurrentExecution",
    readOnly: "proven"
  })
  return yield* Effect.catch(Effect.fromOption(found), () =>
    Effect.fail(new ExecutionNotFound({ businessId: key.businessId, runId: undefined }))
  )
})
