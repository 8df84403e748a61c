/**
 * Retrying: a conflict runs the whole transaction again, and the compiler knows what else can go wrong.
 *
 * Two people put one in the same counter at the same time. Neither waits for the other; the second to COMMIT is
 * refused, and its body runs again on what the first one wrote.
 */
import { type DsqlError, Fence, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Console, Deferred, Effect, Ref } from "effect"

/** Lets nobody go on before two have come. */
const meeting = Effect.gen(function* () {
  const come = yield* Ref.make(0)
  const both = yield* Deferred.make<void>()
  return Effect.gen(function* () {
    if ((yield* Ref.updateAndGet(come, (n) => n + 1)) === 2) yield* Deferred.succeed(both, undefined)
    yield* Deferred.await(both)
  })
})

const increment = (who: string, haveRead: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const { attempt, sql } = yield* Transaction.Transaction
    const [row] = yield* sql<{ readonly n: number }>`SELECT n FROM counters WHERE name = 'visits'`
    const n = (row?.n ?? 0) + 1
    yield* haveRead
    yield* sql`UPDATE counters SET n = ${n} WHERE name = 'visits'`
    yield* Console.log(`${who}, attempt ${attempt}: ${n}`)
    return n
  })

export const program = Effect.gen(function* () {
  const haveRead = yield* meeting
  const both = Effect.all(
    ["Ada", "Bob"].map((who) => Transaction.run(increment(who, haveRead), { operation: "Increment" })),
    { concurrency: "unbounded" }
  )
  const counted = yield* Effect.catchTags(both, {
    // Tried 20 times in 30 seconds: the policy's end, and the caller's to decide.
    ConflictRetriesExhausted: (error) => Effect.as(Console.log(error.message), []),
    // Nobody knows whether it was written: unknown-outcome.ts finds out.
    CommitOutcomeUnknown: (error) => Effect.as(Console.log(error.message), [])
  })
  yield* Console.log(`counted ${counted.toSorted((a, b) => a - b).join(" and ")}`)
})

/** A policy is a `Schedule` of conflicts. It retries a program that can fail with nothing else. */
export const patient = RetryPolicy.make({ base: "50 millis", attempts: 5 })
declare const conflicting: Effect.Effect<void, DsqlError.SerializationConflict>
export const retried = () => Effect.retry(conflicting, patient)

const mine = Transaction.run(Fence.shared({ table: "counters", key: { name: "visits" }, token: "n" }, 1))
// @ts-expect-error -- it can fail with ConditionFailed: the same token fails again, however often it is tried.
export const refused = () => Effect.retry(mine, patient)
