/**
 * Effect's `RateLimiter` on Aurora DSQL: the store behind it.
 *
 * A limit is a row for each key, changed by one statement by the database's clock, so it is exact: of two that count at
 * once the later committer conflicts and counts anew. That the row does not become hot is up to how rarely it is
 * written: all of a process who ask for the same at once are counted in one statement, what is refused writes nothing,
 * and of a window with a high limit a process takes some tokens ahead, which it then gives out without asking.
 *
 * What is given up for it: tokens that were taken ahead may expire with their window, or with their process, while
 * another process is refused; no more than a 64th of the limit in each, and ever fewer as the limit comes near. And
 * what remains is told as of the last time that the process asked. Never are more tokens given out than the limit.
 *
 * What is counted stays counted, whatever becomes of a transaction that it is asked in. The tables are those of the
 * schema `dsql/storage`; nothing is created at run time.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import type * as Removal from "@effect-dsql/core/Removal"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RateLimiterError, RateLimiterStore, RateLimitStoreError } from "effect/persistence/RateLimiter"
import * as Schedule from "effect/Schedule"
import * as AdaptiveStates from "./internal/limiter/adaptiveStates.ts"
import * as Counter from "./internal/limiter/counter.ts"
import { forgetful } from "./internal/limiter/forgetful.ts"
import { drain } from "./internal/statement/drain.ts"
import * as Statement from "./internal/statement/statement.ts"
import { ensure } from "./internal/tables/ensure.ts"
import type { MissingTables } from "./MissingTables.ts"

/**
 * Makes the store of `effect/persistence/RateLimiter`, or fails in one line where its tables are missing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStoreSql: Effect.Effect<RateLimiterStore["Service"], MissingTables | TransactionError, DsqlClient> =
  Effect.gen(function* () {
    yield* ensure("RateLimiter", [counts, states])
    const context = yield* Effect.context<DsqlClient>()
    const statements = Statement.make(yield* DsqlClient)
    const windows = forgetful((options: Parameters<typeof Counter.window>[1]) => Counter.window(context, options))
    const buckets = forgetful((options: Parameters<typeof Counter.bucket>[1]) => Counter.bucket(context, options))
    const limits = forgetful((key: string) => AdaptiveStates.make(context, statements, key))
    return RateLimiterStore.of({
      fixedWindow: ({ key, limit, refillRate, tokens }) =>
        windows({ key, limit, tokens, refillRate: Duration.toMillis(refillRate) }).pipe(
          refused("tokens of a window could not be counted")
        ),
      tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
        buckets({ key, limit, tokens, overflow: allowOverflow, refillRate: Duration.toMillis(refillRate) }).pipe(
          refused("tokens of a bucket could not be counted")
        ),
      adaptiveConsume: ({ fallbackWindow, key, tokens }) =>
        limits(key)
          .consume({ tokens, fallbackWindow: Duration.toMillis(fallbackWindow) })
          .pipe(refused("tokens of an adaptive limit could not be counted")),
      adaptiveFeedback: ({ epoch, key, retryAfter, status, tokens }) =>
        status !== 429 || retryAfter === undefined
          ? Effect.void
          : limits(key)
              .feedback({ epoch, tokens, retryAfter: Duration.toMillis(retryAfter) })
              .pipe(refused("what a server said could not be kept"))
    })
  })

/**
 * Provides the store of `effect/persistence/RateLimiter`.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { RateLimiter } from "@effect-dsql/storage"
 * import { Effect, Layer } from "effect"
 * import * as Limiter from "effect/persistence/RateLimiter"
 *
 * const program = Effect.flatMap(Limiter.RateLimiter, (limiter) =>
 *   limiter.consume({ key: "mails", limit: 10_000, window: "1 minute" }))
 *
 * const live = Limiter.layer.pipe(
 *   Layer.provide(RateLimiter.layerStoreSql),
 *   Layer.provide(DsqlClient.layerConfig())
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStoreSql: Layer.Layer<RateLimiterStore, MissingTables | TransactionError, DsqlClient> = Layer.effect(
  RateLimiterStore,
  makeStoreSql
)

/**
 * Removes rows that say no more than if they were not there: of windows that are over, and buckets that are full. Keys
 * that come once, such as those of users, would stay for ever without it. It reads both tables, so run it in one
 * instance of a deployment; several do no harm.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerCleanup = (options?: {
  /** How often it does so. Default: 1 hour. */
  readonly interval?: Duration.Input | undefined
}): Layer.Layer<never, never, DsqlClient> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const statements = Statement.make(yield* DsqlClient)
      const where = Expression.sql`idle_at <= EXTRACT(EPOCH FROM now()) * 1000`
      const idle = ({ order, table }: Omit<Removal.Rows, "where">) =>
        drain(statements, "RateLimiter.cleanup", { table, order, where })
      yield* Effect.forEach(tables, idle, { discard: true }).pipe(
        Effect.catchCause((cause) => Effect.logWarning("idle limits were not removed", cause)),
        Effect.repeat(Schedule.spaced(options?.interval ?? "1 hour")),
        Effect.annotateLogs({ module: "@effect-dsql/storage/RateLimiter", fiber: "cleanup" }),
        Effect.forkScoped
      )
    })
  )

const counts = "effect_rate_limiter"
const states = "effect_rate_limiter_adaptive"

/** The tables in the order of their keys. */
const tables: ReadonlyArray<Omit<Removal.Rows, "where">> = [
  {
    table: counts,
    order: { id: "text", algorithm: "text" }
  },
  { table: states, order: { id: "text" } }
]

const refused = (message: string) =>
  Effect.mapError((cause: unknown) => new RateLimiterError({ reason: new RateLimitStoreError({ message, cause }) }))
