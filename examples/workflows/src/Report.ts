/**
 * What people read: each thing when it happens, who held which shard when, and the promises.
 */
import type { Check } from "./Checks.ts"
import { type Event, heldAt } from "./Journal.ts"

const said = ({ what }: Event): string | undefined => {
  switch (what._tag) {
    case "Started":
      return `${what.name} starts`
    case "Begins":
      return what.step === "audit" ? undefined : `${what.runner} begins to ${what.step} ${what.of}`
    case "Refused":
      return `${what.runner} is refused to ${what.step} ${what.of}: ${what.why}`
    case "Ended":
      return `${what.order} is ${what.result}`
    case "Killed":
      return `${what.name} IS KILLED (SIGKILL)`
    case "Stopped":
      return `${what.name} IS STOPPED (SIGSTOP)`
    case "Woken":
      return `${what.name} WAKES (SIGCONT), and does not know how long it was away`
    case "Finished":
      return `${what.name} has finished`
    default:
      return undefined
  }
}

const seconds = (millis: number) => `${(millis / 1000).toFixed(1).padStart(6)} s`

/** A line for what is worth one. */
export const line = (event: Event): string | undefined => {
  const text = said(event)
  return text === undefined ? undefined : `${seconds(event.at)}  ${text}`
}

/** The time that a column of the chart stands for, in milliseconds. */
const column = 500

const marks = { Killed: "K", Stopped: "S", Woken: "W" } as const

const markOf = ({ what }: Event): string | undefined =>
  what._tag === "Killed" || what._tag === "Stopped" || what._tag === "Woken" ? marks[what._tag] : undefined

/** A line for each shard, a column for each half second: the number of the runner that holds it. */
export const chart = (events: ReadonlyArray<Event>): string => {
  const begin = Math.floor((events.find(({ what }) => what._tag === "Held")?.at ?? 0) / 5_000) * 5_000
  const end = events.at(-1)?.at ?? begin
  const times = Array.from({ length: Math.ceil((end - begin) / column) + 1 }, (_, index) => begin + index * column)
  const shards = [...heldAt(events).keys()].toSorted()
  const width = Math.max(...shards.map((shard) => shard.length)) + 4
  const row = (label: string, cell: (at: number) => string) =>
    `  ${label.padEnd(width)}${times.map(cell).join("")}`.trimEnd()
  const holderAt = (shard: string) => (at: number) => {
    const { live, runner } = heldAt(events, at).get(shard) ?? {}
    if (runner === undefined) return " "
    return live === true ? (runner.split("-").at(-1) ?? "?") : "-"
  }
  const markAt = (at: number) =>
    events.flatMap((event) => (event.at >= at && event.at < at + column ? (markOf(event) ?? []) : []))[0] ?? " "
  return [
    row("seconds", (at) => (at % 5_000 === 0 ? String(at / 1_000).padEnd(10) : "")),
    ...shards.map((shard) => row(shard, holderAt(shard))),
    row("", markAt),
    "  1, 2, 3: held by that runner   -: its lease is over   K, S, W: one is killed, stopped, woken"
  ].join("\n")
}

/** A line for each promise, and what breaks it. */
export const verdict = (checks: ReadonlyArray<Check>): string =>
  checks
    .flatMap(({ broken, found, promise }) => [
      `  ${broken.length === 0 ? "holds " : "BROKEN"}  ${promise.padEnd(42)}${found}`,
      ...broken.map((each) => `            ${each}`)
    ])
    .join("\n")
