/**
 * What an event, or a decision, makes of a run: a pure function from what is known to what is to be written.
 */
import { type DataBlob, type Execution, type ExecutionWrite, Identifiers } from "@effect-dsql/persistence"
import type { Schema } from "effect"
import type { Command } from "../domain/Command.ts"
import { closes, type Event } from "../domain/Event.ts"
import * as State from "./State.ts"

/** A run as it is read. */
export interface Run {
  readonly id: string
  readonly runId: Identifiers.RunId
  readonly info: State.Info
  /** The id of its next event. */
  readonly nextEventId: bigint
}

/** What is to be written of a run. Ids of tasks and transactions, and times, come with the write. */
export interface Transition {
  readonly events: ReadonlyArray<Event>
  readonly deciding: boolean
  readonly decided: number
  readonly status: "Running" | "Completed" | "ContinuedAsNew"
  readonly result?: Schema.Json | undefined
  readonly put: NonNullable<ExecutionWrite.Mutation["put"]>
  readonly remove: NonNullable<ExecutionWrite.Mutation["remove"]>
  readonly transfers: ReadonlyArray<State.Transfer>
  readonly timers: ReadonlyArray<{ readonly timerId: Identifiers.TimerId; readonly millis: number }>
  /** The run that goes on, and with what. */
  readonly next?: { readonly runId: Identifiers.RunId; readonly input: Schema.Json } | undefined
}

/** Something has happened: it is written down, and what follows has to be decided, unless somebody is about to. */
export const happened = (
  run: Run,
  event: Event,
  { put = {}, remove = {} }: Partial<Pick<Transition, "put" | "remove">>
): Transition => ({
  events: [event],
  deciding: true,
  decided: run.info.decided,
  status: "Running",
  put,
  remove,
  transfers: run.info.deciding ? [] : [{ _tag: "Decide", id: run.id, runId: run.runId }],
  timers: []
})

/** What a decision, made from the first `seen` events, makes of the run. */
export const decided = (
  run: Run,
  seen: number,
  commands: ReadonlyArray<Command>,
  nextRunId: Identifiers.RunId
): Transition => {
  const events = commands.map((command) => eventOf(command, nextRunId))
  const closing = commands.find(({ _tag }) => _tag === "Complete" || _tag === "ContinueAsNew")
  // What happened while it was decided has not been seen: it has to be decided again.
  const again = closing === undefined && Number(run.nextEventId) - 1 > seen
  const activities = new Map<bigint, DataBlob.DataBlob>()
  const timers = new Map<Identifiers.TimerId, number>()
  const transfers: Array<State.Transfer> = []
  for (const [index, event] of events.entries()) {
    const eventId = run.nextEventId + BigInt(index)
    if (event._tag === "ActivityScheduled") {
      const { input, name } = event
      activities.set(eventId, State.activities.encode({ name, input }))
      const scheduled = Number(eventId)
      transfers.push({ _tag: "Do", kind: "workflow", id: run.id, runId: run.runId, scheduled, name, input })
    }
    if (event._tag === "TimerStarted") timers.set(Identifiers.TimerId.make(event.timerId), event.millis)
  }
  if (again) transfers.push({ _tag: "Decide", id: run.id, runId: run.runId })
  const timer = (timerId: string) => State.timers.encode({ id: run.id, runId: run.runId, timerId })
  return {
    events,
    deciding: again,
    decided: seen,
    status: events.some(closes) ? (closing?._tag === "ContinueAsNew" ? "ContinuedAsNew" : "Completed") : "Running",
    result: closing?._tag === "Complete" ? closing.result : undefined,
    put: { activities, timers: new Map(Array.from(timers.keys(), (timerId) => [timerId, timer(timerId)])) },
    remove: {},
    transfers,
    timers: Array.from(timers, ([timerId, millis]) => ({ timerId, millis })),
    next: closing?._tag === "ContinueAsNew" ? { runId: nextRunId, input: closing.input } : undefined
  }
}

const eventOf = (command: Command, nextRunId: Identifiers.RunId): Event => {
  switch (command._tag) {
    case "ScheduleActivity":
      return { _tag: "ActivityScheduled", name: command.name, input: command.input }
    case "StartTimer":
      return { _tag: "TimerStarted", timerId: command.timerId, millis: command.millis }
    case "ContinueAsNew":
      return { _tag: "ContinuedAsNew", runId: nextRunId, input: command.input }
    case "Complete":
      return { _tag: "Completed", result: command.result }
  }
}

/** An activity that stands alone is done: its component keeps the result, and the execution is over. */
export const finished = (
  path: Identifiers.ChasmPath,
  state: Execution.MutableState,
  result: Schema.Json
): Transition => {
  const node = state.chasmNodes.get(path)
  const data = State.states.encode({ result })
  return {
    events: [],
    deciding: false,
    decided: 0,
    status: "Completed",
    result,
    put: node === undefined ? {} : { chasmNodes: new Map([[path, { ...node, data }]]) },
    remove: {},
    transfers: [],
    timers: []
  }
}
