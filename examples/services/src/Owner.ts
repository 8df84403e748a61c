/**
 * Finds the history process that owns a shard, and calls it.
 */
import { type Identifiers, Shards } from "@effect-dsql/persistence"
import { Context, Effect, Layer, Option, Schedule } from "effect"
import { HttpClient } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { HistoryApi } from "./api/HistoryApi.ts"
import { Unavailable } from "./api/Refusal.ts"
import { owners } from "./history/Ownership.ts"

type History = HttpApiClient.ForApi<typeof HistoryApi>

/** What the owner does not answer with: it was not there, it was another, it could not just now. */
type Elsewhere = "NotOwner" | "Unavailable" | "HttpClientError" | "SchemaError" | "BadRequest"

export class Owner extends Context.Service<
  Owner,
  {
    /** Calls the owner of a shard; while the shard moves, until it has arrived. */
    readonly call: <A, E extends { readonly _tag: string }, R>(
      shardId: Identifiers.ShardId,
      request: (history: History) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, Exclude<E, { readonly _tag: Elsewhere }> | Unavailable, R>
  }
>()("services/Owner") {}

const untilItHasArrived = Schedule.exponential("10 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "5 seconds" })
)

const elsewhere = new Set<string>(["NotOwner", "Unavailable", "HttpClientError", "SchemaError", "BadRequest"])

export const layer = Layer.effect(
  Owner,
  Effect.gen(function* () {
    const shards = yield* Shards.Shards
    const http = yield* HttpClient.HttpClient

    /** Asked anew for each call: one round trip, and never stale for long. */
    const find = Effect.fnUntraced(function* (shardId: Identifiers.ShardId) {
      const found = yield* shards.find(shardId)
      if (Option.isNone(found)) return yield* new Unavailable({ reason: `nobody owns shard ${shardId}` })
      const { url } = yield* owners.decode(found.value.info)
      return yield* Effect.provideService(client(url), HttpClient.HttpClient, http)
    })

    return Owner.of({
      call: <A, E extends { readonly _tag: string }, R>(
        shardId: Identifiers.ShardId,
        request: (history: History) => Effect.Effect<A, E, R>
      ) =>
        Effect.flatMap(find(shardId), request).pipe(
          Effect.retry({ schedule: untilItHasArrived, while: ({ _tag }) => elsewhere.has(_tag) }),
          Effect.mapError((error) =>
            elsewhere.has(error._tag) || "sqlState" in error
              ? new Unavailable({ reason: `shard ${shardId}: ${"message" in error ? error.message : error._tag}` })
              : // What is not elsewhere is an answer of the owner's own.
                (error as Exclude<E, { readonly _tag: Elsewhere }>)
          )
        )
    })
  })
)

const client = (url: string) => HttpApiClient.make(HistoryApi, { baseUrl: url })
