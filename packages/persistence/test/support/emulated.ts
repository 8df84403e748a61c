/**
 * What tests ask of the emulator beneath the stores.
 */
import { Control } from "@effect-dsql/testing/Testing"
import { Effect } from "effect"

export { Control } from "@effect-dsql/testing/Testing"

/** Loses the answer of the next COMMIT, or of the next statement that commits by itself: before or after it took effect. */
export const loseAnswer = (when: "before" | "after") =>
  Effect.gen(function* () {
    const control = yield* Control
    yield* control.clear
    yield* control.inject({ on: "commit", fault: when === "before" ? "cut" : "cut-after", nth: [1] })
  })

/** Round trips of an operation whose statements are prepared. It is run twice. */
export const roundTrips = <A, E, R>(operation: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const control = yield* Control
    yield* operation
    const before = (yield* control.counts()).roundTrips
    yield* operation
    return (yield* control.counts()).roundTrips - before
  })
