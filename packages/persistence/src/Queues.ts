/**
 * Queues of messages to other clusters, with a dead letter queue each.
 *
 * Messages are numbered from 0, without gaps, in the order in which they were
 * sent; clusters read on from the last one that they have acknowledged. Whoever
 * sends takes the queue's row of `queue_metadata`, so senders conflict by
 * design, and are patient: those of one process wait for each other, those of
 * several are tried again until they succeed.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import { ConditionFailed } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { type DataBlob, equals } from "./DataBlob.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as AckLevel from "./internal/queues/ackLevels.ts"
import { drain } from "./internal/drain.ts"
import * as List from "./internal/page/list.ts"
import * as Log from "./internal/queues/messageLog.ts"
import * as Row from "./internal/page/row.ts"
import * as Tokens from "./internal/page/tokens.ts"
import type * as PageToken from "./PageToken.ts"
import {
  NumberInvalid,
  type OperationError,
  type PageError,
  type ReadError,
  type WriteError
} from "./PersistenceError.ts"
import { type AckLevels, type Message, type MessageRange, MessageRangeInvalid, type QueueType } from "./Queue.ts"

/**
 * Keeps queues of messages.
 *
 * @example
 * ```ts
 * import { type DataBlob, Queue, Queues } from "@effect-dsql/persistence"
 * import { Effect, Stream } from "effect"
 *
 * const publish = (message: DataBlob.DataBlob) =>
 *   Effect.flatMap(Queues.Queues, (queues) => queues.enqueue(Queue.namespaceReplication, message))
 *
 * const consume = (cluster: string, handle: (message: DataBlob.DataBlob) => Effect.Effect<void>) =>
 *   Effect.gen(function*() {
 *     const queues = yield* Queues.Queues
 *     const { levels } = yield* queues.ackLevels(Queue.namespaceReplication)
 *     yield* queues.streamMessages(Queue.namespaceReplication, { after: levels[cluster] }).pipe(
 *       Stream.tap(({ message }) => handle(message)),
 *       Stream.runForEach(({ id }) => queues.acknowledge(Queue.namespaceReplication, cluster, id))
 *     )
 *   })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Queues extends Context.Service<
  Queues,
  {
    /**
     * Sends a message, and gives its number. One round trip; the first of a process or after a failure takes one more,
     * and the first of an empty queue, a transaction, six.
     *
     * After a lost answer the message is looked for, by its bytes, among those that came since; where that does not
     * tell, it ends with `CommitOutcomeUnknown`. So give each message bytes of its own, such as an id.
     */
    readonly enqueue: (queue: QueueType, message: DataBlob) => Effect.Effect<bigint, WriteError>
    /** One page of messages, by number. One round trip. */
    readonly listMessages: (
      queue: QueueType,
      request?: MessageRange & PageToken.PageRequest
    ) => Effect.Effect<PageToken.Page<Message>, PageError>
    /** Messages, by number. One round trip a page. */
    readonly streamMessages: (
      queue: QueueType,
      request?: MessageRange & PageToken.PageRequest
    ) => Stream.Stream<Message, PageError>
    /**
     * Deletes messages, the first ones first, and gives how many went. One round trip for 500. Run again after a
     * failure, it goes on where it stopped.
     *
     * Numbers go on behind the last message, and in a queue that is empty behind the last one acknowledged: no message
     * ever comes where a cluster does not look any more.
     */
    readonly deleteMessages: (
      queue: QueueType,
      range: MessageRange
    ) => Effect.Effect<number, MessageRangeInvalid | OperationError>
    /** How far each cluster has acknowledged. One round trip. */
    readonly ackLevels: (queue: QueueType) => Effect.Effect<AckLevels, ReadError>
    /** Replaces how far each cluster has acknowledged, if the version is the expected one. One round trip. */
    readonly updateAckLevels: (
      queue: QueueType,
      levels: AckLevels["levels"],
      expectedVersion: bigint
    ) => Effect.Effect<void, WriteError | ConditionFailed>
    /**
     * Notes that a cluster has acknowledged the messages up to this one; other clusters' levels stay, and its own
     * never goes back. Two round trips, more where others do the same at once. Fails with `ConditionFailed` where they
     * keep coming first.
     */
    readonly acknowledge: (
      queue: QueueType,
      cluster: string,
      upTo: bigint
    ) => Effect.Effect<void, WriteError | ConditionFailed>
  }
