/**
 * A budget of connections that several pools share, because a cluster takes
 * 10,000 from all its clients together.
 *
 * A pool leases room before it opens a connection and gives it back when the
 * connection is closed. Without a budget there is no limit but the pool's own.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { TooManyConnections } from "./DsqlError.ts"
import * as measure from "./internal/budget/measure.ts"
import { full, use } from "./internal/budget/room.ts"
import * as check from "./internal/options/check.ts"

/**
 * Room for connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionBudget {
  /** Leases room for one connection until the scope closes, or fails where there is none. It does not wait. */
  readonly lease: Effect.Effect<void, TooManyConnections, Scope.Scope>
}

/**
 * The budget that a `DsqlClient` layer opens its connections on. Default: no limit.
 *
 * @since 0.1.0
 * @category references
 */
export const ConnectionBudget: Context.Reference<ConnectionBudget> = Context.Reference<ConnectionBudget>(
  "@effect-dsql/core/ConnectionBudget",
  { defaultValue: () => ({ lease: Effect.void }) }
)

/**
 * A budget for the pools of this process.
 *
 * @example
 * ```ts
 * import { ConnectionBudget, DsqlClient } from "@effect-dsql/core"
 * import { Layer } from "effect"
 *
 * const both = Layer.mergeAll(
 *   DsqlClient.layer({ endpoint: "abc.dsql.us-east-1.on.aws", applicationName: "orders" })
 * ).pipe(Layer.provide(ConnectionBudget.layer({ limit: 50 })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: { readonly limit: number }): Layer.Layer<never> =>
  Layer.effect(
    ConnectionBudget,
    Effect.gen(function* () {
      const limit = check.whole("limit", options.limit, 1)
      const state = { used: 0 }
      yield* measure.register(() => ({ limit, leased: limit, used: state.used }))
      return {
        lease: Effect.flatMap(
          use(state, () => limit),
          (had) => (had ? Effect.void : full(limit))
        )
      }
    })
  )
