/**
 * A test with faults: what a program does on a bad day, counted.
 *
 * `Testing.layer()` gives the file an Aurora DSQL of its own, so its faults and its counts are nobody else's.
 */
import { Transaction } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Tables } from "../src/tables.ts"

/** The program under test: one statement, which commits by itself. */
const visit = Transaction.autocommit(
  Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE counters SET n = n + 1 WHERE name = 'visits' RETURNING n`),
  { operation: "Visit" }
)

const Database = Tables.pipe(Layer.provideMerge(Testing.layer()))

// The backoff between two attempts waits for the clock of the real world.
layer(Database, { excludeTestServices: true })("a visit", (it) => {
  it.effect("is one round trip", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      yield* control.reset
      yield* visit
      assert.deepInclude(yield* control.counts(), { roundTrips: 1, statements: 1, commits: 1 })
    })
  )

  it.effect("is counted once, although it lost two conflicts", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      yield* control.reset
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1, 2] })
      yield* visit
      assert.deepInclude(yield* control.counts(), { roundTrips: 3, commits: 1 })
    })
  )

  it.effect("is one that nobody knows of, when the answer is lost", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      yield* control.inject({ on: "commit", fault: "cut-after", nth: [1] })
      assert.strictEqual((yield* Effect.flip(visit))._tag, "CommitOutcomeUnknown")
    })
  )

  it.effect("waits while new connections are refused", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      yield* control.cut()
      yield* control.inject({ on: "connect", fault: "rate-exceeded", nth: [1] })
      yield* visit
      assert.deepInclude(yield* control.happened, { "rate-exceeded@connect": 1 })
    })
  )
})