>()("@effect-dsql/persistence/Queues") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Queues, never, DsqlClient> = Layer.effect(
  Queues,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const senders = Log.makeSenders()
    const page = operation("Queues.listMessages", list)
    return Queues.of({
      enqueue: operation("Queues.enqueue", (queue: QueueType, message: DataBlob) =>
        enqueue(queue, message, senders(log(queue)))
      ),
      listMessages: (queue, request = {}) => page(queue, request),
      streamMessages: (queue, request = {}) => List.stream(request, (each) => page(queue, { ...request, ...each })),
      deleteMessages: operation("Queues.deleteMessages", remove),
      ackLevels: operation("Queues.ackLevels", ackLevels),
      updateAckLevels: operation("Queues.updateAckLevels", updateAckLevels),
      acknowledge: operation("Queues.acknowledge", acknowledge)
    })
  })
)

const log = (queue: QueueType): Log.Log => ({
  guard: { table: "queue_metadata", key: { queue_type: queue } },
  messages: { table: "queue", key: { queue_type: queue } },
  keepsLast: false
})

const enqueue = (queue: QueueType, message: DataBlob, sender: Log.Sender) =>
  Log.send(log(queue), sender, message, (last, verify) =>
    Effect.gen(function* () {
      const settings = { operation: "EnqueueMessage", policy: Log.policy, verify }
      const first = Transaction.run(enqueueFirst(queue, message), settings)
      if (last < 0n) return yield* first
      const after = Log.append(log(queue), message, undefined, Effect.fail(new EmptyQueue()))
      return yield* Effect.catchTag(Transaction.autocommit(after, settings), "EmptyQueue", () => first)
    })
  )

/** There is no message to count on from. */
class EmptyQueue extends Data.TaggedError("EmptyQueue")<{}> {}

/** The first message of an empty queue: numbered behind whatever has been acknowledged. */
const enqueueFirst = Effect.fnUntraced(function* (queue: QueueType, message: DataBlob) {
  const sql = yield* Transaction.sql
  yield* sql`
    INSERT INTO queue_metadata ${sql.insert({ queue_type: queue, version: 0n, ...AckLevel.encode({}) })}
    ON CONFLICT (queue_type) DO NOTHING`
  const { levels } = yield* select(queue, "FOR UPDATE")
  const next = Object.values(levels).reduce((most, level) => (level > most ? level : most), -1n) + 1n
  return yield* Log.append(log(queue), message, next, Effect.die(new Error("the queue has just been made")))
})

