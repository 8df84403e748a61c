/**
 * The matching role: the task queues.
 */
import { Effect, Layer, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { MatchingApi } from "../api/MatchingApi.ts"
import * as Service from "../Service.ts"
import * as Queues from "./Queues.ts"

const handlers = HttpApiBuilder.group(
  MatchingApi,
  "matching",
  Effect.fnUntraced(function* (routes) {
    const queues = yield* Queues.Queues
    return routes.handleAll({
      add: ({ params, payload }) => queues.add(params.queue, payload.work),
      poll: ({ params }) =>
        Effect.map(queues.poll(params.queue), (given) =>
          Option.match(given, {
            onNone: () => null,
            onSome: ({ taskId, work }) => ({ taskId: String(taskId), work })
          })
        ),
      acknowledge: ({ params, payload }) => queues.acknowledge(params.queue, BigInt(payload.taskId))
    })
  })
)

export const layer = Service.layer(
  "matching",
  HttpApiBuilder.layer(MatchingApi).pipe(Layer.provide(handlers), Layer.provide(Queues.layer))
)
