/**
 * What `docs/round-trips.md` says of rate limits is what they take.
 */
import { RateLimiter as Store } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { RateLimiter } from "effect/persistence"
import { costing, table, watchedAnew } from "../../../test/roundTrips.ts"
import { counting } from "./support/limitOperations.ts"
import { describeStorage } from "./support/storage.ts"

const documented = table("Rate limits").map(([name, statement, transaction, , dpu]) => ({
  name,
  trips: [Number(statement), Number(transaction)],
  dpu: Number(dpu)
}))

for (const [column, form] of (["statement", "transaction"] as const).entries()) {
  describeStorage(
    "A rate limit's round trips",
    Store.layerStoreSql,
    (it) => {
      it.effect(`are those that the page says, guarded writes as one ${form}`, () =>
        Effect.gen(function* () {
          const control = yield* Testing.Control
          const store = yield* RateLimiter.RateLimiterStore
          const operations = Object.entries<Effect.Effect<unknown, unknown>>(counting(store))
          // Its statements are prepared the first time.
          for (const [, operation] of Object.entries<Effect.Effect<unknown, unknown>>(counting(store))) yield* operation
          const counted = yield* Effect.forEach(
            operations,
            Effect.fnUntraced(function* ([name, operation]) {
              yield* watchedAnew
              yield* operation
              if (form === "statement") yield* costing(name, documented.find((row) => row.name === name)?.dpu)
              return [name, (yield* control.counts()).roundTrips]
            })
          )
          assert.deepStrictEqual(
            counted,
            documented.map(({ name, trips }) => [name, trips[column]])
          )
        })
      )
    },
    form
  )
}
