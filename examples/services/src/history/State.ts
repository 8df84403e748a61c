/**
 * What this backend keeps of a run beside the parts that the stores know.
 */
import { HistoryBranch, HistoryTask } from "@effect-dsql/persistence"
import { Schema } from "effect"
import { Kind } from "../api/HistoryApi.ts"
import { Event } from "../domain/Event.ts"
import { blobs } from "../Json.ts"

export const Info = Schema.Struct({
  kind: Kind,
  /** The workflow's type, or the activity's name. */
  name: Schema.String,
  requestId: Schema.String,
  /** Milliseconds since 1970. */
  startedAt: Schema.Number,
  closed: Schema.Boolean,
  /** Where its history is, and which transaction wrote the last node. */
  branch: HistoryBranch.HistoryBranch,
  lastTxnId: Schema.BigInt,
  /** Whether a task to decide is under way, and how many events the last decision had seen. */
  deciding: Schema.Boolean,
  decided: Schema.Int
})

export type Info = typeof Info.Type

export const infos = blobs(Info)

export const State = Schema.Struct({ result: Schema.optional(Schema.Json) })

export const states = blobs(State)

/** One node of a history. */
export const batches = blobs(Schema.Array(Event))

/** An activity: what is to be done, and what came of it. */
export const activities = blobs(Schema.Struct({ name: Schema.String, input: Schema.Json }))

/** What a transfer task asks for. */
export const Transfer = Schema.Union([
  Schema.TaggedStruct("Decide", { id: Schema.String, runId: Schema.String }),
  Schema.TaggedStruct("Do", {
    kind: Kind,
    id: Schema.String,
    runId: Schema.String,
    scheduled: Schema.Int,
    name: Schema.String,
    input: Schema.Json
  })
])

export type Transfer = typeof Transfer.Type

export const transfers = blobs(Transfer)

/** What a timer task asks for. */
export const timers = blobs(Schema.Struct({ id: Schema.String, runId: Schema.String, timerId: Schema.String }))

/** A task that is due at once. */
export const transferTask = (taskId: bigint, transfer: Transfer): HistoryTask.ImmediateTask => ({
  category: HistoryTask.transfer,
  taskId,
  task: transfers.encode(transfer)
})

/** A time in milliseconds as a fire time. */
export const fireTime = (millis: number): HistoryTask.FireTime => HistoryTask.FireTime.make(BigInt(millis) * 1_000n)

/** A task that is due at a time in milliseconds since 1970. */
export const timerTask = (
  taskId: bigint,
  due: number,
  timer: { readonly id: string; readonly runId: string; readonly timerId: string }
): HistoryTask.ScheduledTask => ({
  category: HistoryTask.timer,
  fireTime: fireTime(due),
  taskId,
  task: timers.encode(timer)
})
