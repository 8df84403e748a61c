/**
 * A budget of connections that several pools share, because a cluster takes
 * 10,000 from all its clients together.
 *
 * A pool leases room before it opens a connection and gives it back when the
 * connection is closed. Without a budget there is no limit but the pool's own.
 *
 * @since 0.1.0
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { randomUUID } from "node:crypto"
import * as ConnectionSlots from "./ConnectionSlots.ts"
import { DsqlClient } from "./DsqlClient.ts"
import { TooManyConnections, type TransactionError } from "./DsqlError.ts"
import * as measure from "./internal/budgetMeasure.ts"
import { Budget } from "./internal/budgetReference.ts"
import * as rareLog from "./internal/rareLog.ts"

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
export const ConnectionBudget: Context.Reference<ConnectionBudget> = Budget

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
    Budget,
    Effect.gen(function* () {
      const state = { used: 0 }
      yield* measure.register(() => ({ limit: options.limit, leased: options.limit, used: state.used }))
      return {
        lease: Effect.flatMap(
          use(state, () => options.limit),
          (had) => (had ? Effect.void : full(options.limit))
        )
      }
    })
  )

/**
 * How the budget is cut into slots, and how long one is held without a sign of life.
 *
 * @since 0.1.0
 * @category models
 */
export interface SlotOptions {
  /** Connections of all processes together. Default: 9,000 of the service's 10,000. */
  readonly limit?: number | undefined
  /** Connections that a process leases at once. Default: 10. */
  readonly slotSize?: number | undefined
  /** After this without a sign of life a process's room is free for others; it gives one three times as often. Default: 1 minute. */
  readonly ttl?: Duration.Input | undefined
}

/**
 * A budget for all processes that connect to a cluster, kept in a table of that cluster (see `ConnectionSlots.ddl`) on
 * a connection of its own, which is outside of the budget.
 *
 * @example
 * ```ts
 * import { ConnectionBudget, DsqlClient } from "@effect-dsql/core"
 * import { Layer } from "effect"
 *
 * const endpoint = "abc.dsql.us-east-1.on.aws"
 * const budget = ConnectionBudget.layerSlots({ limit: 2_000 }).pipe(
 *   Layer.provide(DsqlClient.layer({ endpoint, maxConnections: 1, applicationName: "budget" }))
 * )
 * const live = DsqlClient.layer({ endpoint, maxConnections: 50 }).pipe(Layer.provide(budget))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSlots = (options: SlotOptions = {}): Layer.Layer<never, never, DsqlClient> =>
  Layer.effect(Budget, makeSlots(options))

const defaultLimit = Limits.connections - 1_000

const makeSlots = Effect.fnUntraced(function* (
  options: SlotOptions
): Effect.fn.Return<ConnectionBudget, never, DsqlClient | Scope.Scope> {
  const client = yield* DsqlClient
  const limit = options.limit ?? defaultLimit
  const slotSize = Math.min(options.slotSize ?? 10, limit)
  const ttlMillis = Duration.toMillis(Duration.fromInputUnsafe(options.ttl ?? "1 minute"))
  const slots = { count: Math.floor(limit / slotSize), ttlMillis }
  const holder = randomUUID()
  const offset = yield* Random.nextIntBetween(0, slots.count)
  const claiming = Semaphore.makeUnsafe(1)
  const state = { used: 0 }
  let held: ReadonlySet<number> = new Set()
  const clock = yield* Clock.Clock
  let renewedAt = clock.currentTimeMillisUnsafe()
  // Who was not heard of for so long may have lost its room to others, and does not know.
  const isStale = () => held.size > 0 && clock.currentTimeMillisUnsafe() - renewedAt >= ttlMillis
  const room = () => (isStale() ? 0 : held.size * slotSize)
  const asked = <A>(effect: Effect.Effect<A, TransactionError, DsqlClient>) =>
    Effect.provideService(effect, DsqlClient, client)

  const claim = Effect.gen(function* () {
    if (isStale()) return yield* stale
    const now = clock.currentTimeMillisUnsafe()
    const slot = yield* asked(ConnectionSlots.claim(slots, holder, offset)).pipe(
      Effect.mapError(
        (cause) =>
          new TooManyConnections({
            message: `no room could be leased in dsql_connection_slots: ${cause.message}`,
            cause
          })
      )
    )
    if (slot === undefined) return yield* full(limit)
    if (held.size === 0) renewedAt = now
    held = new Set([...held, slot])
  })

  const renew = Effect.gen(function* () {
    if (held.size === 0) return
    const now = clock.currentTimeMillisUnsafe()
    const renewed = new Set(yield* asked(ConnectionSlots.renew(slots, holder)))
    renewedAt = now
    yield* measure.lost([...held].filter((slot) => !renewed.has(slot)).length)
    held = renewed
    yield* Effect.ignore(Effect.whileLoop({ while: () => room() < state.used, body: () => claim, step: () => {} }))
    const surplus = [...held].slice(Math.ceil(state.used / slotSize))
    held = new Set([...held].filter((slot) => !surplus.includes(slot)))
    yield* asked(ConnectionSlots.release(holder, surplus))
  }).pipe(
    claiming.withPermit,
    Effect.catch((error) =>
      Effect.andThen(
        measure.renewFailed,
        rareLog.log("Warn", "connection budget not renewed", { error: error._tag, reason: error.message })
      )
    )
  )

  yield* measure.register(() => ({ limit, leased: room(), used: state.used }))
  // What does not come through in time runs out by itself.
  const giveBack = Effect.suspend(() => asked(ConnectionSlots.release(holder, [...held])))
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.interruptible(Effect.timeout(giveBack, "5 seconds"))))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(ttlMillis / 3), renew)))
  const inRoom = use(state, room)
  const more: ConnectionBudget["lease"] = Effect.flatMap(inRoom, (had) =>
    had
      ? Effect.void
      : Effect.andThen(
          claim,
          Effect.suspend(() => more)
        )
  )
  return { lease: Effect.flatMap(inRoom, (had) => (had ? Effect.void : claiming.withPermit(more))) }
})

/** Uses room for one connection until the scope closes, if there is any. */
const use = (state: { used: number }, room: () => number): Effect.Effect<boolean, never, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.suspend(() => {
      if (state.used >= room()) return Effect.succeed(false)
      state.used += 1
      return Effect.as(
        Effect.addFinalizer(() =>
          Effect.sync(() => {
            state.used -= 1
          })
        ),
        true
      )
    })
  )

const full = (limit: number) =>
  Effect.andThen(
    measure.refused,
    Effect.fail(new TooManyConnections({ message: `the connection budget of ${limit} is used up` }))
  )

const stale = Effect.andThen(
  measure.refused,
  Effect.fail(new TooManyConnections({ message: "the connection budget was not renewed in time" }))
)
