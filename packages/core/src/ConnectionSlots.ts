/**
 * Room for connections as rows of a table in the cluster itself.
 *
 * The limit is cut into slots of a few connections each, and a slot is a row
 * with at most one holder and a time until which it holds. So processes meet
 * on a row only where two want the same slot, one of them loses to a conflict,
 * and the sum cannot exceed the limit; no row counts for all of them. Who dies
 * stops renewing, and its slots are free when the database's clock says so.
 *
 * A holder is one claim of one process, so that a statement changes nothing
 * that was claimed by another: where an answer is lost, it is sent again, once
 * the first one is void.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConnectionBudget } from "./ConnectionBudget.ts"
import type { DsqlClient } from "./DsqlClient.ts"
import * as slots from "./internal/budget/slots.ts"
import * as check from "./internal/options/check.ts"

/**
 * The statement that makes the table.
 *
 * @since 0.1.0
 * @category schema
 */
export const ddl = `CREATE TABLE dsql_connection_slots (
  slot integer PRIMARY KEY,
  holder uuid NOT NULL,
  expires_at timestamptz NOT NULL
)`

/**
 * How the budget is cut into slots, and how long one is held without a sign of life.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Connections of all processes together; all of them have to be told the same. Default: 9,000 of the service's 10,000. */
  readonly limit?: number | undefined
  /** Connections that a process leases at once, again the same for all. Default: 10. */
  readonly slotSize?: number | undefined
  /**
   * After this without a sign of life a process's room is free for others; it gives one three times as often. From
   * 1 second to 1 day. Default: 1 minute.
   */
  readonly ttl?: Duration.Input | undefined
}

/**
 * A budget for all processes that connect to a cluster, kept in a table of that cluster (see `ddl`) on
 * a connection of its own, which is outside of the budget.
 *
 * @example
 * ```ts
 * import { ConnectionSlots, DsqlClient } from "@effect-dsql/core"
 * import { Layer } from "effect"
 *
 * const endpoint = "abc.dsql.us-east-1.on.aws"
 * const budget = ConnectionSlots.layer({ limit: 2_000 }).pipe(
 *   Layer.provide(DsqlClient.layer({ endpoint, maxConnections: 1, applicationName: "budget" }))
 * )
 * const live = DsqlClient.layer({ endpoint, maxConnections: 50 }).pipe(Layer.provide(budget))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<never, never, DsqlClient> =>
  Layer.effect(
    ConnectionBudget,
    Effect.suspend(() =>
      slots.make({
        limit: check.whole("limit", options.limit ?? Limits.connections - 1_000, 1),
        slotSize: check.whole("slotSize", options.slotSize ?? 10, 1),
        ttlMillis: check.between("ttl", options.ttl ?? "1 minute", Duration.seconds(1), Duration.days(1))
      })
    )
  )
