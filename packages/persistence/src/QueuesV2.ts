/**
 * Named queues of messages.
 *
 * Messages are numbered from 0, without gaps, in the order in which they were
 * sent. Deleting moves the queue's first number in one step, then takes the
 * rows away; the last row ever sent stays in the table, unread, so that numbers
 * never begin again.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { DataBlob } from "./DataBlob.ts"
import * as Edge from "./internal/storable/edge.ts"
import { drain } from "./internal/drain.ts"
import * as List from "./internal/page/list.ts"
import * as Log from "./internal/queues/messageLog.ts"
import * as Partition from "./internal/queues/partition.ts"
import * as Row from "./internal/page/row.ts"
import * as Tokens from "./internal/page/tokens.ts"
import type * as PageToken from "./PageToken.ts"
import { MalformedRow, type PageError, type ReadError, type WriteError } from "./PersistenceError.ts"
import { type Message, type MessageRange, MessageRangeInvalid } from "./Queue.ts"
import { QueueExists, type QueueInfo, type QueueKey, QueueName, QueueNotFound } from "./QueueV2.ts"

/**
 * Which messages, and which page of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReadRequest extends PageToken.PageRequest {
  /** The first message that is wanted. Default: the queue's first. */
  readonly from?: bigint | undefined
}

/**
 * Keeps named queues of messages.
 *
 * @example
 * ```ts
 * import { type DataBlob, QueuesV2, QueueV2 } from "@effect-dsql/persistence"
 * import { Effect, Stream } from "effect"
 *
 * const dead = { type: 2, name: QueueV2.QueueName.make("from-a_to-b") }
 *
 * const program = (message: DataBlob.DataBlob) =>
 *   Effect.gen(function*() {
 *     const queues = yield* QueuesV2.QueuesV2
 *     yield* queues.create(dead).pipe(Effect.catchTag("QueueExists", () => Effect.void))
 *     const id = yield* queues.enqueue(dead, message)
 *     yield* Stream.runForEach(queues.streamMessages(dead), (each) => Effect.logInfo(`message ${each.id}`))
 *     yield* queues.deleteMessages(dead, { upTo: id })
 *   })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class QueuesV2 extends Context.Service<
  QueuesV2,
  {
    /** One round trip. */
    readonly create: (queue: QueueKey) => Effect.Effect<void, WriteError | QueueExists>
    /**
     * Sends a message, and gives its number. One round trip; the first of a process or after a failure takes one more.
     *
     * After a lost answer the message is looked for, by its bytes, among those that came since; where that does not
     * tell, it ends with `CommitOutcomeUnknown`. So give each message bytes of its own, such as an id.
     */
    readonly enqueue: (queue: QueueKey, message: DataBlob) => Effect.Effect<bigint, WriteError | QueueNotFound>
    /** One page of messages, by number. One round trip, two where it is asked for deleted ones. */
    readonly listMessages: (
      queue: QueueKey,
      request?: ReadRequest
    ) => Effect.Effect<PageToken.Page<Message>, PageError | QueueNotFound>
    /** Messages, by number. One round trip a page. */
    readonly streamMessages: (
      queue: QueueKey,
      request?: ReadRequest
    ) => Stream.Stream<Message, PageError | QueueNotFound>
    /**
     * Deletes the messages up to this one, and gives how many they were. A transaction of four round trips, after which
     * none of them is read again, then one for 500 rows. Run again after a failure, it goes on where it stopped.
     */
    readonly deleteMessages: (
      queue: QueueKey,
      range: Pick<MessageRange, "upTo">
    ) => Effect.Effect<number, ReadError | MessageRangeInvalid | QueueNotFound>
    /** One page of the queues of a type, by name. One round trip. */
    readonly list: (
      type: number,
      request?: PageToken.PageRequest
    ) => Effect.Effect<PageToken.Page<QueueInfo>, PageError>
    /** The queues of a type, by name. One round trip a page. */
    readonly stream: (type: number, request?: PageToken.PageRequest) => Stream.Stream<QueueInfo, PageError>
  }
>()("@effect-dsql/persistence/QueuesV2") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<QueuesV2, never, DsqlClient> = Layer.effect(
  QueuesV2,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const senders = Log.makeSenders()
    const page = operation("QueuesV2.listMessages", listMessages)
    const queues = operation("QueuesV2.list", list)
    return QueuesV2.of({
      create: operation("QueuesV2.create", create),
      enqueue: operation("QueuesV2.enqueue", (queue: QueueKey, message: DataBlob) =>
        enqueue(queue, message, senders(log(queue)))
      ),
      listMessages: (queue, request = {}) => page(queue, request),
      streamMessages: (queue, request = {}) => List.stream(request, (each) => page(queue, { ...request, ...each })),
      deleteMessages: operation("QueuesV2.deleteMessages", deleteMessages),
      list: (type, request = {}) => queues(type, request),
      stream: (type, request = {}) => List.stream(request, (each) => queues(type, each))
    })
  })
)

