/**
 * Replies, each under the fence under which its request was handed out.
 *
 * The shard's row is held FOR KEY SHARE with that fence: whoever takes the shard over moves it, and of the two the later
 * committer finds it moved. So a runner that lost its shard cannot decide a request, whenever it wakes.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"
import type * as Reply from "effect/cluster/Reply"
import * as Effect from "effect/Effect"
import { type Instead, instead } from "../storing.ts"
import { requestKey } from "../keys.ts"
import * as Judging from "./judging.ts"
import { again } from "./saving.ts"
import * as Rows from "./rows.ts"

const { sql, value } = Expression

/** What became of a reply. */
export type Outcome =
  | "kept"
  /** It is there already or was, or nobody asks for it any more. */
  | "done"
  /** Another reply has decided the request. */
  | "decided"
  /** The shard has another fence by now. */
  | "stale"

/** The shard by its name in the tables, and the fence under which its request was handed out. */
export interface Under {
  readonly name: string
  readonly fence: bigint
}

const replies = "cluster_replies"
const requests = "cluster_requests"

/** A reply as it is to be written. */
export type Asked = ReturnType<typeof asked>

/** A reply, under a fence; or without one, if nobody has ever held the shard of its request. */
export const asked = (said: Reply.Encoded, under: Under | undefined) => ({
  request_key: requestKey(BigInt(said.requestId)),
  sequence: Rows.sequenceOf(said),
  id: BigInt(said.id),
  shard_id: under?.name ?? null,
  fence: under?.fence ?? null,
  payload: Rows.payloadOf(said),
  acked: false,
  is_exit: said._tag === "WithExit",
  suspended: Rows.isSuspended(said)
})

const kept = "kept" satisfies Outcome

/** Writes those of these replies that may be, each under its own fence, and says of each what it found: `outcome` reads it. */
export const save = (group: ReadonlyArray<Asked>): Guarded.Statement<Instead<string>> => {
  const judged = found(group)
  const isKept = sql`reply.said = '${Expression.literal(kept)}'`
  return {
    guards: [judged, areHeld(group)],
    writes: [
      // What waits of a request: itself, its interrupts, its acknowledgement.
      Write.remove({
        table: "cluster_inbox",
        using: sql`${Judging.each(judged, "reply", { request_key: "bigint", is_exit: "boolean" }, group)}
          CROSS JOIN LATERAL (
            SELECT request.* FROM cluster_requests AS request WHERE request.request_key = reply.request_key LIMIT 1
          ) AS request`,
        where: sql`${isKept} AND reply.is_exit AND cluster_inbox.shard_id = request.shard_id
          AND cluster_inbox.due_at = ANY (ARRAY[0, request.due_at]) AND cluster_inbox.request_id = request.id`
      }),
      Write.insert({
        into: replies,
        columns: Object.fromEntries(
          Object.keys(Rows.replyTypes).map((each) => [each, sql`reply.${Expression.column(each)}`])
        ),
        from: Judging.each(judged, "reply", Rows.replyTypes, group),
        where: isKept,
        // Whoever runs again what ended in the middle may say something else.
        onConflict: Write.replacing(
          ["request_key", "sequence"],
          ["id", "fence", "payload", "acked"],
          sql`${Expression.name(replies)}.sequence <> ${Expression.literal(String(Rows.exit))}`
        )
      }),
      Write.update({
        table: requests,
        // It is open: it has not been finished, nor is it suspended.
        set: {
          last_reply_id: sql`reply.id`,
          finished_at: sql`CASE WHEN reply.is_exit THEN now() END`,
          suspended: sql`reply.suspended`
        },
        from: Judging.each(judged, "reply", decisionTypes, group),
        where: sql`${Expression.name(requests)}.request_key = reply.request_key AND ${isKept}`
      })
    ],
    tells: Judging.telling(judged)
  }
}

const decisionTypes = { request_key: "bigint", id: "bigint", is_exit: "boolean", suspended: "boolean" } as const