const list = Effect.fnUntraced(function* (queue: QueueType, request: MessageRange & PageToken.PageRequest) {
  const { after: first = -1n, upTo = Edge.largest } = request
  const tokens = Tokens.codec(Row.name(log(queue).messages), Schema.BigInt).of(`after ${first} up to ${upTo}`)
  const after = Option.getOrElse(yield* List.start(tokens, request), () => first)
  const body = Effect.flatMap(
    Transaction.sql,
    (sql) => sql<Log.MessageRow>`
      SELECT message_id, message_payload, message_encoding FROM queue
      WHERE queue_type = ${queue} AND message_id > ${after} AND message_id <= ${upTo}
      ORDER BY message_id LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  )
  const rows = yield* Transaction.autocommit(body, { operation: "ReadMessages", readOnly: "proven" })
  return yield* List.page(
    rows,
    request,
    (row) => Log.decode(log(queue), row),
    (row) => row.message_id,
    tokens
  )
})

const remove = Effect.fnUntraced(function* (queue: QueueType, { after = -1n, upTo = Edge.largest }: MessageRange) {
  if (upTo < 0n) return yield* new MessageRangeInvalid({ upTo })
  const bigint = (value: bigint) => Expression.value("bigint", value)
  return yield* drain("DeleteMessages", {
    table: "queue",
    order: { message_id: "bigint" },
    where: Expression.sql`queue_type = ${Expression.value("integer", queue)} AND message_id <= ${bigint(upTo)}`,
    from: Expression.sql`message_id > ${bigint(after)}`
  })
})

const ackLevels = (queue: QueueType) =>
  Transaction.autocommit(select(queue, ""), { operation: "GetAckLevels", readOnly: "proven" })

const select = Effect.fnUntraced(function* (queue: QueueType, lock: "" | "FOR UPDATE") {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT data, data_encoding, version FROM queue_metadata WHERE queue_type = ${queue} ${sql.literal(lock)}`
  const none: AckLevels = { version: 0n, levels: {} }
  return rows[0] === undefined ? none : yield* AckLevel.decode(rows[0], { queue_type: queue })
})

/** Levels beyond this would leave no numbers for the messages that come behind the last acknowledged one. */
const highest = 2n ** 62n

const checkLevel = (cluster: string, value: bigint): Effect.Effect<void, NumberInvalid> => {
  const reason = `a level is the number of a message, -1 before the first, and no more than ${highest}`
  return value >= -1n && value <= highest
    ? Effect.void
    : Effect.fail(new NumberInvalid({ where: `the level of ${cluster}`, value, reason }))
}

const updateAckLevels = Effect.fnUntraced(function* (queue: QueueType, levels: AckLevels["levels"], expected: bigint) {
  for (const [cluster, level] of Object.entries(levels)) yield* checkLevel(cluster, level)
  yield* replaceAckLevels(queue, levels, expected)
})

const replaceAckLevels = Effect.fnUntraced(function* (queue: QueueType, levels: AckLevels["levels"], expected: bigint) {
  const { data, data_encoding } = AckLevel.encode(levels)
  yield* Size.check("queue_metadata", { queue_type: queue, data, data_encoding, version: expected }, ["queue_type"])
  const key = { queue_type: Expression.value("integer", queue) }
  const version = Expression.value("bigint", expected)
  const guard = Guard.make({
    name: "queue",
    row: Guard.row("queue_metadata", key, ["version"], "exclusive"),
    columns: ["version"],
    holds: (row) => Expression.sql`COALESCE((SELECT version FROM ${row}), 0) = ${version}`,
    refuse: (found) => {
      const what = `queue_metadata(${Row.describe(log(queue).guard)}).version`
      // The column is a BIGINT NOT NULL.
      return Effect.fail(new ConditionFailed({ what, expected, actual: found?.["version"] as bigint | undefined }))
    }
  })
  const columns = {
    data: Expression.value("bytea", data),
    data_encoding: Expression.value("text", data_encoding),
    version: Expression.sql`${version} + 1`
  }
  const stands = Expression.sql`queue_metadata.version = ${version}`
  const body = Guarded.write({
    guards: [guard],
    writes: [
      Write.insert({
        into: "queue_metadata",
        columns: { ...key, ...columns },
        onConflict: Write.replacing(["queue_type"], Object.keys(columns), stands)
      })
    ]
  })
  const verify = () =>
    Effect.map(select(queue, ""), (found): Transaction.Outcome<void> => {
      const stored = { data: AckLevel.encode(found.levels).data, encoding: "Json" } as const
      const same = found.version === expected + 1n && equals(stored, { data, encoding: "Json" })
      return same ? Transaction.committed(undefined) : Transaction.unknown
    })
  yield* Transaction.autocommit(Effect.asVoid(body), { operation: "UpdateAckLevels", repeat: true, verify })
})

const acknowledge = (queue: QueueType, cluster: string, upTo: bigint) =>
  Effect.gen(function* () {
    yield* checkLevel(cluster, upTo)
    const { levels, version } = yield* ackLevels(queue)
    const level = levels[cluster]
    if (level !== undefined && level >= upTo) return
    yield* replaceAckLevels(queue, { ...levels, [cluster]: upTo }, version)
  }).pipe(Effect.retry({ while: (error) => error._tag === "ConditionFailed", times: 100 }))
