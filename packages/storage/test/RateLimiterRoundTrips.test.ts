/**
 * What `docs/round-trips.md` says of rate limits is what they take.
 */
import { RateLimiter as Store } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { RateLimiter } from "effect/persistence"
import { randomUUID } from "node:crypto"
import { costing, table } from "../../../test/roundTrips.ts"
import { describeStorage } from "./support/storage.ts"

const documented = table("Rate limits").map(([name, statement, transaction, dpu]) => ({
  name,
  trips: [Number(statement), Number(transaction)],
  dpu: Number(dpu)
}))

const counting = (store: RateLimiter.RateLimiterStore["Service"]) => {
  const take = (tokens: number) =>
    store.fixedWindow({ key: randomUUID(), tokens, refillRate: Duration.seconds(1), limit: 50 })
  const key = randomUUID()
  const same = store.fixedWindow({ key, tokens: 1, refillRate: Duration.seconds(1), limit: 50 })
  return {
    "take a token": take(1),
    "be refused": take(51),
    "take 20 tokens at once": Effect.all(
      Array.from({ length: 20 }, () => same),
      { concurrency: "unbounded" }
    ),
    "ask of a limit that adapts, where nothing is known": Effect.suspend(() =>
      store.adaptiveConsume({ key: randomUUID(), tokens: 1, fallbackLimit: 5, fallbackWindow: Duration.minutes(1) })
    ),
    "keep what a server said": Effect.suspend(() =>
      store.adaptiveFeedback({
        key: randomUUID(),
        epoch: 0,
        tokens: 1,
        status: 429,
        retryAfter: Duration.seconds(1)
      })
    )
  }
}

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
              yield* control.reset
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
