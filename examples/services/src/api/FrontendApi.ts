/**
 * What users of the backend call.
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Description, Kind } from "./HistoryApi.ts"
import { AlreadyRunning, NotFound, Unavailable } from "./Refusal.ts"

export class FrontendGroup extends HttpApiGroup.make("frontend", { topLevel: true }).add(
  HttpApiEndpoint.post("start", "/:kind/:id", {
    params: { kind: Kind, id: Schema.String },
    payload: Schema.Struct({ name: Schema.String, input: Schema.Json, requestId: Schema.String }),
    success: Schema.Struct({ runId: Schema.String }),
    error: [AlreadyRunning, Unavailable]
  }),
  HttpApiEndpoint.post("signal", "/workflow/:id/signals/:name", {
    params: { id: Schema.String, name: Schema.String },
    payload: Schema.Struct({ runId: Schema.String, signalId: Schema.String, value: Schema.Json }),
    success: HttpApiSchema.NoContent,
    error: [NotFound, Unavailable]
  }),
  HttpApiEndpoint.get("describe", "/:kind/:id", {
    params: { kind: Kind, id: Schema.String },
    success: Description,
    error: [NotFound, Unavailable]
  })
) {}

export class FrontendApi extends HttpApi.make("frontend").add(FrontendGroup) {}
