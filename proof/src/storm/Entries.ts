/**
 * Sets entries of one key-value store, together with everybody else who does.
 */
import { Effect, Random } from "effect"
import { KeyValueStore } from "effect/persistence"
import { Scribe } from "./Scribe.ts"
import { type IsOver, repeated } from "./Tenure.ts"

/** The keys that all workers set. */
export const keys = ["colour", "size", "weight"] as const

/** Sets entries, one after the other. */
export const set = (isOver: IsOver) =>
  repeated(
    isOver,
    Effect.gen(function* () {
      const store = yield* KeyValueStore.KeyValueStore
      const scribe = yield* Scribe
      const key = yield* Random.choice(keys)
      const op = yield* scribe.op
      yield* scribe.attempt(op, { _tag: "Entry", key }, store.set(key, op))
      yield* Effect.sleep(yield* Random.nextIntBetween(1, 40))
    })
  )
