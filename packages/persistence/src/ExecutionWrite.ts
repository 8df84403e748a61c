/**
 * How a run is written: as a whole or as a change, and how that relates to the current execution.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { type CurrentExecution, type Key, State, Status } from "./CurrentExecution.ts"
import { DataBlob } from "./DataBlob.ts"
import { Expected, head, Parts } from "./Execution.ts"
import { ImmediateTask, ScheduledTask } from "./HistoryTask.ts"
import { ChasmPath, RunId, SignalId, TimerId } from "./Identifiers.ts"

const run = {
  runId: RunId,
  ...head,
  /** What the current execution says of the run, if it is the current one. */
  standing: Schema.Struct({
    /** The request that created the run. */
    createRequestId: Schema.String,
    state: State,
    status: Status,
    startTime: Schema.UndefinedOr(Schema.DateTimeUtc)
  }),
  /** Tasks that the write leaves to be done. */
  tasks: Schema.optional(Schema.Array(Schema.Union([ImmediateTask, ScheduledTask])))
}

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
 * @since 0.1.0
 * @category models
 */
export const Snapshot = Schema.Struct({
  ...run,
  ...someParts
})

/**
 * @since 0.1.0
 * @category models
 */
export type Snapshot = typeof Snapshot.Type

/**
 * A run as a whole, in place of what is stored.
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
 * A change of a run. What is both put and removed is removed.
 *
 * @since 0.1.0
 * @category models
 */
export const Mutation = Schema.Struct({
  ...run,
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
 * How a new run relates to the current execution.
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
   * - `UpdateCurrent`: it is the current one, and `newRun`, if there is one, takes its place.
   * - `BypassCurrent`: it is not the current one, which stays as it is.
   * - `IgnoreCurrent`: the current execution is not looked at.
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

/** The current execution that a run makes. */
export const toCurrent = (
  key: Key,
  run: Pick<Snapshot, "runId" | "standing" | "lastWriteVersion" | "state">
): CurrentExecution => ({
  shardId: key.shardId,
  namespaceId: key.namespaceId,
  businessId: key.businessId,
  archetypeId: key.archetypeId,
  runId: run.runId,
  ...run.standing,
  lastWriteVersion: run.lastWriteVersion,
  data: run.state
})
