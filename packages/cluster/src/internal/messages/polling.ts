/**
 * What waits for an entity, as one statement that reads.
 *
 * Of each shard so many rows are read as may be wanted, from the beginning of its inbox, which holds only what waits. A
 * shard that somebody else holds by now gives nothing: its fence is compared in the same snapshot.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type { EntityAddress } from "effect/cluster/EntityAddress"
import * as Order from "effect/Order"
import type { Row } from "../storing.ts"
import { kind } from "./rows.ts"

const { literal, sql, value, values } = Expression

const inbox = Expression.name("cluster_inbox")
const replies = Expression.name("cluster_replies")
const requests = Expression.name("cluster_requests")
const shards = Expression.name("cluster_shards")

/** A shard by its name in the tables, and the fence under which it is held, if it is. */
export interface Polled {
  readonly name: string
  readonly fence: bigint | undefined
}

/**
 * Messages or replies in the order of these columns: requests as they were made, of each the request before what came of
 * it, whatever the clock of whoever sent that. They are given in no order: a thousand payloads of a mebibyte are more
 * than a query may sort.
 */
export const inOrder = (
  rows: ReadonlyArray<Row>,
  ...by: ReadonlyArray<"id" | "kind" | "message_id" | "sequence">
): ReadonlyArray<Row> =>
  rows.toSorted(Order.combineAll(by.map((column) => Order.mapInput(Order.BigInt, (row: Row) => whole(row, column)))))

/** A BIGINT comes as a bigint, a smaller integer as a number. */
const whole = (row: Row, column: string) => BigInt(row[column] as bigint | number)

const columns = literal(
  "request.id, request.shard_id, request.entity_type, request.entity_id, request.tag, request.payload, " +
    "request.headers, request.trace_id, request.span_id, request.sampled, waiting.id AS message_id, waiting.kind, " +
    "waiting.reply_id, sent.id AS sent_id, sent.sequence AS reply_sequence, sent.payload AS reply_payload"
)

/** For how many milliseconds a message has been due. */
export const age = literal(
  "floor(extract(epoch FROM now() - GREATEST(waiting.since, to_timestamp(waiting.due_at / 1000.0))) * 1000)" +
    "::double precision AS age"
)

/** The fence that a shard has now: looked up for each, so that no plan reads all shards. */
const fenceOf = (of: "polled" | "request") =>
  sql`SELECT shard.fence FROM ${shards} AS shard WHERE shard.shard_id = ${literal(of)}.shard_id`

/** The last reply of a request beside it. */
const withSent = sql`LEFT JOIN ${replies} AS sent
  ON sent.request_key = request.request_key AND sent.id = request.last_reply_id`

/**
 * Whether nobody waits for an acknowledgement of the request: whoever asked has seen all that was said, or has gone and
 * had it interrupted. Then its new owner has to begin with it, to end it.
 */
const isFree = (of: "message" | "request", id: Expression.Expression) => sql`(NOT EXISTS (
    SELECT 1 FROM ${replies} AS said WHERE said.request_key = ${literal(of)}.request_key AND NOT said.acked)
  OR EXISTS (
    SELECT 1 FROM ${inbox} AS stop WHERE stop.shard_id = ${literal(of)}.shard_id AND stop.due_at = 0
      AND stop.request_id = ${id} AND stop.kind = ${literal(String(kind.interrupt))}))`

/**
 * So many messages at most that are due on these shards, without those that are claimed: of each shard the oldest, and
 * no further shard once there are enough.
 */
export const onShards = (options: {
  readonly shards: ReadonlyArray<Polled>
  readonly claimed: ReadonlyArray<bigint>
  readonly now: number
  /** Infinity for all. */
  readonly limit: number
  /** The entities that are asked for, by the names of their shards; all where it is undefined. */
  readonly addresses: ReadonlyArray<{ readonly name: string; readonly address: EntityAddress }> | undefined
}): Expression.Expression => {
  const { addresses, claimed, limit, now } = options
  const most = value("bigint", Number.isFinite(limit) ? BigInt(Math.floor(limit)) : null)
  const polled = Expression.records(
    "polled",
    { shard_id: "text", fence: "bigint" },
    options.shards.map(({ fence, name }) => ({ shard_id: name, fence: fence ?? null }))
  )
  const wanted =
    addresses === undefined
      ? literal("")
      : sql`AND (message.shard_id, message.entity_type, message.entity_id) IN (SELECT * FROM ${Expression.records(
          "wanted",
          { shard_id: "text", entity_type: "text", entity_id: "text" },
          addresses.map(({ address, name }) => ({
            shard_id: name,
            entity_type: address.entityType,
            entity_id: address.entityId
          }))
        )})`
  // No order stands outside, so that nothing is read beyond the last one that is wanted.
  return sql`
    SELECT ${columns}, ${age}, waiting.fence
    FROM (
      SELECT polled.fence, message.*
      FROM ${polled}
      CROSS JOIN LATERAL (
        SELECT message.* FROM ${inbox} AS message
        WHERE message.shard_id = polled.shard_id AND message.due_at <= ${value("bigint", BigInt(now))}
          AND message.id <> ALL (${values("bigint", claimed)})
          AND (message.kind = ${literal(String(kind.interrupt))} OR ${isFree("message", literal("message.request_id"))}) ${wanted}
        ORDER BY message.due_at, message.request_id, message.id
        LIMIT ${most}
      ) AS message
      WHERE (${fenceOf("polled")}) IS NOT DISTINCT FROM polled.fence
      LIMIT ${most}
    ) AS waiting
    JOIN ${requests} AS request ON request.request_key = waiting.request_key
    ${withSent}`
}

/** Those of these requests that wait and are due, with the fence that their shard has now. */
export const byKeys = (keys: ReadonlyArray<bigint>, now: number): Expression.Expression => sql`
  SELECT ${columns}, ${age}, (${fenceOf("request")}) AS fence
  FROM ${requests} AS request
  JOIN ${inbox} AS waiting ON waiting.shard_id = request.shard_id AND waiting.due_at = request.due_at
    AND waiting.request_id = request.id AND waiting.id = request.id
  ${withSent}
  WHERE request.request_key = ANY (${values("bigint", keys)}) AND request.due_at <= ${value("bigint", BigInt(now))}
    AND ${isFree("request", literal("request.id"))}`

/** Replies of these requests: all, or those that nobody has acknowledged. */
export const repliesOf = (keys: ReadonlyArray<bigint>, which: "all" | "unheard"): Expression.Expression => sql`
  SELECT request_key, id, sequence, payload FROM ${replies}
  WHERE request_key = ANY (${values("bigint", keys)}) ${which === "all" ? literal("") : literal("AND NOT acked")}`

/** The last reply of this request, if it has one. */
export const lastReplyOf = (key: bigint): Expression.Expression => sql`
  SELECT last_reply_id FROM ${requests} WHERE request_key = ${value("bigint", key)} AND last_reply_id IS NOT NULL`

/** The request that has this key. */
export const requestOf = (keyHash: string): Expression.Expression => sql`
  SELECT request_id FROM ${Expression.name("cluster_keys")} WHERE key_hash = ${value("uuid", keyHash)}`
