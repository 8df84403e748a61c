/**
 * Effect's storage of encoded messages: which statement each operation sends, and what its outcome means.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Expression from "@effect-dsql/core/Expression"
import { EntityNotAssignedToRunner, PersistenceError } from "effect/cluster/ClusterError"
import { type Encoded, type SaveResult, SaveResultEncoded } from "effect/cluster/MessageStorage"
import type * as Reply from "effect/cluster/Reply"
import { Snowflake } from "effect/cluster/Snowflake"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as ClusterMetrics from "../../ClusterMetrics.ts"
import { type Holding, nameOf } from "../../Holding.ts"
import { keyHash, requestKey } from "../keys.ts"
import { move } from "../moving.ts"
import { Instead, type Row, type Storing } from "../storing.ts"
import type { Claims } from "./claims.ts"
import * as Grouping from "./grouping.ts"
import { inTransaction } from "./joining.ts"
import * as Judging from "./judging.ts"
import * as Polling from "./polling.ts"
import * as Removing from "./removing.ts"
import * as Replying from "./replying.ts"
import * as Rows from "./rows.ts"
import * as Saving from "./saving.ts"
import { Travelling } from "./travelling.ts"

/** A request whose key is known is answered with a reply, twice in its row: seven of a mebibyte are below 16 MiB. */
const lengthOfAnswer = 300_000

