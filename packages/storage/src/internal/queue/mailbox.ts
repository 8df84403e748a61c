/**
 * The jobs of one queue that a process has claimed for its workers, and the fiber that claims them.
 *
 * It claims for those who wait, all in one statement; and while they are quick, what they will take within a moment, so
 * that none of them waits for a round trip. Jobs that take long are claimed for a worker each, as he comes for it.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Catch } from "./claiming.ts"
import type { Claimed } from "./job.ts"

/** What a mailbox has of the store. */
export interface Source {
  readonly claim: (wanted: number) => Effect.Effect<Catch, TransactionError, DsqlClient>
  /** Milliseconds until the next job becomes visible; undefined where none will. It reads, and no more. */
  readonly untilVisible: Effect.Effect<number | undefined, TransactionError, DsqlClient>
  readonly hold: (jobs: ReadonlyArray<Claimed>) => void
  /** Gives back jobs that no worker has seen. */
  readonly release: (jobs: ReadonlyArray<Claimed>) => Effect.Effect<void>
  readonly pollInterval: Duration.Duration
}

export interface Mailbox {
  /** Waits for a job. */
  readonly take: Effect.Effect<Claimed>
  /** A worker is done with a job. */
  readonly finished: () => void
}

/** Workers are kept in work for so many milliseconds ahead, and for so many times what a claim takes. */
const ahead = { millis: 100, claims: 4 }

/** Jobs that are claimed ahead at most. */
const most = 256

const millisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** Makes a mailbox, until the scope closes; `offered` is opened when a job may have become visible. */
export const make = Effect.fnUntraced(function* (
  source: Source,
  offered: Latch.Latch
): Effect.fn.Return<Mailbox, never, DsqlClient | Scope.Scope> {
  const clock = yield* Clock.Clock
  const jobs = yield* Queue.unbounded<Claimed>()
  const stirred = Latch.makeUnsafe(false)
  let waiting = 0
  let finished = 0
  // Jobs that a millisecond takes, of the time between the last claims.
  let pace = 0
  let claimedAt = millisOf(clock)
  // Milliseconds that the last claim took.
  let took = 0

  const isAwaited = () => waiting > 0
  const wanted = () => {
    const stock = Math.min(most, Math.floor(pace * Math.max(ahead.millis, ahead.claims * took)))
    const inHand = Queue.sizeUnsafe(jobs)
    return !isAwaited() && inHand > stock / 2 ? 0 : Math.max(0, waiting + stock - inHand)
  }
  const measure = () => {
    const now = millisOf(clock)
    const millis = now - claimedAt
    pace = millis > 0 ? (pace + finished / millis) / 2 : 0
    finished = 0
    claimedAt = now
  }
  const giveBack = Effect.flatMap(Queue.clear(jobs), source.release)

  /** Waits until there is a worker to claim for. What none has come for in the meantime others may have. */
  const idle = Effect.suspend(() => {
    const inHand = Queue.sizeUnsafe(jobs)
    if (inHand === 0) return stirred.await
    return Effect.race(Effect.as(stirred.await, true), Effect.as(Effect.sleep(source.pollInterval), false)).pipe(
      Effect.flatMap((isStirred) => (isStirred || Queue.sizeUnsafe(jobs) < inHand ? Effect.void : giveBack))
    )
  })

  /** Waits until a job may be visible again, and asks for it without claiming. */
  const poll = Effect.gen(function* () {
    let pause = source.pollInterval
    while (isAwaited()) {
      const isOffered = yield* Effect.race(Effect.as(offered.await, true), Effect.as(Effect.sleep(pause), false))
      if (isOffered) return
      const millis = yield* source.untilVisible
      if (millis !== undefined && millis <= 0) return
      pause = Duration.min(source.pollInterval, Duration.millis(millis ?? Number.POSITIVE_INFINITY))
    }
  })

  yield* Effect.addFinalizer(() => giveBack)
  yield* Effect.gen(function* () {
    while (true) {
      // Whoever is about to come as well is claimed for at once.
      yield* Effect.yieldNow
      // Closed before it is looked at: whatever stirs after that is not missed.
      stirred.closeUnsafe()
      const size = wanted()
      if (size === 0) {
        yield* idle
        continue
      }
      offered.closeUnsafe()
      measure()
      // A claim that was sent is waited for: whoever interrupts it would leave jobs to their leases.
      const { isLast } = yield* Effect.uninterruptible(
        Effect.tap(source.claim(size), ({ jobs: claimed }) => {
          source.hold(claimed)
          return Queue.offerAll(jobs, claimed)
        })
      )
      took = millisOf(clock) - claimedAt
      if (!isLast) continue
      // There is nothing to keep in stock.
      pace = 0
      yield* poll
    }
  }).pipe(
    Effect.tapCause((cause) => Effect.logWarning("the queue could not be polled", cause)),
    Effect.sandbox,
    Effect.retry(Schedule.spaced("500 millis")),
    Effect.annotateLogs({ module: "@effect-dsql/storage/PersistedQueue", fiber: "poll" }),
    Effect.forkScoped
  )

  const take = Effect.suspend(() => {
    waiting++
    stirred.openUnsafe()
    return Effect.ensuring(
      Queue.take(jobs),
      Effect.sync(() => {
        waiting--
        stirred.openUnsafe()
      })
    )
  })
  return {
    take,
    finished: () => {
      finished++
      stirred.openUnsafe()
    }
  }
})
