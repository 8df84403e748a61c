/**
 * How a run is written: as a whole or as a change, and how that relates to the current execution.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { State, Status } from "./CurrentExecution.ts"
import { DataBlob } from "./DataBlob.ts"
import { Execution, Expected, type MutableState, Parts } from "./Execution.ts"
import { ImmediateTask, ScheduledTask } from "./HistoryTask.ts"
import { ChasmPath, RunId, SignalId, TimerId } from "./Identifiers.ts"

/**
 * What the current execution says of a run, if it is the current one. Made with no more than what is known, it is
 * that of a run that is running.
 *
 * @since 0.1.0
 * @category models
 */
export const Standing = Schema.Struct({
  /** The request that created the run. */
  createRequestId: Schema.String.pipe(Schema.withConstructorDefault(Effect.succeed(""))),
  state: State.pipe(Schema.withConstructorDefault(Effect.succeed("Running"))),
  status: Status.pipe(Schema.withConstructorDefault(Effect.succeed("Running"))),
  startTime: Schema.UndefinedOr(Schema.DateTimeUtc).pipe(Schema.withConstructorDefault(Effect.succeed(undefined)))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Standing = typeof Standing.Type

/** Tasks that the write leaves to be done. */
const tasks = Schema.optional(Schema.Array(Schema.Union([ImmediateTask, ScheduledTask])))

/** A Protocol Buffers message whose fields have their defaults: no bytes. */
const emptyMessage = DataBlob.pipe(
  Schema.withConstructorDefault(Effect.sync((): DataBlob => ({ data: new Uint8Array(), encoding: "Proto3" })))
)

const someParts = {
  activities: Schema.optional(Parts.fields.activities),
  timers: Schema.optional(Parts.fields.timers),
  children: Schema.optional(Parts.fields.children),
  cancels: Schema.optional(Parts.fields.cancels),
  signals: Schema.optional(Parts.fields.signals),
  requestedSignals: Schema.optional(Parts.fields.requestedSignals),
  chasmNodes: Schema.optional(Parts.fields.chasmNodes)
}

/**
 * A run as a whole. Parts that are left out are empty, and nothing is buffered.
 *
 * `Snapshot.make` knows all but the id of a run that has just begun: it runs, has no events yet, and its messages are
 * empty.
 *
 * @example
 * ```ts
 * import { ExecutionWrite, Identifiers } from "@effect-dsql/persistence"
 *
 * const runId = Identifiers.RunId.make("0b4ba3a4-9a2b-4b7a-8d0e-4c1f7d6a2f10")
 * const run = ExecutionWrite.Snapshot.make({ runId })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export const Snapshot = Schema.Struct({
  runId: RunId,
  nextEventId: Execution.fields.nextEventId.pipe(Schema.withConstructorDefault(Effect.succeed(1n))),
  lastWriteVersion: Execution.fields.lastWriteVersion.pipe(Schema.withConstructorDefault(Effect.succeed(0n))),
  info: emptyMessage,
  state: emptyMessage,
  standing: Standing.pipe(Schema.withConstructorDefault(Effect.sync(() => Standing.make({})))),
  tasks,
  ...someParts
})

/**
 * @since 0.1.0
 * @category models
 */
export type Snapshot = typeof Snapshot.Type

/**
 * A run as a whole, in place of what is stored. `Replacement.make` knows what `Snapshot.make` does.
 *
 * @since 0.1.0
 * @category models
 */
export const Replacement = Schema.Struct({ ...Snapshot.fields, expected: Expected })

/**
 * @since 0.1.0
 * @category models
 */
export type Replacement = typeof Replacement.Type

/**
 * A change of a run. What is both put and removed is removed. `change` makes one of a run that was read.
 *
 * @since 0.1.0
 * @category models
 */
export const Mutation = Schema.Struct({
  runId: RunId,
  nextEventId: Execution.fields.nextEventId,
  lastWriteVersion: Execution.fields.lastWriteVersion,
  info: DataBlob,
  state: DataBlob,
  standing: Standing,
  tasks,
  expected: Expected,
  /** Parts to write, new or in place of what is there. */
  put: Schema.optional(Schema.Struct(someParts)),
  /** Parts to delete. One that is not there is no error. */
  remove: Schema.optional(
    Schema.Struct({
      activities: Schema.optional(Schema.ReadonlySet(Schema.BigInt)),
      timers: Schema.optional(Schema.ReadonlySet(TimerId)),
      children: Schema.optional(Schema.ReadonlySet(Schema.BigInt)),
      cancels: Schema.optional(Schema.ReadonlySet(Schema.BigInt)),
      signals: Schema.optional(Schema.ReadonlySet(Schema.BigInt)),
      requestedSignals: Schema.optional(Schema.ReadonlySet(SignalId)),
      chasmNodes: Schema.optional(Schema.ReadonlySet(ChasmPath))
    })
  ),
  /** Drops the events that were buffered before. Default: false. */
  clearBufferedEvents: Schema.optional(Schema.Boolean),
  /** Events to buffer behind those that are there. */
  bufferEvents: Schema.optional(Schema.Array(DataBlob))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Mutation = typeof Mutation.Type

/**
 * A change of a run that was read: what it leaves out stays as it was read, and the version that was read is expected.
 *
 * @example
 * ```ts
 * import { type Execution, ExecutionWrite, type Identifiers } from "@effect-dsql/persistence"
 *
 * const complete = (runId: Identifiers.RunId, read: Execution.MutableState) =>
 *   ExecutionWrite.change(runId, read, {
 *     standing: ExecutionWrite.Standing.make({ state: "Completed", status: "Completed" })
 *   })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const change = (
  runId: RunId,
  { execution }: Pick<MutableState, "execution">,
  to: Pick<Mutation, "standing"> & Partial<Omit<Mutation, "runId" | "standing" | "expected">>
): Mutation => {
  const { dbRecordVersion, ...head } = execution
  return { ...head, ...to, runId, expected: { dbRecordVersion } }
}

/**
 * How a new run relates to the current execution.
 *
 * A zombie is never the current one, and what is beside the current one is not running: anything else is
 * `ExecutionInvalid`.
 *
 * - `BrandNew`: it becomes the current one, where there is none. With `previousRunId` it may also take the place of
 *   that run.
 * - `UpdateCurrent`: it takes the place of a run that is completed, `previousRunId`, last written at
 *   `previousLastWriteVersion`.
 * - `BypassCurrent`: it leaves the current execution, which must be another run, as it is.
 *
 * @since 0.1.0
 * @category models
 */
export type CreateMode =
  | { readonly _tag: "BrandNew"; readonly previousRunId?: RunId | undefined }
  | {
      readonly _tag: "UpdateCurrent"
      readonly previousRunId: RunId
      readonly previousLastWriteVersion: bigint
    }
  | { readonly _tag: "BypassCurrent" }

/**
 * A change of a run, and what goes with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Update {
  /**
   * How the run relates to the current execution.
   *
   * - `UpdateCurrent`: it is the current one; or it is closed, and `newRun` takes its place.
   * - `BypassCurrent`: it is not the current one, which stays as it is, and neither runs.
   * - `IgnoreCurrent`: the current execution is not looked at, and there is no `newRun`.
   */
  readonly mode: "UpdateCurrent" | "BypassCurrent" | "IgnoreCurrent"
  readonly mutation: Mutation
  /** The run that goes on where this one ends: continue as new. */
  readonly newRun?: Snapshot | undefined
}

/**
 * A run that is rebuilt, and what goes with it.
 *
 * @since 0.1.0
 * @category models
 */
export type ConflictResolution = {
  /** The run as it is from now on. */
  readonly run: Replacement
  /** The run that goes on where the rebuilt one ends. */
  readonly newRun?: Snapshot | undefined
} & (
  | {
      /** The rebuilt run, or `newRun`, becomes the current one. */
      readonly mode: "UpdateCurrent"
      /** A change of the run that is current until now; without it, that is the rebuilt one. */
      readonly current?: Mutation | undefined
    }
  | {
      /** The rebuilt run is not the current one, which stays as it is. */
      readonly mode: "BypassCurrent"
    }
)
