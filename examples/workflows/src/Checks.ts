/**
 * What must hold, whoever was killed or stopped.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect } from "effect"
import type { Event } from "./Journal.ts"
import { audit, steps } from "./Order.ts"
import type { Outcome } from "./Scenario.ts"

/** A promise, and what was found. */
export interface Check {
  readonly promise: string
  readonly found: string
  readonly broken: ReadonlyArray<string>
}

/** What a step wrote. */
export interface Written {
  readonly of: string
  readonly step: string
  readonly runner: string
  readonly shard_id: string
  readonly fence: bigint
}

/** Everything that was written, in its order. */
export const written = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  return yield* sql<Written>`SELECT "of", step, runner, shard_id, fence FROM effects ORDER BY written_at, "of"`
})

const times = (rows: ReadonlyArray<Written>) => Map.groupBy(rows, ({ of, step }) => `${step} of ${of}`)

const ends = ({ orders }: Outcome, events: ReadonlyArray<Event>): Check => {
  const ended = new Map(
    events.flatMap(({ what }) => (what._tag === "Ended" ? [[what.order, what.result] as const] : []))
  )
  return {
    promise: "every order comes to its end",
    found: `${ended.size} of ${orders.length}`,
    broken: orders.filter((order) => ended.get(order) !== "shipped, approved by Ada")
  }
}

const once = ({ orders }: Outcome, rows: ReadonlyArray<Written>): Check => {
  const found = times(rows)
  const expected = orders.flatMap((order) => steps.map((step) => `${step} of ${order}`))
  return {
    promise: "each activity's effect is there once",
    found: `${expected.length} activities, ${rows.filter(({ step }) => step !== audit).length} effects`,
    broken: expected.flatMap((each) => {
      const count = found.get(each)?.length ?? 0
      return count === 1
        ? []
        : [`${each} is there ${count} times: ${(found.get(each) ?? []).map(({ runner }) => runner).join(", ")}`]
    })
  }
}

const instants = (rows: ReadonlyArray<Written>): Check => {
  const found = times(rows.filter(({ step }) => step === audit))
  return {
    promise: "each instant of the cron has one run",
    found: `${found.size} instants`,
    broken:
      found.size === 0
        ? ["the cron did not run"]
        : [...found].flatMap(([each, some]) => (some.length === 1 ? [] : [`${each} is there ${some.length} times`]))
  }
}

const owners = (events: ReadonlyArray<Event>, rows: ReadonlyArray<Written>): Check => {
  const uses = [
    ...events.flatMap(({ what }) =>
      what._tag === "Held" && what.runner !== undefined
        ? [{ of: `fence ${what.fence} of ${what.shard}`, runner: what.runner }]
        : []
    ),
    ...rows.map(({ fence, runner, shard_id }) => ({ of: `fence ${fence} of ${shard_id}`, runner }))
  ]
  const found = Map.groupBy(uses, ({ of }) => of)
  return {
    promise: "a fence is of one runner",
    found: `${found.size} fences`,
    broken: [...found].flatMap(([of, some]) => {
      const runners = [...new Set(some.map(({ runner }) => runner))]
      return runners.length === 1 ? [] : [`${of}: ${runners.join(" and ")}`]
    })
  }
}

const order = (rows: ReadonlyArray<Written>): Check => {
  const newest = new Map<string, bigint>()
  const broken = rows.flatMap(({ fence, of, runner, shard_id, step }) => {
    const before = newest.get(shard_id) ?? 0n
    newest.set(shard_id, fence > before ? fence : before)
    return fence < before ? [`${step} of ${of}: ${runner} under ${fence}, after ${before}`] : []
  })
  return { promise: "nothing is written under an older fence", found: `${rows.length} effects`, broken }
}

const refusal = ({ stopped }: Outcome, events: ReadonlyArray<Event>): Check => {
  const refused = events.filter(({ what }) => what._tag === "Refused" && what.runner === stopped).length
  return {
    promise: "who was stopped is refused when it wakes",
    found: `${refused} effects refused`,
    broken: refused > 0 ? [] : [`${stopped} wrote what another one had written`]
  }
}

/** Holds what is stored against what happened. */
export const checks = (
  outcome: Outcome,
  events: ReadonlyArray<Event>,
  rows: ReadonlyArray<Written>
): ReadonlyArray<Check> => [
  ends(outcome, events),
  once(outcome, rows),
  instants(rows),
  owners(events, rows),
  order(rows),
  refusal(outcome, events)
]
