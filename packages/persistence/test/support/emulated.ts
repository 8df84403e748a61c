/**
 * The emulator beneath the stores, for tests that break it, count its round trips or read what arrived.
 */
import { Linter } from "@effect-dsql/dialect"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Control } from "../../../../test/emulator.ts"

export { Control } from "../../../../test/emulator.ts"
export { TestPersistence as EmulatedPersistence } from "./persistence.ts"

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

/** Asserts that the linter finds nothing in any statement that arrived. */
export const assertLinted = Effect.gen(function* () {
  const control = yield* Control
  const statements = [...new Set((yield* control.statements()).map(({ sql }) => sql))]
  assert.isAbove(statements.length, 0)
  // These rules look at a file as a whole; the statements come one by one.
  const options = { disable: ["job-not-awaited", "transaction-left-open", "no-transaction"] }
  for (const sql of statements) assert.deepStrictEqual(yield* Linter.lint(sql, options), [], sql)
})
