/**
 * Properties of the stores in whatever order their sessions step.
 */
import type { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import * as Sessions from "../../../../test/sessions.ts"

export { asItIs, type Rewrite } from "../../../../test/sessions.ts"

/** How many runs a property has, and where they begin. */
export type Runs = Required<Pick<fc.Parameters, "numRuns" | "seed">> & Pick<fc.Parameters, "endOnFailure">

/** How many runs a property has, and where its random numbers begin. `PROPERTY_RUNS` multiplies the first. */
export const parameters = (runs: number): Runs => ({
  numRuns: runs * Number(process.env["PROPERTY_RUNS"] ?? 1),
  seed
})

/** Where a property that does not hold must be found out, every time the same. */
export const mustFail = { numRuns: 1000, seed: 0x5eed, endOnFailure: true } as const

/** `PROPERTY_SEED`, or another one each time; it stands in the names of the suites. */
export const seed: number = Number(process.env["PROPERTY_SEED"] ?? fc.sample(fc.nat(), 1)[0])

/** Whose turn it is, again and again: turns that nobody wants any more are passed over. */
export const schedules = fc.array(fc.nat(3), { minLength: 4, maxLength: 24 })

/** A program that needs the stores, as one of several processes would run it. */
export type Program<A, E> = Effect.Effect<A, E, Persistence.Persistence | DsqlClient.DsqlClient>

export const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)

/** Runs programs at once, each as a process with stores of its own, step by step as the schedule says. */
export const interleave = <A, E>(
  programs: ReadonlyArray<Program<A, E>>,
  schedule: ReadonlyArray<number>,
  rewrite?: Sessions.Rewrite
) =>
  Sessions.interleave(
    programs.map((program) => Effect.provide(program, Layer.fresh(Persistence.layer))),
    schedule,
    rewrite
  )
