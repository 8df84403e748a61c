/**
 * Messages as they are sent: a request once for each key, an interrupt or an acknowledgement while its request waits.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"
import type * as Envelope from "effect/cluster/Envelope"
import { type SaveResult, SaveResultEncoded } from "effect/cluster/MessageStorage"
import { Snowflake } from "effect/cluster/Snowflake"
import * as Effect from "effect/Effect"
import { type Instead, instead } from "../storing.ts"
import { requestKey } from "../keys.ts"
import * as Judging from "./judging.ts"
import * as Rows from "./rows.ts"

const { sql, value } = Expression

const requestTypes = {
  request_key: "bigint",
  id: "bigint",
  shard_id: "text",
  entity_type: "text",
  entity_id: "text",
  tag: "text",
  payload: "text",
  headers: "text",
  trace_id: "text",
  span_id: "text",
  sampled: "boolean",
  due_at: "bigint",
  key_hash: "uuid"
} as const

const keyTypes = { key_hash: "uuid", request_id: "bigint", request_key: "bigint" } as const

const inboxTypes = {
  shard_id: "text",
  due_at: "bigint",
  request_id: "bigint",
  id: "bigint",
  kind: "integer",
  request_key: "bigint",
  reply_id: "bigint",
  entity_type: "text",
  entity_id: "text"
} as const

const inbox = "cluster_inbox"

const onceInInbox = Write.replacing(["shard_id", "due_at", "request_id", "id"], [])

/** A row of the inbox, which may be there already. */
const waiting = (row: Expression.Row<typeof inboxTypes>, where?: Expression.Expression): Write.Write =>
  Write.insert({
    into: inbox,
    columns: Expression.row(inboxTypes, row),
    where,
    onConflict: onceInInbox
  })

/** A request as it is to be saved. */
export type Asked = ReturnType<typeof asked>

/** A request, with the name of its shard in the tables, and the hash of its key where it has one. */
export const asked = (
  envelope: Envelope.PartialRequestEncoded,
  shard: string,
  key: string | undefined,
  deliverAt: number | null
) => {
  const id = BigInt(envelope.requestId)
  return {
    shard_id: shard,
    entity_type: envelope.address.entityType,
    entity_id: envelope.address.entityId,
    request_key: requestKey(id),
    id,
    tag: envelope.tag,
    payload: JSON.stringify(envelope.payload),
    headers: JSON.stringify(envelope.headers),
    trace_id: envelope.traceId ?? null,
    span_id: envelope.spanId ?? null,
    sampled: envelope.sampled ?? null,
    // A duration may have a part of a millisecond.
    due_at: BigInt(Math.ceil(deliverAt ?? 0)),
    key_hash: key ?? null
  }
}

/** Saves those of these requests that are new, and says of each what it found: `saved` reads it. */
export const requests = (group: ReadonlyArray<Asked>): Guarded.Statement<Instead<string>> => {
  const judged = found(group)
  const insert = <C extends Expression.Columns>(
    into: string,
    columns: C,
    rows: ReadonlyArray<Expression.Row<C>>,
    more: Pick<Parameters<typeof Write.insert>[0], "where" | "onConflict"> = {}
  ): Write.Write =>
    Write.insert({
      into,
      columns: Object.fromEntries(Object.keys(columns).map((each) => [each, sql`fresh.${Expression.column(each)}`])),
      from: Judging.each(judged, "fresh", columns, rows),
      where: Expression.all([sql`fresh.said = '${Expression.literal(isNew)}'`, ...(more.where ? [more.where] : [])]),
      onConflict: more.onConflict
    })
  const waits = group.map((row) => ({ ...row, request_id: row.id, kind: Rows.kind.request }))
  return {
    guards: [judged],
    writes: [
      insert("cluster_keys", keyTypes, waits, { where: sql`fresh.key_hash IS NOT NULL` }),
      insert("cluster_requests", requestTypes, group),
      insert(inbox, inboxTypes, waits, { onConflict: onceInInbox })
    ],
    tells: Judging.telling(judged),
    free: ["cluster_keys_pkey", "cluster_requests_pkey"]
  }
}

const isNew = "new"

/**
 * The request that has the key of each, or its Snowflake, with its last reply. Each is looked up: for a join, a planner
 * that knows nothing of the tables would read all of them.
 */
const found = (rows: ReadonlyArray<Asked>) => {
  const { tab } = Judging
  return Judging.judge({
    columns: { request_key: "bigint", key_hash: "uuid", shard_id: "text", entity_type: "text", entity_id: "text" },
    rows,
    beside: sql`
      LEFT JOIN LATERAL (
        (SELECT known.request_id, known.request_key, 'same' AS is_same FROM cluster_keys AS known
          WHERE known.key_hash = asked.key_hash)
        UNION ALL
        (SELECT request.id, request.request_key, CASE WHEN request.key_hash IS NOT DISTINCT FROM asked.key_hash
            AND request.shard_id = asked.shard_id AND request.entity_type = asked.entity_type
            AND request.entity_id = asked.entity_id THEN 'same' ELSE 'other' END
          FROM cluster_requests AS request WHERE request.request_key = asked.request_key)
        LIMIT 1
      ) AS known ON TRUE
      LEFT JOIN LATERAL (
        SELECT sent.id, sent.sequence, sent.payload FROM cluster_requests AS request
        JOIN cluster_replies AS sent ON sent.request_key = request.request_key AND sent.id = request.last_reply_id
        WHERE request.request_key = known.request_key LIMIT 1
      ) AS sent ON TRUE`,
    line: sql`CASE WHEN known.request_id IS NULL THEN '${Expression.literal(isNew)}'
      ELSE known.is_same || ${tab} || known.request_id::text || COALESCE(
        ${tab} || sent.id::text || ${tab} || sent.sequence::text || ${tab} || sent.payload, '') END`,
    word: isNew
  })
}

