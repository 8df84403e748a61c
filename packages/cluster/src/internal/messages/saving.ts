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

/** A row of the inbox, which may be there already. */
const waiting = (row: Expression.Row<typeof inboxTypes>): Write.Write =>
  Write.insert({
    into: inbox,
    columns: Expression.row(inboxTypes, row),
    onConflict: Write.replacing(["shard_id", "due_at", "request_id", "id"], [])
  })

/** A request that is new, with the name of its shard in the tables; one that is there says so, with its last reply. */
export const request = (
  envelope: Envelope.PartialRequestEncoded,
  shard: string,
  key: string | undefined,
  deliverAt: number | null
): Guarded.Statement<Instead<SaveResult.Encoded>> => {
  const id = BigInt(envelope.requestId)
  const request_key = requestKey(id)
  const due_at = BigInt(deliverAt ?? 0)
  const place = {
    shard_id: shard,
    entity_type: envelope.address.entityType,
    entity_id: envelope.address.entityId
  }
  const row = {
    ...place,
    request_key,
    id,
    tag: envelope.tag,
    payload: JSON.stringify(envelope.payload),
    headers: JSON.stringify(envelope.headers),
    trace_id: envelope.traceId ?? null,
    span_id: envelope.spanId ?? null,
    sampled: envelope.sampled ?? null,
    due_at,
    key_hash: key ?? null
  }
  return {
    guards: [key === undefined ? isNew(request_key, place) : isFirst(key, envelope.requestId)],
    writes: [
      ...(key === undefined
        ? []
        : [
            Write.insert({
              into: "cluster_keys",
              columns: Expression.row(keyTypes, { key_hash: key, request_id: id, request_key })
            })
          ]),
      Write.insert({ into: "cluster_requests", columns: Expression.row(requestTypes, row) }),
      waiting({ ...place, due_at, request_id: id, id, kind: Rows.kind.request, request_key })
    ],
    free: [key === undefined ? "cluster_requests_pkey" : "cluster_keys_pkey"]
  }
}

/** A request without a key is one's own: if it is there, this statement had put it there before. */
const isNew = (
  key: bigint,
  place: { readonly shard_id: string; readonly entity_type: string; readonly entity_id: string }
): Guard.Guard<Instead<SaveResult.Encoded>> => {
  const isThere = Object.entries(place).map(
    ([column, text]) => sql`${Expression.column(column)} = ${value("text", text)}`
  )
  return Guard.make({
    name: "request",
    row: Guard.row(
      "cluster_requests",
      { request_key: value("bigint", key) },
      { is_same: Expression.all(isThere) },
      undefined
    ),
    columns: ["is_same"],
    holds: (row) => Guard.absent(row),
    refuse: (found = {}) =>
      found["is_same"] === true
        ? instead(SaveResultEncoded.Success())
        : Effect.die(new Error("another request has this Snowflake: two runners had one machine id"))
  })
}

const isFirst = (key: string, requestId: string): Guard.Guard<Instead<SaveResult.Encoded>> => {
  const hash = value("uuid", key)
  return Guard.make({
    name: "key",
    row: Guard.row("cluster_keys", { key_hash: hash }, ["request_id"], undefined),
    beside: {
      select: sql`
        SELECT sent.id AS sent_id, sent.sequence AS reply_sequence, sent.payload AS reply_payload
        FROM cluster_keys AS known
        JOIN cluster_requests AS request ON request.request_key = known.request_key
        JOIN cluster_replies AS sent ON sent.request_key = request.request_key AND sent.id = request.last_reply_id
        WHERE known.key_hash = ${hash}`,
      lock: undefined
    },
    columns: {
      request_id: sql`found.request_id`,
      sent_id: sql`beside.sent_id`,
      reply_sequence: sql`beside.reply_sequence`,
      reply_payload: sql`beside.reply_payload`
    },
    holds: (row) => Guard.absent(row),
    refuse: (found = {}) => {
      const original = String(found["request_id"])
      return instead<SaveResult.Encoded>(
        // Its answer was lost: it is this request that is there.
        original === requestId
          ? SaveResultEncoded.Success()
          : SaveResultEncoded.Duplicate({
              originalId: Snowflake(original),
              lastReceivedReply: Rows.replyIn(original, found)
            })
      )
    }
  })
}

/** Held against whoever decides the request: what came for one that is decided would lie about for ever. */
const isOpen = (requestId: string): Guard.Guard<Instead<SaveResult.Encoded>> =>
  Guard.make({
    name: "request",
    row: Guard.row(
      "cluster_requests",
      { request_key: value("bigint", requestKey(BigInt(requestId))) },
      { is_open: sql`finished_at IS NULL` },
      "exclusive"
    ),
    columns: ["is_open"],
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

/** An acknowledgement takes the place of the one before, and the chunks before it are forgotten. */
export const ackChunk = (
  envelope: Envelope.AckChunkEncoded,
  shard: string
): Guarded.Statement<Instead<SaveResult.Encoded>> => {
  const row = rowOf(envelope, shard)
  const ofRequest = sql`request_key = ${value("bigint", row.request_key)}`
  const isAcked = sql`id = ${value("bigint", BigInt(envelope.replyId))}`
  return {
    guards: [isOpen(envelope.requestId)],
    writes: [
      Write.remove({ table: "cluster_replies", where: sql`${ofRequest} AND acked AND NOT ${isAcked}` }),
      Write.update({
        table: "cluster_replies",
        set: { acked: value("boolean", true) },
        where: sql`${ofRequest} AND ${isAcked}`
      }),
      Write.remove({
        table: inbox,
        where: sql`shard_id = ${value("text", shard)} AND due_at = 0
          AND request_id = ${value("bigint", row.request_id)} AND kind = ${value("integer", Rows.kind.ackChunk)}
          AND id <> ${value("bigint", row.id)}`
      }),
      waiting({ ...row, kind: Rows.kind.ackChunk, reply_id: BigInt(envelope.replyId) })
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
    onConflict: Write.replacing(["shard_id", "due_at", "request_id", "id"], [])
  })
