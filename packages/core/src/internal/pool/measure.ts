/**
 * What a pool reports: its gauges, read when they are asked for, and its counters.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Metrics from "../../Metrics.ts"
import type { AttemptError } from "../errors/classify.ts"
import * as gauges from "../metrics/gauges.ts"
import { labelled, update } from "../metrics/labelled.ts"
import * as Monotonic from "../time/monotonic.ts"
import type { Ending, stats } from "./state.ts"

/** A pool, in the words of OpenTelemetry's conventions. */
const named = (pool: string) => ({ "db.client.connection.pool.name": pool })

const inState = (pool: string, state: "idle" | "used") => ({ ...named(pool), "db.client.connection.state": state })

/** Shows a pool's gauges until the scope closes. */
export const register = (
  pool: string,
  values: () => ReturnType<typeof stats>
): Effect.Effect<void, never, Scope.Scope> =>
  gauges.register(
    [
      [labelled(Metrics.client.max, named(pool)), "max"],
      [labelled(Metrics.client.count, inState(pool, "idle")), "idle"],
      [labelled(Metrics.client.count, inState(pool, "used")), "inUse"],
      [labelled(Metrics.client.pending, named(pool)), "waiting"],
      [labelled(Metrics.pool.maxOpen, { pool }), "max"],
      [labelled(Metrics.pool.open, { pool }), "open"],
      [labelled(Metrics.pool.idle, { pool }), "idle"],
      [labelled(Metrics.pool.inUse, { pool }), "inUse"],
      [labelled(Metrics.pool.waiting, { pool }), "waiting"]
    ],
    values
  )

/** No connection was free at once. */
export const waited = (pool: string, millis: number): Effect.Effect<void> =>
  Effect.andThen(update(Metrics.pool.waits, { pool }, 1), update(Metrics.pool.waitDuration, { pool }, millis))

/** Every loan is measured twice, so its series are made once for each pool. */
const loans = new Map<string, Readonly<Record<"wait" | "use", Metric.Metric<number, unknown>>>>()

const loansOf = (pool: string) => {
  const known = loans.get(pool)
  if (known !== undefined) return known
  const series = {
    wait: labelled(Metrics.client.waitTime, named(pool)),
    use: labelled(Metrics.client.useTime, named(pool))
  }
  loans.set(pool, series)
  return series
}

/** A connection was lent to a fiber, after so long. */
export const lent = (pool: string, millis: number, { context }: Fiber.Fiber<unknown, unknown>): void =>
  loansOf(pool).wait.updateUnsafe(millis / 1_000, context)

/** A connection came back from a fiber, after so long. */
export const returned = (pool: string, millis: number, { context }: Fiber.Fiber<unknown, unknown>): void =>
  loansOf(pool).use.updateUnsafe(millis / 1_000, context)

/** A request for a connection ended without one. */
export const refused = (pool: string, error: AttemptError): Effect.Effect<void> =>
  Effect.andThen(
    update(Metrics.pool.refusals, { pool, error_class: classOf(error) }, 1),
    error._tag === "ConnectionUnavailable" && error.reason === "busy"
      ? update(Metrics.client.timeouts, named(pool), 1)
      : Effect.void
  )

const classOf = (error: AttemptError): string =>
  error._tag === "ConnectionUnavailable" ? `${error._tag}.${error.reason}` : error._tag

/** Times the opening of a connection, and counts it where it fails. */
export const connecting = <A, E extends AttemptError, R>(pool: string, open: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Monotonic.millis, (start) =>
    Effect.matchEffect(open, {
      onSuccess: (connection) =>
        Effect.flatMap(Monotonic.millis, (now) =>
          Effect.as(
            Effect.andThen(
              update(Metrics.pool.connectLatency, { pool }, now - start),
              update(Metrics.client.createTime, named(pool), (now - start) / 1_000)
            ),
            connection
          )
        ),
      onFailure: (error) =>
        Effect.andThen(
          update(Metrics.pool.connectFailures, { pool, error_class: classOf(error) }, 1),
          Effect.fail(error)
        )
    })
  )

/** A connection was closed. */
export const closed = (pool: string, reason: Ending): Effect.Effect<void> =>
  update(Metrics.pool.closed, { pool, reason }, 1)
