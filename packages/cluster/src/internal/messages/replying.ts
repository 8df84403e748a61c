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
import { type Instead, instead } from "../storing.ts"
import { requestKey } from "../keys.ts"
import { again } from "./saving.ts"
import * as Rows from "./rows.ts"

const { sql, value } = Expression

/** What became of a reply that was not written. */
export type Refusal =
  /** It is there already, or nobody asks for it any more. */
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

const requestColumns = {
  id: sql`id`,
  shard_id: sql`shard_id`,
  due_at: sql`due_at`,
  entity_type: sql`entity_type`,
  entity_id: sql`entity_id`,
  last_reply_id: sql`last_reply_id`,
  is_open: sql`finished_at IS NULL`
}

const columnNames = Object.keys(requestColumns)

const requestRow = (key: bigint): Guard.Row =>
  // The row is changed by whatever is written of the request, so there is no need to lock it.
  Guard.row(requests, { request_key: value("bigint", key) }, requestColumns, undefined)

/** A reply, under a fence; or without one, if nobody has ever held the shard of its request. */
export const reply = (said: Reply.Encoded, under: Under | undefined): Guarded.Statement<Instead<Refusal>> => {
  const key = requestKey(BigInt(said.requestId))
  const id = BigInt(said.id)
  const payload = Rows.payloadOf(said)
  const isExit = said._tag === "WithExit"
  const request = isUndecided(key, said.id, payload, under)
  const ofRequest = sql`request_key = ${value("bigint", key)}`
  const row = Expression.row(Rows.replyTypes, {
    request_key: key,
    sequence: Rows.sequenceOf(said),
    id,
    fence: under?.fence ?? null,
    payload,
    acked: false
  })
  const lastReply = { last_reply_id: value("bigint", id) }
  return {
    guards: [request, under === undefined ? isNobodys(key) : isHeld(under)],
    writes: [
      Write.insert({
        into: replies,
        columns: row,
        // A chunk is sent again under a new id where nobody knew what had become of it.
        onConflict: Write.replacing(["request_key", "sequence"], isExit ? [] : ["id", "fence", "payload", "acked"])
      }),
      Write.update({
        table: requests,
        set: isExit
          ? { ...lastReply, finished_at: sql`now()`, suspended: value("boolean", Rows.isSuspended(said)) }
          : lastReply,
        where: ofRequest
      }),
      ...(isExit ? [everythingOf(request)] : [])
    ]
  }
}

const isUndecided = (key: bigint, replyId: string, payload: string, under: Under | undefined) =>
  Guard.make({
    name: "request",
    row: requestRow(key),
    beside: Guard.row(
      replies,
      { request_key: value("bigint", key), sequence: value("integer", Rows.exit) },
      ["payload", "fence"],
      undefined
    ),
    columns: {
      ...Object.fromEntries(columnNames.map((name) => [name, sql`found.${Expression.column(name)}`])),
      exit: sql`beside.payload`,
      exit_fence: sql`beside.fence`
    },
    holds: (row) => Guard.exists(row, sql`is_open`),
    refuse: (found): ReturnType<typeof instead<Refusal>> => {
      if (found === undefined) return instead("done")
      // Under another id it is this one too: whoever does not know what became of a reply makes a new id for it.
      const isOurs = under !== undefined && found["exit_fence"] === under.fence && found["exit"] === payload
      return instead(isOurs || String(found["last_reply_id"]) === replyId ? "done" : "decided")
    }
  })

const isHeld = ({ fence, name }: Under) =>
  Guard.make({
    name: "shard",
    row: Guard.row("cluster_shards", { shard_id: value("text", name) }, ["fence"], "shared"),
    columns: ["fence"],
    holds: (row) => Guard.exists(row, sql`fence = ${value("bigint", fence)}`),
    refuse: () => instead<Refusal>("stale")
  })

const isNobodys = (key: bigint) =>
  Guard.make({
    name: "shard",
    row: {
      select: sql`SELECT shard.fence FROM cluster_shards AS shard WHERE shard.shard_id = (
        SELECT request.shard_id FROM cluster_requests AS request WHERE request.request_key = ${value("bigint", key)})`,
      lock: undefined
    },
    columns: ["fence"],
    holds: (row) => Guard.absent(row),
    refuse: () => instead<Refusal>("stale")
  })

/** What waits of a request: itself, its interrupts, its acknowledgement. */
const everythingOf = (request: Guard.Guard<unknown>, more = sql`TRUE`): Write.Write =>
  Write.remove({
    table: "cluster_inbox",
    where: sql`shard_id = ${Guard.column(request, "shard_id", "text")}
      AND due_at = ANY (ARRAY[0, ${Guard.column(request, "due_at", "bigint")}])
      AND request_id = ${Guard.column(request, "id", "bigint")} AND ${more}`
  })

/** Takes a request's exit back, so that it waits anew: if its last reply is still this one, where one is named. */
export const clear = (requestId: bigint, expected: bigint | undefined): Guarded.Statement<Instead<"changed">> => {
  const key = requestKey(requestId)
  const ofRequest = sql`request_key = ${value("bigint", key)}`
  const request = Guard.make({
    name: "request",
    row: requestRow(key),
    columns: columnNames,
    holds: (row) =>
      expected === undefined ? Guard.exists(row) : Guard.exists(row, sql`last_reply_id = ${value("bigint", expected)}`),
    refuse: () => instead("changed" as const)
  })
  const isInterrupt = sql`kind = ${value("integer", Rows.kind.interrupt)}`
  return {
    guards: [request],
    writes: [
      Write.remove({ table: replies, where: sql`${ofRequest} AND sequence = ${value("integer", Rows.exit)}` }),
      everythingOf(request, isInterrupt),
      again(request, key),
      Write.update({
        table: requests,
        set: { last_reply_id: sql`NULL`, finished_at: sql`NULL`, suspended: value("boolean", false) },
        where: ofRequest
      })
    ],
    // What is removed of the inbox is an interrupt, what is put there the request.
    independent: true
  }
}
