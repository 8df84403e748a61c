/**
 * What the owner of a shard does for the others.
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Command } from "../domain/Command.ts"
import { Event } from "../domain/Event.ts"
import { AlreadyRunning, NotFound, NotOwner, Unavailable } from "./Refusal.ts"

export const Description = Schema.Struct({
  id: Schema.String,
  runId: Schema.String,
  status: Schema.String,
  /** The result of a run that has completed. */
  result: Schema.optional(Schema.Json),
  /** The tags of the events of the current run, in order; an activity that stands alone has none. */
  events: Schema.Array(Schema.String)
})

export type Description = typeof Description.Type

/** A workflow, or an activity that stands alone. */
export const Kind = Schema.Literals(["workflow", "activity"])

export type Kind = typeof Kind.Type

const refusals = [NotOwner, NotFound, Unavailable] as const

export class HistoryGroup extends HttpApiGroup.make("history", { topLevel: true }).add(
  HttpApiEndpoint.post("acquire", "/shards/:shardId/acquire", {
    params: { shardId: Schema.Int },
    success: Schema.Struct({ rangeId: Schema.String }),
    error: Unavailable
  }),
  HttpApiEndpoint.post("start", "/executions", {
    payload: Schema.Struct({
      kind: Kind,
      id: Schema.String,
      /** The workflow's type, or the activity's name. */
      name: Schema.String,
      input: Schema.Json,
      /** A request that is repeated with the same id starts nothing twice. */
      requestId: Schema.String
    }),
    success: Schema.Struct({ runId: Schema.String }),
    error: [NotOwner, AlreadyRunning, Unavailable]
  }),
  HttpApiEndpoint.post("signal", "/executions/signals", {
    payload: Schema.Struct({
      id: Schema.String,
      /** The run that is meant: the next one is told anew. */
      runId: Schema.String,
      signalId: Schema.String,
      name: Schema.String,
      value: Schema.Json
    }),
    success: HttpApiSchema.NoContent,
    error: refusals
  }),
  HttpApiEndpoint.get("describe", "/executions/:kind/:id", {
    params: { kind: Kind, id: Schema.String },
    success: Description,
    error: refusals
  }),
  HttpApiEndpoint.get("history", "/histories/:id/:runId", {
    params: { id: Schema.String, runId: Schema.String },
    success: Schema.Array(Event),
    error: refusals
  }),
  HttpApiEndpoint.post("decided", "/executions/decisions", {
    payload: Schema.Struct({
      id: Schema.String,
      runId: Schema.String,
      /** How many events the decision was made from. */
      seen: Schema.Int,
      commands: Schema.Array(Command)
    }),
    success: HttpApiSchema.NoContent,
    error: refusals
  }),
  HttpApiEndpoint.post("activityDone", "/executions/activities", {
    payload: Schema.Struct({
      kind: Kind,
      id: Schema.String,
      runId: Schema.String,
      scheduled: Schema.Int,
      result: Schema.Json
    }),
    success: HttpApiSchema.NoContent,
    error: refusals
  })
) {}

export class HistoryApi extends HttpApi.make("history").add(HistoryGroup) {}
