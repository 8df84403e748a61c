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
import * as Batch from "@effect-dsql/core/Batch"
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import type { Transaction } from "@effect-dsql/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type * as Stream from "effect/Stream"
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
 * Forgets finished requests, the oldest first, with their keys and replies. Each element is the number of one
 * transaction; run again after a failure, it goes on.
 *
 * A workflow is forgotten as a whole: its run, its activities and its deferreds, once all of them are finished and the
 * run is not suspended. So a workflow that sleeps for a year is there after that year, whatever the retention.
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
  const before = value("timestamptz", DateTime.toEpochMillis(finishedBefore))
  const where = sql`request.finished_at IS NOT NULL AND request.finished_at < ${before}
    AND starts_with(request.shard_id, ${value("text", `${prefix}/`)})
    AND (NOT starts_with(request.entity_type, 'Workflow/') OR NOT EXISTS (${standing(before)}))`
  const forget = (rows: number): Effect.Effect<number, SqlError, Transaction> =>
    Effect.map(Guarded.write(Removing.requests(where, rows, "finished_at")), (told) => Number(told["gone"]))
  return Batch.drain(forget, { rows: Math.min(batch, Removing.atOnce) }, { operation: "PruneMessages" })
}

const { sql, value } = Expression

/** What keeps a workflow: a request of it that is not finished, or was finished since, or its run, where that waits. */
const standing = (before: Expression.Expression) => sql`
  SELECT 1 FROM cluster_requests AS other
  WHERE other.shard_id = request.shard_id AND other.entity_type = request.entity_type
    AND other.entity_id = request.entity_id
    AND (other.finished_at IS NULL OR other.finished_at >= ${before} OR (other.suspended AND other.tag = 'run'))`
