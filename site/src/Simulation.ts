/**
 * What the sliders of the page ask, and what the simulator answers.
 */
import { Connecting, Contention, Policies } from "@effect-dsql/simulator"
import { Effect } from "effect"

/** Contenders for one row, under each of several policies as `Policies.parse` reads them. */
export interface Contest {
  readonly kind: "contest"
  readonly contenders: number
  /** Milliseconds of a round trip. */
  readonly latency: number
  readonly policies: ReadonlyArray<string>
}

/** A fleet that connects. */
export interface Fleet {
  readonly kind: "fleet"
  readonly processes: number
  /** Connections of each process. */
  readonly connections: number
  /** Connections of all of them. */
  readonly budget: number
  /** Milliseconds of a round trip. */
  readonly latency: number
}

export interface Answers {
  readonly contest: ReadonlyArray<Contention.Outcome>
  readonly fleet: Connecting.Outcome
}

/** As many runs as make about sixty transactions: a slider wants its answer before it is let go. */
const runsOf = (contenders: number) => Math.max(1, Math.round(60 / contenders))

export const contest = ({ contenders, latency, policies }: Contest) =>
  Effect.forEach(policies, (text) =>
    Effect.flatMap(Policies.parse(text), (policy) =>
      Contention.simulate({ ...Contention.scenario, contenders, latency, runs: runsOf(contenders) }, policy)
    )
  )

export const fleet = ({ budget, connections, latency, processes }: Fleet) =>
  Connecting.simulate({ processes, connections, budget, latency, seed: "1" })
