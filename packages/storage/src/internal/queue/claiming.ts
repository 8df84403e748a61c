/**
 * Claims jobs of one queue, so that those who do it at once rarely meet, and those who met do not meet again.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as RetryPolicy from "@effect-dsql/core/RetryPolicy"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Buckets from "./buckets.ts"
import type { Claimed } from "./job.ts"
import * as Statements from "./statements.ts"

/** What a claim brought. */
export interface Catch {
  readonly jobs: ReadonlyArray<Claimed>
  /** Whether there was nothing more. */
  readonly isLast: boolean
}

export interface Options {
  readonly table: Statements.Table
  readonly queue: string
  /** Milliseconds. */
  readonly lease: number
}

/** Who met somebody is elsewhere the next time, so there is little to wait for. */
const policy = RetryPolicy.make({ base: "5 millis", cap: "200 millis" })

/** Jobs that one statement claims at most. */
const most = 256

/**
 * Makes what claims jobs of a queue. It walks around the buckets, a claim after the other, so each of them has its turn.
 * Where it meets somebody it goes on somewhere else, with half as many: where few jobs are left, all see the same ones.
 */
export const make = (options: Options) =>
  Effect.map(Random.nextIntBetween(0, Buckets.count), (begin) => {
    let next = begin
    // What one transaction takes depends on how long the elements are.
    let ceiling = most
    return (wanted: number, maxAttempts: number): Effect.Effect<Catch, TransactionError, DsqlClient> =>
      Effect.suspend(() => {
        const claim = SecureRandom.uuidV4Unsafe()
        let size = Math.min(wanted, ceiling)
        const body = Effect.gen(function* () {
          const { attempt } = yield* Transaction.Transaction
          if (attempt > 1) {
            next = yield* Random.nextIntBetween(0, Buckets.count)
            size = Math.max(1, size >> 1)
          }
          const asked = { ...options, claim, size, maxAttempts, buckets: Buckets.from(next) }
          const { found, jobs } = yield* Statements.claim(options.table, asked)
          next = ((jobs.at(-1)?.bucket ?? next) + 1) % Buckets.count
          return { jobs, isLast: found < size }
        })
        return Transaction.autocommit(body, { operation: "PersistedQueue.claim", policy }).pipe(
          Effect.tap(() => Effect.sync(() => (ceiling = Math.min(most, 2 * ceiling)))),
          Effect.catchIf(isTooMuch, (error) => {
            if (size === 1) return Effect.fail(error)
            ceiling = size >> 1
            return Effect.succeed({ jobs: [], isLast: false })
          }),
          // Should it come later still, its leases end without anybody.
          Effect.catchTag("CommitOutcomeUnknown", () => Effect.as(disown(options, claim), { jobs: [], isLast: false }))
        )
      })
  })

const isTooMuch = (error: TransactionError): boolean =>
  error._tag === "LimitExceeded" && error.limit === "transaction_bytes"

const disown = ({ lease, queue, table }: Options, claim: string) =>
  Transaction.autocommit(Statements.disown(table, { queue, claim, lease }), {
    operation: "PersistedQueue.disown",
    repeat: true
  })
