/**
 * What a workflow wants to happen next; nothing at all while it waits.
 */
import { Schema } from "effect"

export const Command = Schema.TaggedUnion({
  ScheduleActivity: { name: Schema.String, input: Schema.Json },
  StartTimer: { timerId: Schema.String, millis: Schema.Int },
  ContinueAsNew: { input: Schema.Json },
  Complete: { result: Schema.Json }
})

export type Command = typeof Command.Type
