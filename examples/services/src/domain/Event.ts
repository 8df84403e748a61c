/**
 * What happens in a workflow: its history, an event after the other, with ids from 1.
 */
import { Schema } from "effect"

export const Event = Schema.TaggedUnion({
  Started: { workflowType: Schema.String, input: Schema.Json, requestId: Schema.String },
  ActivityScheduled: { name: Schema.String, input: Schema.Json },
  /** `scheduled` is the id of the event that scheduled the activity. */
  ActivityCompleted: { scheduled: Schema.Int, result: Schema.Json },
  TimerStarted: { timerId: Schema.String, millis: Schema.Int },
  TimerFired: { timerId: Schema.String },
  Signaled: { signalId: Schema.String, name: Schema.String, value: Schema.Json },
  ContinuedAsNew: { runId: Schema.String, input: Schema.Json },
  Completed: { result: Schema.Json }
})

export type Event = typeof Event.Type

/** Whether the run is over with it. */
export const closes = (event: Event): boolean => event._tag === "Completed" || event._tag === "ContinuedAsNew"
