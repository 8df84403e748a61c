/**
 * One run of an execution: its mutable state, as it is stored.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Key } from "./CurrentExecution.ts"
import { DataBlob } from "./DataBlob.ts"
import { ChasmPath, RunId, SignalId, TimerId } from "./Identifiers.ts"
import type { MalformedRow } from "./PersistenceError.ts"

/**
 * What a run is found by.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunKey extends Key {
  readonly runId: RunId
}

/**
 * Below whose shard an execution is written.
 *
 * @since 0.1.0
 * @category models
 */
export interface OwnedKey extends Key {
  /** The range that the caller holds the shard with. */
  readonly rangeId: bigint
}

/**
 * The row that all parts of a run hang on.
 *
 * @since 0.1.0
 * @category models
 */
export const Execution = Schema.Struct({
  /** The id that the next history event will have. */
  nextEventId: Schema.BigInt,
  /** The failover version of the last write. */
  lastWriteVersion: Schema.BigInt,
  /** Temporal's `WorkflowExecutionInfo`. */
  info: DataBlob,
  /** Temporal's `WorkflowExecutionState`. */
  state: DataBlob,
  /** The fencing token of the run: 1 when it is created, one more by each write. The store counts it. */
  dbRecordVersion: Schema.BigInt
})

/**
 * @since 0.1.0
 * @category models
 */
export type Execution = typeof Execution.Type

/**
 * A component of a CHASM execution.
 *
 * @since 0.1.0
 * @category models
 */
export const ChasmNode = Schema.Struct({
  metadata: DataBlob,
  /** Left out where the node has no data of its own. */
  data: Schema.optional(DataBlob)
})

/**
 * @since 0.1.0
 * @category models
 */
export type ChasmNode = typeof ChasmNode.Type

const byEvent = Schema.ReadonlyMap(Schema.BigInt, DataBlob)

/**
 * What a run is waiting for and made of, by what each is found by.
 *
 * @since 0.1.0
 * @category models
 */
export const Parts = Schema.Struct({
  /** Activities, by the event that scheduled them. */
  activities: byEvent,
  timers: Schema.ReadonlyMap(TimerId, DataBlob),
  /** Child executions, by the event that initiated them. */
  children: byEvent,
  /** Requests to cancel other executions, by the event that initiated them. */
  cancels: byEvent,
  /** Signals to other executions, by the event that initiated them. */
  signals: byEvent,
  /** Signals that were received. */
  requestedSignals: Schema.ReadonlySet(SignalId),
  chasmNodes: Schema.ReadonlyMap(ChasmPath, ChasmNode)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Parts = typeof Parts.Type

/**
 * Everything that is kept of a run.
 *
 * @since 0.1.0
 * @category models
 */
export const MutableState = Schema.Struct({
  execution: Execution,
  ...Parts.fields,
  /** Events that wait for the workflow task that is under way, in the order in which they came. */
  bufferedEvents: Schema.Array(DataBlob)
})

/**
 * @since 0.1.0
 * @category models
 */
export type MutableState = typeof MutableState.Type

/**
 * What could be read of a run, and each row that could not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Salvaged extends Omit<MutableState, "execution"> {
  /** None where the run has no row, or one that does not decode. */
  readonly execution: Option.Option<Execution>
  readonly malformed: ReadonlyArray<MalformedRow>
}

/**
 * How the stored run must stand for a write to count: its `dbRecordVersion`, or, for a run from before there was one,
 * its `nextEventId`.
 *
 * @since 0.1.0
 * @category models
 */
export const Expected = Schema.Union([
  Schema.Struct({ dbRecordVersion: Schema.BigInt }),
  Schema.Struct({ nextEventId: Schema.BigInt })
])

/**
 * @since 0.1.0
 * @category models
 */
export type Expected = typeof Expected.Type

/**
 * The stored run is not as the write expects it: somebody else has written it, or created it before. Nothing was
 * written. Read it again and decide anew.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExecutionConflict extends Schema.TaggedError<ExecutionConflict>(
  "@effect-dsql/persistence/ExecutionConflict"
)("ExecutionConflict", {
  businessId: Schema.String,
  runId: RunId,
  /** What the write expected; undefined where it was to create the run. */
  expected: Schema.UndefinedOr(Expected),
  actual: Schema.Struct({ nextEventId: Schema.BigInt, dbRecordVersion: Schema.BigInt })
}) {
  override get message(): string {
    const { actual, businessId, expected, runId } = this
    const found = `it is at version ${actual.dbRecordVersion}, next event ${actual.nextEventId}`
    if (expected === undefined) return `${businessId}: run ${runId} exists already: ${found}`
    const wanted =
      "dbRecordVersion" in expected ? `version ${expected.dbRecordVersion}` : `next event ${expected.nextEventId}`
    return `${businessId}: run ${runId} is not at ${wanted}: ${found}`
  }
}

/**
 * A write that is never right, whatever is stored: what it says of its runs contradicts itself. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExecutionInvalid extends Schema.TaggedError<ExecutionInvalid>("@effect-dsql/persistence/ExecutionInvalid")(
  "ExecutionInvalid",
  { businessId: Schema.String, runId: RunId, reason: Schema.String }
) {
  override get message(): string {
    return `${this.businessId}: run ${this.runId}: ${this.reason}`
  }
}

/**
 * There is no such run, or no current execution.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExecutionNotFound extends Schema.TaggedError<ExecutionNotFound>(
  "@effect-dsql/persistence/ExecutionNotFound"
)("ExecutionNotFound", {
  businessId: Schema.String,
  /** Undefined where the current execution was asked for. */
  runId: Schema.UndefinedOr(RunId)
}) {
  override get message(): string {
    return this.runId === undefined
      ? `${this.businessId} has no current execution`
      : `${this.businessId} has no run ${this.runId}`
  }
}
