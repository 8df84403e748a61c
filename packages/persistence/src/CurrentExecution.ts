/**
 * The current execution of a business id, as a model.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import * as Archetype from "./Archetype.ts"
import { DataBlob } from "./DataBlob.ts"
import { BusinessId, NamespaceId, RunId, ShardId } from "./Identifiers.ts"

/**
 * Where an execution stands. The column holds Temporal's number, 1 to 4 or 6; its 5, `VOID`, is never stored.
 *
 * @since 0.1.0
 * @category models
 */
export const State = Schema.Literals([1, 2, 3, 4, 6]).transform([
  "Created",
  "Running",
  "Completed",
  "Zombie",
  "Corrupted"
])

/**
 * @since 0.1.0
 * @category models
 */
export type State = typeof State.Type

/**
 * How an execution is doing, or how it ended. The column holds Temporal's number, 1 to 8.
 *
 * @since 0.1.0
 * @category models
 */
export const Status = Schema.Literals([1, 2, 3, 4, 5, 6, 7, 8]).transform([
  "Running",
  "Completed",
  "Failed",
  "Canceled",
  "Terminated",
  "ContinuedAsNew",
  "TimedOut",
  "Paused"
])

/**
 * @since 0.1.0
 * @category models
 */
export type Status = typeof Status.Type

/**
 * What a current execution is found by.
 *
 * @since 0.1.0
 * @category models
 */
export interface Key {
  readonly shardId: ShardId
  readonly namespaceId: NamespaceId
  readonly businessId: BusinessId
  /** Default: a workflow. An explicit 0 is refused. */
  readonly archetypeId?: Archetype.ArchetypeId | undefined
}

/**
 * The current execution of a business id.
 *
 * @since 0.1.0
 * @category models
 */
export const CurrentExecution = Schema.Struct({
  shardId: ShardId,
  namespaceId: NamespaceId,
  businessId: BusinessId,
  archetypeId: Schema.optional(Archetype.ArchetypeId),
  runId: RunId,
  /** The request that created the run: a repeated request is recognised by it. */
  createRequestId: Schema.String,
  state: State,
  status: Status,
  startTime: Schema.UndefinedOr(Schema.DateTimeUtc),
  lastWriteVersion: Schema.BigInt,
  /** Further state of the run. */
  data: Schema.UndefinedOr(DataBlob)
})

/**
 * @since 0.1.0
 * @category models
 */
export type CurrentExecution = typeof CurrentExecution.Type

/**
 * The business id has a current execution already.
 *
 * @since 0.1.0
 * @category errors
 */
export class CurrentExecutionConflict extends Schema.TaggedError<CurrentExecutionConflict>(
  "@effect-dsql/persistence/CurrentExecutionConflict"
)("CurrentExecutionConflict", {
  /** The execution that is there. */
  current: CurrentExecution
}) {
  override get message(): string {
    const { businessId, runId, state, status } = this.current
    return `${businessId} has a current execution: run ${runId} (${state}, ${status})`
  }
}