const keyOf = (queue: QueueKey) => ({ queue_type: queue.type, queue_name: queue.name })

const log = (queue: QueueKey): Log.Log => ({
  guard: { table: "queues", key: keyOf(queue) },
  messages: { table: "queue_messages", key: { ...keyOf(queue), queue_partition: 0n } },
  keepsLast: true
})

const metadata = (minMessageId: bigint) => ({
  metadata_payload: Partition.encode(minMessageId),
  metadata_encoding: "Proto3"
})

const create = Effect.fnUntraced(function* (queue: QueueKey) {
  const row = { ...keyOf(queue), ...metadata(0n) }
  yield* Size.check("queues", row, Object.keys(keyOf(queue)))
  const absent = Guard.make({
    name: "queue",
    row: Guard.row("queues", bound(queue), ["queue_name"], undefined),
    columns: ["queue_name"],
    holds: (row) => Guard.absent(row),
    refuse: () => Effect.fail(new QueueExists({ queue }))
  })
  const body = Guarded.write({
    guards: [absent],
    writes: [
      Write.insert({
        into: "queues",
        columns: {
          ...bound(queue),
          metadata_payload: Expression.value("bytea", row.metadata_payload),
          metadata_encoding: Expression.value("text", row.metadata_encoding)
        }
      })
    ],
    free: ["queues_pkey"]
  })
  // One that is there when it is created again says nothing of who made it.
  yield* Transaction.autocommit(Effect.asVoid(body), {
    operation: "CreateQueue",
    repeat: true,
    verify: () => Effect.succeed(Transaction.unknown)
  })
})

const bound = ({ name, type }: QueueKey) => ({
  queue_type: Expression.value("integer", type),
  queue_name: Expression.value("text", name)
})

const enqueue = (queue: QueueKey, message: DataBlob, sender: Log.Sender) =>
  Log.send(log(queue), sender, message, (_, verify) => {
    const body = Log.append(log(queue), message, 0n, Effect.fail(new QueueNotFound({ queue })))
    return Transaction.autocommit(body, { operation: "EnqueueMessage", policy: Log.policy, verify })
  })

interface Found {
  readonly metadata_payload: Uint8Array
  readonly metadata_encoding: string
}

/** The columns of a message, null where the queue has none. */
interface FoundMessage extends Found {
  readonly message_id: bigint | null
}

const listMessages = Effect.fnUntraced(function* (
  queue: QueueKey,
  request: ReadRequest
): Effect.fn.Return<PageToken.Page<Message>, PageError | QueueNotFound, DsqlClient> {
  const { from: first = 0n } = request
  const tokens = Tokens.codec(Row.name(log(queue).messages), Schema.BigInt).of(`from ${first}`)
  const after = yield* List.start(tokens, request)
  const start = Option.match(after, { onNone: () => first, onSome: (position) => position + 1n })
  // A page is cut before it is joined: of a join, all messages would be sorted for the first ones.
  const select = (from: bigint) =>
    Transaction.autocommit(
      Effect.flatMap(
        Transaction.sql,
        (sql) => sql<FoundMessage>`
          SELECT metadata_payload, metadata_encoding, message_id, message_payload, message_encoding
          FROM queues LEFT JOIN LATERAL (
            SELECT message_id, message_payload, message_encoding FROM queue_messages
            WHERE ${Log.matches(sql, log(queue).messages.key)} AND message_id >= ${from}
            ORDER BY message_id LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}
          ) AS message ON TRUE
          WHERE queues.queue_type = ${queue.type} AND queues.queue_name = ${queue.name}
          ORDER BY message_id`
      ),
      { operation: "ReadMessages", readOnly: "proven" }
    )
  const found = yield* select(start)
  if (found[0] === undefined) return yield* new QueueNotFound({ queue })
  const min = yield* minMessageId(queue, found[0])
  const rows = start < min ? yield* select(min) : found
  return yield* List.page(
    rows.flatMap((row) => (row.message_id === null ? [] : [Object.assign(row, { message_id: row.message_id })])),
    request,
    (row) => Log.decode(log(queue), row),
    (row) => row.message_id,
    tokens
  )
})