export const make = Effect.fnUntraced(function* (
  client: DsqlClient["Service"],
  storing: Storing,
  holding: Holding["Service"],
  claims: Claims
): Effect.fn.Return<Encoded, never, Scope.Scope> {
  const name = (shardId: string) => nameOf(holding, shardId)
  const shardOf = (name: string) => name.slice(holding.prefix.length + 1)

  /** A shard that the last poll served, if it stopped short: the next one begins behind it, so that each has its turn. */
  let lastShard: string | undefined

  /** Remembers rows as handed out at a time, or as looked at, and gives their messages. */
  const handOut = (rows: ReadonlyArray<Row>, now: number | undefined) =>
    rows.map((row) => {
      const shardId = shardOf(String(row["shard_id"]))
      // A BIGINT comes as a bigint.
      const requestId = row["id"] as bigint
      const message = {
        id: row["message_id"] as bigint,
        entityType: String(row["entity_type"]),
        entityId: String(row["entity_id"]),
        shardId,
        fence: (row["fence"] as bigint | null) ?? undefined
      }
      claims.add(requestId, message, now)
      return Rows.message(row, shardId)
    })

  const polled = (rows: ReadonlyArray<Row>, now: number) =>
    Effect.all(
      [
        move(ClusterMetrics.messages.polled, holding.prefix, now / 1_000),
        move(ClusterMetrics.messages.handedOut, holding.prefix, rows.length),
        move(ClusterMetrics.messages.oldest, holding.prefix, Math.max(0, ...rows.map(({ age }) => Number(age))))
      ],
      { discard: true }
    )

  const repliesOf = (requestIds: ReadonlyArray<string>, which: "all" | "unheard") => {
    const byKey = new Map(requestIds.map((id) => [requestKey(BigInt(id)), id]))
    return Effect.map(storing.read("ReadReplies", Polling.repliesOf([...byKey.keys()], which)), (rows) =>
      Polling.inOrder(rows, "sequence").map((row) =>
        Rows.reply(byKey.get(row["request_key"] as bigint) ?? "", row["id"], row["sequence"], row["payload"])
      )
    )
  }

  const saveRequest = yield* Grouping.make<Saving.Asked, Effect.Effect<SaveResult.Encoded>>(
    client,
    {
      namesOf: ({ id, key_hash }) => (key_hash === null ? [String(id)] : [key_hash, String(id)]),
      lengthOf: ({ headers, key_hash, payload }) =>
        headers.length + payload.length + (key_hash === null ? 0 : lengthOfAnswer)
    },
    (group) =>
      Effect.map(storing.write("SaveRequest", Saving.requests(group)), (told) => {
        const lines = Judging.linesOf(told)
        return group.map((asked, place) => Saving.saved(asked, lines[place] ?? ""))
      })
  )

  const writeReply = yield* Grouping.make<Replying.Asked, Replying.Outcome>(
    client,
    { namesOf: ({ request_key }) => [String(request_key)], lengthOf: ({ payload }) => payload.length },
    (group) =>
      Effect.map(storing.write("SaveReply", Replying.save(group)), (told) => {
        const lines = Judging.linesOf(told)
        return group.map((asked, place) => Replying.outcome(asked, lines[place] ?? ""))
      })
  )

  const saveReply = (reply: Reply.Encoded): Effect.Effect<void, PersistenceError> =>
    Effect.withFiber((fiber) => {
      const requestId = BigInt(reply.requestId)
      const travelling = fiber.getRef(Travelling)
      const handedOut = travelling ?? claims.find(requestId)
      const fence = handedOut?.fence
      // What is known to be lost need not be asked.
      const written: Effect.Effect<Replying.Outcome, PersistenceError> =
        handedOut !== undefined && fence !== undefined && holding.find(handedOut.shardId)?.fence !== fence
          ? Effect.succeed("stale")
          : writeReply(
              Replying.asked(
                reply,
                handedOut === undefined || fence === undefined ? undefined : { name: name(handedOut.shardId), fence }
              )
            )
      return Effect.flatMap(written, (outcome) => {
        if (outcome === "stale" && handedOut !== undefined && holding.find(handedOut.shardId)?.fence === fence) {
          holding.lose(handedOut.shardId)
        }
        if (outcome === "stale" || outcome === "decided") {
          return Effect.andThen(move(ClusterMetrics.messages.refused, holding.prefix, 1), refuse(outcome, travelling))
        }
        if (reply._tag === "WithExit") claims.drop(requestId)
        return Effect.void
      })
    })

  const clear = (requestId: bigint, replyId: bigint) =>
    Effect.map(storing.write("ClearReplies", Replying.clear(requestId, replyId)), (told) => {
      if (!(told instanceof Instead)) claims.drop(requestId)
    })

  /** It is looked up first: whoever asks again for any reply to be cleared would clear the one that has come meanwhile. */
  const clearLast = (requestId: bigint) =>
    Effect.flatMap(storing.read("FindLastReply", Polling.lastReplyOf(requestKey(requestId))), ([row]) =>
      // A BIGINT comes as a bigint.
      row === undefined ? Effect.sync(() => claims.drop(requestId)) : clear(requestId, row["last_reply_id"] as bigint)
    )

  return {
    saveEnvelope: ({ deliverAt, envelope, primaryKey }) => {
      const shard = name(Rows.shardOf(envelope))
      if (envelope._tag === "Request") {
        const key = primaryKey === null ? undefined : keyHash(holding.prefix, primaryKey)
        return Effect.flatten(Effect.suspend(() => saveRequest(Saving.asked(envelope, shard, key, deliverAt))))
      }
      const signal = Effect.suspend(() =>
        storing.write(
          `Save${envelope._tag}`,
          envelope._tag === "AckChunk" ? Saving.ackChunk(envelope, shard) : Saving.interrupt(envelope, shard)
        )
      )
      return Effect.map(signal, (told) => (told instanceof Instead ? told.outcome : SaveResultEncoded.Success()))
    },

    saveReply,

    clearReplies: (requestId, options) =>
      options?.expectedReplyId === undefined ? clearLast(requestId) : clear(requestId, options.expectedReplyId),

    requestIdForPrimaryKey: (primaryKey) =>
      Effect.map(storing.read("FindRequest", Polling.requestOf(keyHash(holding.prefix, primaryKey))), ([row]) =>
        row === undefined ? Option.none() : Option.some(Snowflake(row["request_id"] as bigint))
      ),

    repliesFor: (requestIds) => repliesOf(requestIds, "unheard"),

    repliesForUnfiltered: (requestIds) => repliesOf(requestIds, "all"),

    unprocessedMessages: (shardIds, now, options) =>
      Effect.suspend(() => {
        if (options?.addresses?.length === 0) return Effect.succeed([])
        const limit = options?.limit ?? Number.POSITIVE_INFINITY
        const statement = Polling.onShards({
          shards: behind(shardIds, lastShard).map((shardId) => ({
            name: name(shardId),
            fence: holding.find(shardId)?.fence
          })),
          claimed: claims.on(new Set(shardIds), now),
          now,
          limit,
          addresses: options?.addresses?.map((address) => ({ name: name(address.shardId.toString()), address }))
        })
        return Effect.flatMap(storing.read("PollMessages", statement), (found) => {
          const rows = Polling.inOrder(found, "id", "kind", "message_id")
          lastShard = rows.length < limit ? undefined : shardOf(String(rows.at(-1)?.["shard_id"]))
          return Effect.as(polled(rows, now), handOut(rows, now))
        })
      }),

    // Whoever asks for a message may only look at it: a poll has to hand it out still.
    unprocessedMessagesById: (ids, now) =>
      Effect.map(storing.read("PollRequests", Polling.byKeys(ids.map(requestKey), now)), (rows) =>
        handOut(
          Polling.inOrder(rows, "id").filter(
            ({ fence, shard_id }) => fence === (holding.find(shardOf(String(shard_id)))?.fence ?? null)
          ),
          undefined
        )
      ),

    resetRequests: (requestIds) =>
      Effect.sync(() => {
        for (const requestId of requestIds) claims.drop(requestId)
      }),

    resetAddresses: (addresses) => Effect.sync(() => claims.dropAddresses(addresses)),

    resetShards: (shardIds) => Effect.sync(() => claims.dropShards(shardIds)),

    clearAddress: Effect.fnUntraced(function* (address) {
      const { sql, value } = Expression
      const which = sql`WHERE shard_id = ${value("text", name(address.shardId.toString()))}
        AND entity_type = ${value("text", address.entityType)} AND entity_id = ${value("text", address.entityId)}
        ORDER BY request_key LIMIT ${value("integer", Removing.atOnce)}`
      let gone = Removing.atOnce
      while (gone === Removing.atOnce) {
        const told = yield* storing.write("ClearAddress", Removing.requests(which))
        gone = told instanceof Instead ? 0 : Number(told["gone"])
      }
      claims.dropAddresses([address])
    }),

    withTransaction: inTransaction(client)
  }
})

/** The same shards, those behind one of them first. */
const behind = (shardIds: ReadonlyArray<string>, last: string | undefined): ReadonlyArray<string> => {
  const place = last === undefined ? 0 : shardIds.indexOf(last) + 1
  return [...shardIds.slice(place), ...shardIds.slice(0, place)]
}

/**
 * Sharding leaves a request that is not its runner's any more to the shard's owner. `respond` may fail so, whatever its
 * type says: `EntityManager` catches this error by its tag.
 */
const refuse = (
  refusal: "stale" | "decided",
  travelling: Travelling | undefined
): Effect.Effect<never, PersistenceError> =>
  travelling === undefined
    ? Effect.fail(new PersistenceError({ cause: new Error(reasons[refusal]) }))
    : Effect.fail(new EntityNotAssignedToRunner({ address: travelling.address }) as unknown as PersistenceError)

const reasons = {
  stale: "the shard of this request is held under another fence by now: its owner answers it",
  decided: "this request has another exit already"
} as const
