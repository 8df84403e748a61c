/**
 * What users say of a task queue, as a model, and what a change of it can be refused for.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { type BuildId, TaskQueueName } from "./Identifiers.ts"

/**
 * The user data of one task queue.
 *
 * @since 0.1.0
 * @category models
 */
export const UserData = Schema.Struct({
  name: TaskQueueName,
  /** 1 for the first, one more after each update. */
  version: Schema.BigInt,
  data: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type UserData = typeof UserData.Type

/**
 * A change of one task queue's user data.
 *
 * @since 0.1.0
 * @category models
 */
export interface UserDataChange {
  /** The version that the change was made from; 0 where there was no data. */
  readonly expectedVersion: bigint
  readonly data: DataBlob
  /** Build ids that use the queue from now on. */
  readonly addBuildIds?: ReadonlyArray<BuildId> | undefined
  /** Build ids that do not any more. One that is added as well is removed. */
  readonly removeBuildIds?: ReadonlyArray<BuildId> | undefined
}

/**
 * The user data of some of the queues has another version than the update was made from. Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class UserDataConflict extends Schema.TaggedError<UserDataConflict>(
  "@effect-dsql/persistence/UserData/UserDataConflict"
)("UserDataConflict", {
  /** The queues that conflict, and no others. */
  conflicts: Schema.NonEmptyArray(
    Schema.Struct({
      name: TaskQueueName,
      expected: Schema.BigInt,
      /** The version that is there; 0 where there is no data. */
      actual: Schema.BigInt
    })
  )
}) {
  override get message(): string {
    const each = this.conflicts.map(({ actual, expected, name }) => `${name} has version ${actual}, not ${expected}`)
    return `the user data of task queues has changed: ${each.join("; ")}`
  }
}
