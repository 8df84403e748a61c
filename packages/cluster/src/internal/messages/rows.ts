/**
 * Messages and replies as rows, and back.
 */
import type * as Envelope from "effect/cluster/Envelope"
import type * as Reply from "effect/cluster/Reply"
import * as ShardId from "effect/cluster/ShardId"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Row } from "../storing.ts"

/** What a row of the inbox is. */
export const kind = { request: 0, ackChunk: 1, interrupt: 2 } as const

/** Where a request's exit stands among its replies: after all chunks, and once. */
export const exit = 2 ** 31 - 1

/** Where an encoded message's entity is. */
export const shardOf = ({ address }: Envelope.Encoded): string => ShardId.toString(address.shardId)

export const replyTypes = {
  request_key: "bigint",
  sequence: "integer",
  id: "bigint",
  fence: "bigint",
  payload: "text",
  acked: "boolean"
} as const

/** Where a reply stands among the replies of its request. */
export const sequenceOf = (reply: Reply.Encoded): number => (reply._tag === "Chunk" ? reply.sequence : exit)

/** What a reply says. */
export const payloadOf = (reply: Reply.Encoded): string =>
  JSON.stringify(reply._tag === "Chunk" ? reply.values : reply.exit)

/** Whether a reply is the exit of a workflow's run that waits: it is its answer for now. */
export const isSuspended = (reply: Reply.Encoded): boolean =>
  reply._tag === "WithExit" &&
  reply.exit._tag === "Success" &&
  Predicate.hasProperty(reply.exit.value, "_tag") &&
  reply.exit.value._tag === "Suspended"

/** A reply as it was encoded: its payload is what `payloadOf` wrote. */
export const reply = (requestId: string, id: unknown, sequence: unknown, payload: unknown): Reply.Encoded => {
  const said = JSON.parse(String(payload))
  return Number(sequence) === exit
    ? { _tag: "WithExit", id: String(id), requestId, exit: said }
    : { _tag: "Chunk", id: String(id), requestId, sequence: Number(sequence), values: said }
}

/** The reply that stands in columns of these names, where there is one. */
export const replyIn = (requestId: string, row: Row): Option.Option<Reply.Encoded> =>
  row["reply_payload"] === null || row["reply_payload"] === undefined
    ? Option.none()
    : Option.some(reply(requestId, row["sent_id"], row["reply_sequence"], row["reply_payload"]))

/** A message that waits, as it was encoded, with the reply that was sent last. */
export const message = (
  row: Row,
  shardId: string
): { readonly envelope: Envelope.Encoded; readonly lastSentReply: Option.Option<Reply.Encoded> } => {
  const requestId = String(row["id"])
  const address = {
    shardId: ShardId.fromStringEncoded(shardId),
    entityType: String(row["entity_type"]),
    entityId: String(row["entity_id"])
  }
  switch (row["kind"]) {
    case kind.ackChunk:
      return {
        envelope: {
          _tag: "AckChunk",
          id: String(row["message_id"]),
          requestId,
          replyId: String(row["reply_id"]),
          address
        },
        lastSentReply: Option.none()
      }
    case kind.interrupt:
      return {
        envelope: { _tag: "Interrupt", id: String(row["message_id"]), requestId, address },
        lastSentReply: Option.none()
      }
    default:
      return {
        envelope: {
          _tag: "Request",
          requestId,
          address,
          tag: String(row["tag"]),
          payload: JSON.parse(String(row["payload"])),
          headers: JSON.parse(String(row["headers"])),
          ...(row["trace_id"] === null
            ? undefined
            : { traceId: String(row["trace_id"]), spanId: String(row["span_id"]), sampled: row["sampled"] === true })
        },
        lastSentReply: replyIn(requestId, row)
      }
  }
}
