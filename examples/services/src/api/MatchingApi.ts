/**
 * Task queues: history puts tasks in, workers take them out.
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Kind } from "./HistoryApi.ts"
import { Unavailable } from "./Refusal.ts"

/** Work for a worker: a run to decide about, or an activity to do. */
export const Work = Schema.TaggedUnion({
  Decide: { shardId: Schema.Int, id: Schema.String, runId: Schema.String },
  Do: {
    kind: Kind,
    shardId: Schema.Int,
    id: Schema.String,
    runId: Schema.String,
    scheduled: Schema.Int,
    name: Schema.String,
    input: Schema.Json
  }
})

export type Work = typeof Work.Type

export class MatchingGroup extends HttpApiGroup.make("matching", { topLevel: true }).add(
  HttpApiEndpoint.post("add", "/queues/:queue", {
    params: { queue: Schema.String },
    payload: Schema.Struct({ work: Schema.Array(Work) }),
    success: HttpApiSchema.NoContent,
    error: Unavailable
  }),
  /** The next task; none where none came in a while. It is given out again where it is not acknowledged in time. */
  HttpApiEndpoint.post("poll", "/queues/:queue/poll", {
    params: { queue: Schema.String },
    success: Schema.NullOr(Schema.Struct({ taskId: Schema.String, work: Work })),
    error: Unavailable
  }),
  HttpApiEndpoint.post("acknowledge", "/queues/:queue/acknowledge", {
    params: { queue: Schema.String },
    payload: Schema.Struct({ taskId: Schema.String }),
    success: HttpApiSchema.NoContent,
    error: Unavailable
  })
) {}

export class MatchingApi extends HttpApi.make("matching").add(MatchingGroup) {}