/** The request of each reply, what stands in its place already, and the fence that its shard has now, each looked up. */
const found = (rows: ReadonlyArray<Asked>) => {
  const { tab } = Judging
  return Judging.judge({
    columns: { request_key: "bigint", sequence: "integer", id: "bigint", shard_id: "text", fence: "bigint" },
    rows,
    beside: sql`
      LEFT JOIN LATERAL (
        SELECT request.* FROM cluster_requests AS request WHERE request.request_key = asked.request_key LIMIT 1
      ) AS request ON TRUE
      LEFT JOIN LATERAL (
        SELECT sent.id, sent.fence, sent.payload FROM cluster_replies AS sent
        WHERE sent.request_key = asked.request_key AND sent.sequence = asked.sequence LIMIT 1
      ) AS sent ON TRUE
      LEFT JOIN LATERAL (
        SELECT shard.fence FROM cluster_shards AS shard
        WHERE shard.shard_id = COALESCE(asked.shard_id, request.shard_id) LIMIT 1
      ) AS held ON TRUE`,
    // One that was cleared has been there: a run that it suspended has been woken since, and nothing would wake it again.
    line: sql`CASE WHEN request.id IS NULL OR request.cleared_reply_id = asked.id THEN 'done'
      WHEN request.finished_at IS NOT NULL THEN 'decided' || ${tab} || COALESCE(request.last_reply_id::text, '')
        || ${tab} || COALESCE(sent.fence::text, '') || ${tab} || COALESCE(sent.payload, '')
      WHEN held.fence IS DISTINCT FROM asked.fence THEN 'stale'
      WHEN sent.id = asked.id THEN 'done'
      ELSE '${Expression.literal(kept)}' END`,
    word: kept
  })
}

/** The shards of these replies, held with the fences that they were found to have. */
const areHeld = (group: ReadonlyArray<Asked>) => {
  const names = new Set(group.flatMap(({ shard_id }) => shard_id ?? []))
  return Guard.make({
    name: "shards",
    row: {
      select: sql`SELECT fence FROM cluster_shards WHERE shard_id = ANY (${Judging.list("text", [...names])}::text[])`,
      lock: "shared"
    },
    columns: ["fence"],
    holds: () => sql`TRUE`,
    refuse: () => Effect.die(new Error("nothing is asked of a shard but to be held"))
  })
}

/** What a line says of a reply. */
export const outcome = (reply: Asked, line: string): Outcome => {
  const [word, id, fence, payload] = Judging.partsOf(line)
  switch (word) {
    case kept:
    case "done":
    case "stale":
      return word
  }
  // Under another id it is this one too: whoever does not know what became of an exit makes a new id for it.
  const isOurs = reply.fence !== null && fence === String(reply.fence) && payload === reply.payload
  return isOurs || id === String(reply.id) ? "done" : "decided"
}

const requestColumns = ["id", "shard_id", "due_at", "entity_type", "entity_id", "last_reply_id"]

/** Takes a request's exit back, so that it waits anew, if its last reply is still this one: asked again it does nothing. */
export const clear = (requestId: bigint, replyId: bigint): Guarded.Statement<Instead<"changed">> => {
  const key = requestKey(requestId)
  const ofRequest = sql`request_key = ${value("bigint", key)}`
  const request = Guard.make({
    name: "request",
    // The row is changed by what is written, so there is no need to lock it.
    row: Guard.row(requests, { request_key: value("bigint", key) }, requestColumns, undefined),
    columns: requestColumns,
    holds: (row) => Guard.exists(row, sql`last_reply_id = ${value("bigint", replyId)}`),
    refuse: () => instead("changed" as const)
  })
  return {
    guards: [request],
    writes: [
      Write.remove({ table: replies, where: sql`${ofRequest} AND sequence = ${value("integer", Rows.exit)}` }),
      Write.remove({
        table: "cluster_inbox",
        where: sql`shard_id = ${Guard.column(request, "shard_id", "text")} AND due_at = 0
          AND request_id = ${value("bigint", requestId)} AND kind = ${value("integer", Rows.kind.interrupt)}`
      }),
      again(request, key),
      Write.update({
        table: requests,
        set: {
          last_reply_id: sql`NULL`,
          cleared_reply_id: value("bigint", replyId),
          finished_at: sql`NULL`,
          suspended: value("boolean", false)
        },
        where: ofRequest
      })
    ],
    // What is removed of the inbox is an interrupt, what is put there the request.
    independent: true
  }
}
