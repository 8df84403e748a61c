/**
 * The frontend role: what users call. It keeps nothing; every call goes to the owner of the shard.
 */
import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { FrontendApi } from "../api/FrontendApi.ts"
import { Keyspace } from "../Keyspace.ts"
import * as Owner from "../Owner.ts"
import * as Service from "../Service.ts"

const handlers = HttpApiBuilder.group(
  FrontendApi,
  "frontend",
  Effect.fnUntraced(function* (routes) {
    const owner = yield* Owner.Owner
    const { shardOf } = yield* Keyspace
    return routes.handleAll({
      start: ({ params, payload }) =>
        owner.call(shardOf(params.id), (history) => history.start({ payload: { ...params, ...payload } })),
      signal: ({ params, payload }) =>
        owner.call(shardOf(params.id), (history) => history.signal({ payload: { ...params, ...payload } })),
      describe: ({ params }) => owner.call(shardOf(params.id), (history) => history.describe({ params }))
    })
  })
)

export const layer = Service.layer(
  "frontend",
  HttpApiBuilder.layer(FrontendApi).pipe(Layer.provide(handlers), Layer.provide(Owner.layer))
)
