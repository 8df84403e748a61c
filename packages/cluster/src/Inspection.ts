/**
 * Looks at a cluster from outside: what an operator asks, and a check of a program.
 *
 * It reads, in READ ONLY transactions, by indexes: the shards, what waits, and of finished and suspended requests so
 * many as it counts at most.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { ClusterStatus } from "./ClusterStatus.ts"
import * as Looking from "./internal/looking.ts"
import * as Slots from "./internal/runners/slots.ts"

/**
 * How a cluster stands.
 *
 * @example
 * ```ts
 * import { Inspection } from "@effect-dsql/cluster"
 * import { Effect } from "effect"
 *
 * const check = Effect.gen(function*() {
 *   const { oldest, runners } = yield* Inspection.status({ prefix: "orders" })
 *   const alive = runners.filter(({ leaseLeft, left }) => leaseLeft > 0 && !left)
 *   if (alive.length === 0) yield* Effect.logError("no runner is alive")
 *   if (oldest !== null && oldest.age > 60_000) yield* Effect.logWarning(`${oldest.shard} lags`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category inspection
 */
export const status = ({ prefix = "cluster" }: { readonly prefix?: string | undefined } = {}): Effect.Effect<
  ClusterStatus,
  TransactionError,
  DsqlClient
> =>
  Transaction.run(
    Effect.gen(function* () {
      const [{ at, taken }, runners, shards, oldest, waiting, { exited, suspended }] = yield* Effect.all(
        [
          Looking.overview,
          Looking.runners(prefix),
          Looking.shards(prefix),
          Looking.oldest(prefix),
          Looking.waiting(prefix),
          Looking.exited(prefix)
        ],
        { concurrency: "unbounded" }
      )
      return {
        cluster: prefix,
        at,
        runners,
        machineIds: { taken, all: Slots.count },
        shards,
        oldest: oldest ?? null,
        requests: {
          ...waiting,
          suspended: Math.min(suspended, Looking.countedAtMost),
          finished: Math.max(0, Math.min(exited, Looking.countedAtMost) - suspended),
          more: exited > Looking.countedAtMost
        }
      }
    }),
    { operation: "InspectCluster", readOnly: true }
  )

/**
 * The clusters of the database that have had a runner, by their prefixes, and the database's clock.
 *
 * @since 0.1.0
 * @category inspection
 */
export const clusters: Effect.Effect<
  { readonly at: DateTime.Utc; readonly prefixes: ReadonlyArray<string> },
  TransactionError,
  DsqlClient
> = Transaction.run(
  Effect.map(Effect.all([Looking.overview, Looking.prefixes], { concurrency: "unbounded" }), ([{ at }, prefixes]) => ({
    at,
    prefixes
  })),
  { operation: "ListClusters", readOnly: true }
)
