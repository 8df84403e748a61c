/**
 * The operations of rate limits that `docs/round-trips.md` counts.
 */
import { Duration, Effect } from "effect"
import type { RateLimiter } from "effect/persistence"
import { randomUUID } from "node:crypto"

/** What the page counts, by its names. */
export const counting = (store: RateLimiter.RateLimiterStore["Service"]) => {
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