/** What a line says of a request. */
export const saved = ({ id }: Asked, line: string): Effect.Effect<SaveResult.Encoded> => {
  if (line === isNew) return Effect.succeed(SaveResultEncoded.Success())
  const [isSame, original = "", sent_id, reply_sequence, reply_payload] = Judging.partsOf(line)
  if (isSame !== "same") {
    return Effect.die(new Error("another request has this Snowflake: two runners had one machine id"))
  }
  return Effect.succeed(
    // Its answer was lost: it is this request that is there.
    original === String(id)
      ? SaveResultEncoded.Success()
      : SaveResultEncoded.Duplicate({
          originalId: Snowflake(original),
          lastReceivedReply: Rows.replyIn(original, { sent_id, reply_sequence, reply_payload })
        })
  )
}

/** Held against whoever decides the request: what came for one that is decided would lie about for ever. */
const isOpen = (requestId: string): Guard.Guard<Instead<SaveResult.Encoded>> =>
  Guard.make({
    name: "request",
    row: Guard.row(
      "cluster_requests",
      { request_key: value("bigint", requestKey(BigInt(requestId))) },
      { is_open: sql`finished_at IS NULL`, last_reply_id: sql`last_reply_id` },
      "exclusive"
    ),
    columns: ["is_open", "last_reply_id"],
    holds: (row) => Guard.exists(row, sql`is_open`),
    refuse: () => instead(SaveResultEncoded.Success())
  })

const rowOf = (envelope: Envelope.InterruptEncoded | Envelope.AckChunkEncoded, shard: string) => ({
  shard_id: shard,
  due_at: 0n,
  request_id: BigInt(envelope.requestId),
  id: BigInt(envelope.id),
  request_key: requestKey(BigInt(envelope.requestId)),
  entity_type: envelope.address.entityType,
  entity_id: envelope.address.entityId
})

/** An interrupt of a request that is not decided; of any other it says nothing. */
export const interrupt = (
  envelope: Envelope.InterruptEncoded,
  shard: string
): Guarded.Statement<Instead<SaveResult.Encoded>> => ({
  guards: [isOpen(envelope.requestId)],
  writes: [waiting({ ...rowOf(envelope, shard), kind: Rows.kind.interrupt })]
})

/**
 * An acknowledgement of the last chunk takes the place of the one before, and the chunks before it are forgotten. One of
 * an earlier chunk says nothing more: of two callers who share a request, the slower one sends it.
 */
export const ackChunk = (
  envelope: Envelope.AckChunkEncoded,
  shard: string
): Guarded.Statement<Instead<SaveResult.Encoded>> => {
  const row = rowOf(envelope, shard)
  const request = isOpen(envelope.requestId)
  const replyId = value("bigint", BigInt(envelope.replyId))
  const ofRequest = sql`request_key = ${value("bigint", row.request_key)}`
  const isLast = sql`${Guard.column(request, "last_reply_id", "bigint")} = ${replyId}`
  return {
    guards: [request],
    writes: [
      Write.remove({
        table: "cluster_replies",
        where: sql`${ofRequest} AND acked AND NOT id = ${replyId} AND ${isLast}`
      }),
      Write.update({
        table: "cluster_replies",
        set: { acked: value("boolean", true) },
        where: sql`${ofRequest} AND id = ${replyId}`
      }),
      Write.remove({
        table: inbox,
        where: sql`shard_id = ${value("text", shard)} AND due_at = 0
          AND request_id = ${value("bigint", row.request_id)} AND kind = ${value("integer", Rows.kind.ackChunk)}
          AND id <> ${value("bigint", row.id)} AND ${isLast}`
      }),
      waiting({ ...row, kind: Rows.kind.ackChunk, reply_id: BigInt(envelope.replyId) }, isLast)
    ],
    // No two of them are of one row.
    independent: true
  }
}

/** Puts the row of a request back that was decided. */
export const again = (request: Guard.Guard<unknown>, key: bigint): Write.Write =>
  Write.insert({
    into: inbox,
    columns: {
      shard_id: Guard.column(request, "shard_id", "text"),
      due_at: Guard.column(request, "due_at", "bigint"),
      request_id: Guard.column(request, "id", "bigint"),
      id: Guard.column(request, "id", "bigint"),
      kind: value("integer", Rows.kind.request),
      request_key: value("bigint", key),
      entity_type: Guard.column(request, "entity_type", "text"),
      entity_id: Guard.column(request, "entity_id", "text")
    },
    onConflict: onceInInbox
  })
