/**
 * Messages that are numbered without gaps as they come, below a row that puts those who send them into an order.
 *
 * A message's number is one more than the last one's, so two senders who see the same last message must not both
 * commit. Each takes the guard row FOR UPDATE: the later one conflicts, starts over and sees the other's message. The
 * senders of one process wait for each other in the process, where it costs nothing, so only processes conflict.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as RetryPolicy from "@effect-dsql/core/RetryPolicy"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { SqlClient } from "effect/sql/SqlClient"
import { type DataBlob, Encoding } from "../../DataBlob.ts"
import * as Row from "../page/row.ts"

type Key = Readonly<Record<string, string | number | bigint>>

/** Where a queue's messages are, and the row that guards them. */
export interface Log {
  readonly guard: { readonly table: "queue_metadata" | "queues"; readonly key: Key }
  readonly messages: { readonly table: "queue" | "queue_messages"; readonly key: Key }
  /** Whether the last message ever sent stays in the table. */
  readonly keepsLast: boolean
}

/** A message and its number. */
export interface Message {
  readonly id: bigint
  readonly message: DataBlob
}

/** Many processes may send to one queue at once, and each of them is to succeed. */
export const policy = RetryPolicy.make({ attempts: 100, cap: "500 millis", elapsed: "1 minute" })

/** Those of this process who send to one queue, and the last number that they know of. */
export interface Sender {
  readonly semaphore: Semaphore.Semaphore
  last: bigint | undefined
}

/** Gives each queue its sender. */
export const makeSenders = (): ((log: Log) => Sender) => {
  const senders = new Map<string, Sender>()
  return (log) => {
    const name = Row.describe(log.messages)
    const sender = senders.get(name) ?? { semaphore: Semaphore.makeUnsafe(1), last: undefined }
    senders.set(name, sender)
    return sender
  }
}

/**
 * One write: numbers the message after the last one, or with `first` where there is none. `absent` is what is said where
 * there is no guard, or no message to count on from.
 */
export const append = <E>(log: Log, message: DataBlob, first: bigint | undefined, absent: Effect.Effect<never, E>) => {
  const { table } = log.messages
  const key = bound(log.messages.key)
  const guard = Guard.make({
    name: "queue",
    row: Guard.row(log.guard.table, bound(log.guard.key), Object.keys(log.guard.key), "exclusive"),
    columns: [],
    refuse: () => absent
  })
  const last = Guard.make({
    name: "last",
    row: {
      select: Expression.sql`SELECT (${lastOf(table, Expression.key(table, key))}) AS id`,
      lock: undefined
    },
    columns: ["id"],
    holds: (row) => (first === undefined ? Guard.exists(row, Expression.literal("id IS NOT NULL")) : Guard.exists(row)),
    refuse: () => absent
  })
  const next = Expression.sql`COALESCE(${Guard.column(last, "id", "bigint")} + 1, ${Expression.value("bigint", first ?? null)})`
  return Effect.map(
    Guarded.write({
      guards: [guard, last],
      writes: [
        Write.insert({
          into: table,
          columns: {
            ...key,
            message_id: Guarded.told("id", "bigint"),
            message_payload: Expression.value("bytea", message.data),
            message_encoding: Expression.value("text", message.encoding)
          }
        })
      ],
      tells: { id: next },
      free: ["queue_pkey", "queue_messages_pkey"]
    }),
    // A told id is a BIGINT, which the driver gives as a bigint.
    ({ id }) => id as bigint
  )
}

const types: Readonly<Record<string, "bigint" | "integer" | "text">> = {
  queue_type: "integer",
  queue_name: "text",
  queue_partition: "bigint"
}

/** The last message's number. That of max() is found by a look at all of them, where a table's size is not known. */
export const lastOf = (table: Log["messages"]["table"], own: Expression.Expression): Expression.Expression =>
  Expression.sql`SELECT message_id FROM ${Expression.name(table)} WHERE ${own} ORDER BY message_id DESC LIMIT 1`

