/**
 * How long what is finished is kept.
 *
 * Effect keeps every message and reply. They cost nothing where they are: a
 * poll reads what waits alone. What they cost is room, and `prune` gives it
 * back.
 *
 * A request that is forgotten is not known by its key any more: **retention is
 * how long an idempotency key lasts**. Who sends a request again after that has
 * it run again; a workflow that is executed again after that begins anew.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Children from "./internal/messages/children.ts"
import * as Finished from "./internal/messages/finished.ts"
import * as Removing from "./internal/messages/removing.ts"

/**
 * What is forgotten.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Requests whose exit was stored before this, by the database's clock. */
  readonly finishedBefore: DateTime.DateTime
  /** The cluster. Default: `cluster`. */
  readonly prefix?: string | undefined
  /**
   * Requests that one transaction forgets at most, each with its key and its replies. Default and most: 300; fewer where
   * streams have many chunks that nobody has acknowledged, because a transaction changes 3,000 rows at most.
   */
  readonly batch?: number | undefined
}

/**
 * Forgets finished requests, with their keys and replies: those of one shard after the other's, of each the oldest first.
 * Each element is the number of one transaction; run again after a failure, it goes on. What is kept is read once,
 * however much is forgotten.
 *
 * A workflow is forgotten as a whole: its run, its activities and its deferreds, once all of them are finished and the
 * run is not suspended. So a workflow that sleeps for a year is there after that year, whatever the retention. So
 * are those that it has begun, because it asks for them again when it goes on.
 *
 * @example
 * ```ts
 * import { Retention } from "@effect-dsql/cluster"
 * import { DateTime, Effect, Stream } from "effect"
 *
 * const daily = Effect.gen(function*() {
 *   const finishedBefore = DateTime.subtract(yield* DateTime.now, { days: 30 })
 *   const gone = yield* Stream.runSum(Retention.prune({ prefix: "orders", finishedBefore }))
 *   yield* Effect.logInfo(`${gone} requests forgotten`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category retention
 */
export const prune = ({
  batch = Removing.atOnce,
  finishedBefore,
  prefix = "cluster"
}: Options): Stream.Stream<number, TransactionError, DsqlClient> => {
  const millis = DateTime.toEpochMillis(finishedBefore)
  const forget = (keys: ReadonlyArray<bigint>): Effect.Effect<number, TransactionError, DsqlClient> =>
    Transaction.autocommit(
      Effect.map(Guarded.write(Removing.requests(Finished.still(keys, millis))), ({ gone }) => Number(gone)),
      // What is gone stays so: whoever comes late, or again, finds nothing.
      { operation: "PruneMessages", repeat: true }
    )
  return forgettable(prefix, millis).pipe(
    Stream.grouped(Math.max(1, Math.min(batch, Removing.atOnce))),
    Stream.mapEffect(forget),
    Stream.filter((gone) => gone > 0)
  )
}

/**
 * Counts the requests that `prune` would forget, and changes nothing. Each element is the number of one page.
 *
 * @since 0.1.0
 * @category retention
 */
export const count = ({
  finishedBefore,
  prefix = "cluster"
}: Omit<Options, "batch">): Stream.Stream<number, TransactionError, DsqlClient> =>
  forgettable(prefix, DateTime.toEpochMillis(finishedBefore)).pipe(
    Stream.chunks,
    Stream.map((keys) => keys.length)
  )

const forgettable = (prefix: string, millis: number) =>
  Finished.keys(prefix, millis).pipe(
    Stream.grouped(Removing.atOnce),
    Stream.mapEffect((keys) => Children.unasked(prefix, keys)),
    Stream.flattenIterable
  )
