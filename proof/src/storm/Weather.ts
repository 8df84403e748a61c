/**
 * What goes wrong, and when: drawn from a seed, every kind at least once.
 */
import type { Faults } from "@effect-dsql/emulator"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** Names the connections of workers and runners, which alone are broken. */
export const label = "storm"

type Rule = Pick<Faults.Rule, "fault" | "on">

/** Faults that the emulator makes, as it counts them. */
const rules = {
  "conflict@commit": { on: "commit", fault: "conflict" },
  "schema-conflict@commit": { on: "commit", fault: "schema-conflict" },
  "unavailable@statement": { on: "statement", fault: "unavailable" },
  "unavailable@commit": { on: "commit", fault: "unavailable" },
  "unavailable-after@commit": { on: "commit", fault: "unavailable-after" },
  "cut@statement": { on: "statement", fault: "cut" },
  "cut@commit": { on: "commit", fault: "cut" },
  "cut-after@commit": { on: "commit", fault: "cut-after" },
  "expired-token@connect": { on: "connect", fault: "expired-token" },
  "too-many-connections@connect": { on: "connect", fault: "too-many-connections" },
  "rate-exceeded@connect": { on: "connect", fault: "rate-exceeded" }
} as const satisfies Record<string, Rule>

/** Everything that goes wrong. */
export const kinds = [
  ...(Object.keys(rules) as ReadonlyArray<keyof typeof rules>),
  "latency",
  "cut all",
  "kill worker",
  "kill runner",
  "restart runner",
  "stop runner",
  "kill server"
] as const

export type Kind = (typeof kinds)[number]

/** What is done to whom. */
export type Event =
  | { readonly _tag: "Fault"; readonly rule: Faults.Rule }
  | { readonly _tag: "Latency"; readonly millis: number }
  | { readonly _tag: "CutAll" }
  | { readonly _tag: "KillWorker"; readonly worker: number }
  | { readonly _tag: "KillRunner" | "RestartRunner"; readonly runner: number }
  /** Stops it until others have what it had: in the midst of a step, or wherever it is. */
  | { readonly _tag: "StopRunner"; readonly runner: number; readonly inStep: boolean }
  | { readonly _tag: "KillServer" }

/** Milliseconds after the beginning, and what happens then. */
export interface Forecast {
  readonly at: number
  readonly event: Event
}

export interface Options {
  readonly seed: string
  readonly seconds: number
  readonly workers: number
  readonly runners: number
}

/** Each kind comes once in this many seconds. */
const round = 20

/** The storm of a seed. The last of its time is calm, so that what it left can settle. */
export const forecast = (options: Options): Effect.Effect<ReadonlyArray<Forecast>> =>
  Effect.gen(function* () {
    const { seconds } = options
    const rounds = Math.max(1, Math.round(seconds / round))
    const length = (seconds * 1000) / rounds
    const events: Array<Forecast> = []
    for (let n = 0; n < rounds; n++) {
      // A server that is killed forgets the faults that were asked of it: the others first.
      const order = [...(yield* Random.shuffle(kinds.filter((kind) => kind !== "kill server"))), "kill server" as const]
      const pause = (length * 0.7) / order.length
      for (const [index, kind] of order.entries()) {
        const at = Math.round(n * length + (index + (yield* Random.nextBetween(0.3, 0.7))) * pause)
        for (const { after, event } of yield* drawn(kind, options, n, pause)) events.push({ at: at + after, event })
      }
    }
    return events.toSorted((a, b) => a.at - b.at)
  }).pipe(Random.withSeed(options.seed))

const anyOf = (count: number) => Random.nextIntBetween(0, count - 1)

const drawn = Effect.fnUntraced(function* (
  kind: Kind,
  { runners, workers }: Options,
  roundNumber: number,
  pause: number
) {
  const now = (event: Event) => [{ after: 0, event }]
  switch (kind) {
    case "latency":
      return [
        ...now({ _tag: "Latency", millis: yield* Random.nextIntBetween(5, 40) }),
        { after: Math.round(pause), event: { _tag: "Latency" as const, millis: 0 } }
      ]
    case "cut all":
      return now({ _tag: "CutAll" })
    case "kill worker":
      // The last one is spared: what a process loses in the course of time is seen in one that lives.
      return now({ _tag: "KillWorker", worker: yield* anyOf(Math.max(1, workers - 1)) })
    case "kill runner":
      return now({ _tag: "KillRunner", runner: yield* anyOf(runners) })
    case "restart runner":
      return now({ _tag: "RestartRunner", runner: yield* anyOf(runners) })
    case "stop runner":
      // The first of all stops in a step: what it has looked for there, it has looked for in vain.
      const inStep = roundNumber === 0 || (yield* Random.nextBoolean)
      return now({ _tag: "StopRunner", runner: yield* anyOf(runners), inStep })
    case "kill server":
      return now({ _tag: "KillServer" })
    default: {
      const rule = rules[kind]
      const times = yield* Random.nextIntBetween(1, 4)
      const fault = now({
        _tag: "Fault",
        rule: { ...rule, label, times, ...(rule.on !== "connect" && { probability: 0.3 }) }
      })
      // Nobody connects who has a connection.
      return rule.on === "connect" ? [...fault, ...now({ _tag: "CutAll" })] : fault
    }
  }
})