const deleteMessages = Effect.fnUntraced(function* (
  queue: QueueKey,
  { upTo = Edge.largest }: Pick<MessageRange, "upTo">
) {
  if (upTo < 0n) return yield* new MessageRangeInvalid({ upTo })
  const { deleted, min } = yield* Transaction.run(advance(queue, upTo), {
    operation: "RangeDeleteMessages",
    // What the body found is true of this transaction if the queue begins where it was to, or has moved on since.
    verify: (value) =>
      Effect.gen(function* () {
        const found = yield* select(queue, "FOR UPDATE")
        if (Option.isNone(value) || Option.isNone(found)) return Transaction.unknown
        const min = yield* minMessageId(queue, found.value)
        return min >= value.value.min ? Transaction.committed(value.value) : Transaction.notCommitted
      })
  })
  const own = Expression.key("queue_messages", Log.bound(log(queue).messages.key))
  yield* drain("RangeDeleteMessages", {
    table: "queue_messages",
    order: { message_id: "bigint" },
    where: Expression.sql`${own} AND message_id < ${Expression.value("bigint", min)} AND message_id < (${Log.lastOf("queue_messages", own)})`
  })
  return Number(deleted)
})

/**
 * Moves the first number of a queue behind a message, or behind the last one that there is. The row that is read is
 * the row that is written, so of two who do it at once one conflicts.
 */
const advance = Effect.fnUntraced(function* (queue: QueueKey, upTo: bigint) {
  const sql = yield* Transaction.sql
  const rows = yield* sql<Found & { readonly last: bigint | null }>`
    SELECT metadata_payload, metadata_encoding, (
      SELECT message_id FROM queue_messages WHERE ${Log.matches(sql, log(queue).messages.key)}
      ORDER BY message_id DESC LIMIT 1
    ) AS last
    FROM queues WHERE ${Log.matches(sql, keyOf(queue))}`
  if (rows[0] === undefined) return yield* new QueueNotFound({ queue })
  const from = yield* minMessageId(queue, rows[0])
  const last = rows[0].last ?? -1n
  const min = (upTo < last ? upTo : last) + 1n
  if (min <= from) return { min: from, deleted: 0n }
  yield* sql`UPDATE queues SET ${sql.update(metadata(min))} WHERE ${Log.matches(sql, keyOf(queue))}`
  return { min, deleted: min - from }
})

const select = Effect.fnUntraced(function* (queue: QueueKey, lock: "" | "FOR UPDATE") {
  const sql = yield* Transaction.sql
  const rows = yield* sql<Found>`
    SELECT metadata_payload, metadata_encoding FROM queues
    WHERE ${Log.matches(sql, keyOf(queue))} ${sql.literal(lock)}`
  return Option.fromUndefinedOr(rows[0])
})

const list = Effect.fnUntraced(function* (type: number, request: PageToken.PageRequest) {
  const tokens = Tokens.codec(`queues of type ${type}`, QueueName)
  const after = Option.getOrElse(yield* List.start(tokens, request), () => "")
  const body = Effect.flatMap(
    Transaction.sql,
    (sql) => sql<Found & { readonly queue_name: string; readonly last: bigint | null }>`
      SELECT queue_name, metadata_payload, metadata_encoding, (
        SELECT message_id FROM queue_messages
        WHERE queue_messages.queue_type = queues.queue_type AND queue_messages.queue_name = queues.queue_name
          AND queue_partition = 0
        ORDER BY message_id DESC LIMIT 1
      ) AS last
      FROM queues WHERE queue_type = ${type} AND queue_name > ${after}
      ORDER BY queue_name LIMIT ${Expression.fragment(sql, Expression.hidden(List.size(request) + 1))}`
  )
  const rows = yield* Transaction.autocommit(body, { operation: "ListQueues", readOnly: "proven" })
  const name = (row: (typeof rows)[number]) => QueueName.make(row.queue_name)
  const decode = (row: (typeof rows)[number]) =>
    Effect.map(minMessageId({ type, name: name(row) }, row), (min): QueueInfo => ({
      name: name(row),
      messages: (row.last ?? -1n) + 1n - min,
      lastMessageId: row.last ?? undefined
    }))
  return yield* List.page(rows, request, decode, name, tokens)
})

const Columns = Schema.Struct({ metadata_payload: Schema.Uint8Array, metadata_encoding: Schema.Literal("Proto3") })

const minMessageId = (queue: QueueKey, row: Found): Effect.Effect<bigint, MalformedRow> => {
  const place = { table: "queues", key: keyOf(queue) }
  return Effect.flatMap(Row.decode(Columns, row, place), (columns) => {
    const min = Partition.decode(columns.metadata_payload)
    const reason = "metadata_payload: not a queue of exactly one partition"
    return min === undefined
      ? Effect.fail(new MalformedRow({ table: place.table, key: Row.describe(place), reason }))
      : Effect.succeed(min)
  })
}
