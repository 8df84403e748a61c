/**
 * The history role: executions below the shards that this process owns.
 */
import { Identifiers } from "@effect-dsql/persistence"
import { Effect, Layer } from "effect"
import { HttpApiBuilder, HttpApiClient } from "effect/http-api"
import { HistoryApi } from "../api/HistoryApi.ts"
import { MatchingApi } from "../api/MatchingApi.ts"
import * as Service from "../Service.ts"
import * as Settings from "../Settings.ts"
import * as Engine from "./Engine.ts"
import * as Ownership from "./Ownership.ts"
import * as Processing from "./Processing.ts"

const ownership = Layer.effect(Ownership.Ownership, Effect.flatMap(Service.url, Ownership.make))

/** Works on every shard that is owned, and takes the first ones. */
const processing = Layer.effectDiscard(
  Effect.gen(function* () {
    const owners = yield* Ownership.Ownership
    const matching = yield* HttpApiClient.make(MatchingApi, { baseUrl: yield* Settings.matching })
    yield* owners.whileOwned(yield* Processing.make(matching))
    yield* Effect.forEach(yield* Settings.initialShards, owners.acquire, { discard: true })
  })
)

const handlers = HttpApiBuilder.group(
  HistoryApi,
  "history",
  Effect.fnUntraced(function* (routes) {
    const engine = yield* Engine.Engine
    const owners = yield* Ownership.Ownership
    return routes.handleAll({
      acquire: ({ params }) =>
        Effect.map(owners.acquire(Identifiers.ShardId.make(params.shardId)), (rangeId) => ({
          rangeId: String(rangeId)
        })),
      start: ({ payload }) => Effect.map(engine.start(payload), (runId) => ({ runId })),
      signal: ({ payload }) => engine.signal(payload),
      describe: ({ params }) => engine.describe(params.kind, params.id),
      history: ({ params }) => engine.history(params.id, params.runId),
      decided: ({ payload }) => engine.decide(payload),
      activityDone: ({ payload }) => engine.activityDone(payload)
    })
  })
)

export const layer = Service.layer(
  "history",
  HttpApiBuilder.layer(HistoryApi).pipe(
    Layer.provide(handlers),
    Layer.merge(processing),
    Layer.provide(Engine.layer),
    Layer.provide(ownership)
  )
)