/** A key, as parameters. */
export const bound = (key: Key) =>
  Object.fromEntries(
    Object.entries(key).map(([column, value]) => [
      column,
      Expression.value<keyof Expression.Values>(types[column] ?? "text", value)
    ])
  )

/**
 * Sends a message in the order of this process, and keeps what number it got. `attempt` is given the last number that
 * is known, -1 where the queue is empty, and how to settle an outcome that was lost.
 */
export const send = <E>(
  log: Log,
  sender: Sender,
  message: DataBlob,
  attempt: (
    last: bigint,
    verify: () => Effect.Effect<Transaction.Outcome<bigint>, unknown, Transaction.Transaction>
  ) => Effect.Effect<bigint, E, DsqlClient>
) =>
  sender.semaphore.withPermit(
    Effect.gen(function* () {
      const { key, table } = log.messages
      const row = { ...key, message_id: 0n, message_payload: message.data, message_encoding: message.encoding }
      yield* Size.check(table, row, [...Object.keys(key), "message_id"])
      const last = sender.last ?? (yield* lastId(log))
      // What becomes of a message that fails is not known for sure, so the next one looks again.
      sender.last = undefined
      const id = yield* attempt(last, () => find(log, message, last))
      sender.last = id
      return id
    })
  )

const lastId = (log: Log): Effect.Effect<bigint, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const { key, table } = log.messages
      const rows = yield* sql<MessageRow>`
        ${Expression.fragment(sql, lastOf(table, Expression.key(table, bound(key))))}`
      return rows[0]?.message_id ?? -1n
    }),
    { operation: "GetLastMessageId", readOnly: "proven" }
  )

/**
 * Looks for a message whose answer was lost among those that came after `last`. It is known by its bytes: found once,
 * it is there. Not found, it was not sent, if nothing that came since has been deleted.
 */
export const find = Effect.fnUntraced(function* (log: Log, message: DataBlob, last: bigint) {
  const sql = yield* Transaction.sql
  const { key, table } = log.messages
  const from = last < 0n ? 0n : last
  const held = yield* sql`SELECT 1 FROM ${sql(log.guard.table)} WHERE ${matches(sql, log.guard.key)} FOR UPDATE`
  if (held.length === 0) return Transaction.unknown
  const same = sql`message_id > ${last} AND message_payload = ${message.data} AND message_encoding = ${message.encoding}`
  const rows = yield* sql<Found>`
    SELECT count(*) AS present, max(message_id) AS newest,
      count(*) FILTER (WHERE ${same}) AS matching, max(message_id) FILTER (WHERE ${same}) AS id
    FROM ${sql(table)} WHERE ${matches(sql, key)} AND message_id >= ${from}`
  const [found] = rows
  if (found === undefined || found.matching > 1n) return Transaction.unknown
  if (found.id !== null) return Transaction.committed(found.id)
  // From the last message known on, that one included, all are still there.
  const complete = found.newest === null ? last < 0n && log.keepsLast : found.present === found.newest - from + 1n
  return complete ? Transaction.notCommitted : Transaction.unknown
})

interface Found {
  readonly present: bigint
  readonly newest: bigint | null
  readonly matching: bigint
  readonly id: bigint | null
}

export const matches = (sql: SqlClient, key: Key) =>
  sql.and(Object.entries(key).map(([column, value]) => sql`${sql(column)} = ${value}`))

/** A message's row, as far as its key goes. */
export interface MessageRow {
  readonly message_id: bigint
}

const Columns = Schema.Struct({ message_payload: Schema.Uint8Array, message_encoding: Encoding })

export const decode = (log: Log, row: MessageRow) => {
  const { key, table } = log.messages
  return Effect.map(
    Row.decode(Columns, row, { table, key: { ...key, message_id: row.message_id } }),
    (columns): Message => ({
      id: row.message_id,
      message: { data: columns.message_payload, encoding: columns.message_encoding }
    })
  )
}
