/**
 * Queues of messages to other clusters: which there are, and what they hold.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"

/**
 * Which queue: a positive number, and its negative for the queue's dead letters.
 *
 * @since 0.1.0
 * @category models
 */
export const QueueType = Schema.Int.check(Schema.isInt32()).pipe(Schema.brand("QueueType"))

/**
 * @since 0.1.0
 * @category models
 */
export type QueueType = typeof QueueType.Type

/**
 * Changes of namespaces, on their way to other clusters.
 *
 * @since 0.1.0
 * @category queues
 */
export const namespaceReplication: QueueType = QueueType.make(1)

/**
 * The dead letter queue of a queue: where its messages go that cannot be handled.
 *
 * @since 0.1.0
 * @category queues
 */
export const deadLetters = (queue: QueueType): QueueType => QueueType.make(-Math.abs(queue))

/**
 * A message, and its number in its queue.
 *
 * @since 0.1.0
 * @category models
 */
export const Message = Schema.Struct({ id: Schema.BigInt, message: DataBlob })

/**
 * @since 0.1.0
 * @category models
 */
export type Message = typeof Message.Type

/**
 * Which messages: those after one id, up to another one, which is included.
 *
 * @since 0.1.0
 * @category models
 */
export interface MessageRange {
  /** Default: from the first message on. */
  readonly after?: bigint | undefined
  /** Default: up to the last one. */
  readonly upTo?: bigint | undefined
}

/**
 * Messages cannot be deleted up to this one: the first has the number 0. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class MessageRangeInvalid extends Schema.TaggedError<MessageRangeInvalid>(
  "@effect-dsql/persistence/Queue/MessageRangeInvalid"
)("MessageRangeInvalid", { upTo: Schema.BigInt }) {
  override get message(): string {
    return `messages are numbered from 0: none can be deleted up to ${this.upTo}`
  }
}

/**
 * How far each cluster has acknowledged a queue.
 *
 * @since 0.1.0
 * @category models
 */
export interface AckLevels {
  /** By cluster, the id of the last message that it has acknowledged. */
  readonly levels: Readonly<Record<string, bigint>>
  /** One more after each change; 0 before the first. */
  readonly version: bigint
}
