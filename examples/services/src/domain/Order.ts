/**
 * The workflow that this backend runs: an order in rounds. Each round charges, waits until the charge has settled, and
 * waits to be told to ship; then the next round goes on as a new run, and the last one completes.
 *
 * A workflow is a function of its history: it is run again from the start whenever something has happened.
 */
import { Schema } from "effect"
import { Command } from "./Command.ts"
import type { Event } from "./Event.ts"

export const name = "order"

export const Input = Schema.Struct({ item: Schema.String, round: Schema.Int, rounds: Schema.Int })

/** How long a charge takes to settle. */
export const settlement = 150

const decodeInput = Schema.decodeUnknownSync(Input)

export const decide = (history: ReadonlyArray<Event>): ReadonlyArray<Command> => {
  const [started, ...rest] = history
  if (started?._tag !== "Started") return []
  const input = decodeInput(started.input)
  const happened = (tag: Event["_tag"]) => rest.some((event) => event._tag === tag)
  if (!happened("ActivityScheduled"))
    return [Command.make({ _tag: "ScheduleActivity", name: "charge", input: input.item })]
  if (!happened("ActivityCompleted")) return []
  if (!happened("TimerStarted")) return [Command.make({ _tag: "StartTimer", timerId: "settled", millis: settlement })]
  if (!happened("TimerFired") || !happened("Signaled")) return []
  return input.round < input.rounds
    ? [Command.make({ _tag: "ContinueAsNew", input: { ...input, round: input.round + 1 } })]
    : [Command.make({ _tag: "Complete", result: `${input.rounds} x ${input.item}` })]
}

/** What workers do outside of workflows. */
export const activities: Readonly<Record<string, (input: Schema.Json) => Schema.Json>> = {
  charge: (input) => `charged for ${JSON.stringify(input)}`,
  greet: (input) => `hello, ${String(input)}`
}
