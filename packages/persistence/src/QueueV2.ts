/**
 * Named queues of messages: what one is found by, and what can be refused.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { isStorable } from "./internal/storable/text.ts"

const id = (tag: string) => `@effect-dsql/persistence/QueueV2/${tag}`

/**
 * What a queue is called among those of its type.
 *
 * @since 0.1.0
 * @category models
 */
export const QueueName = Schema.NonEmptyString.check(isStorable, Schema.isMaxCodePoints(255)).pipe(
  Schema.brand("QueueName")
)

/**
 * @since 0.1.0
 * @category models
 */
export type QueueName = typeof QueueName.Type

/**
 * What a queue is found by.
 *
 * @since 0.1.0
 * @category models
 */
export const QueueKey = Schema.Struct({
  /** What the queue is for. Temporal's numbers. */
  type: Schema.Int.check(Schema.isInt32()),
  name: QueueName
})

/**
 * @since 0.1.0
 * @category models
 */
export type QueueKey = typeof QueueKey.Type

/**
 * A queue in a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface QueueInfo {
  readonly name: QueueName
  /** How many messages it has. */
  readonly messages: bigint
  /** The number of the last message that was sent, whether or not it is deleted; undefined where none was. */
  readonly lastMessageId: bigint | undefined
}

/**
 * The queue is there already.
 *
 * @since 0.1.0
 * @category errors
 */
export class QueueExists extends Schema.TaggedError<QueueExists>(id("QueueExists"))("QueueExists", {
  queue: QueueKey
}) {
  override get message(): string {
    return `there is a queue ${this.queue.name} of type ${this.queue.type} already`
  }
}

/**
 * There is no such queue: create it first.
 *
 * @since 0.1.0
 * @category errors
 */
export class QueueNotFound extends Schema.TaggedError<QueueNotFound>(id("QueueNotFound"))("QueueNotFound", {
  queue: QueueKey
}) {
  override get message(): string {
    return `there is no queue ${this.queue.name} of type ${this.queue.type}: create it first`
  }
}
