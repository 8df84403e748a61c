/**
 * Sets entries of one key-value store, together with everybody else who does.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
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
    })
  )
