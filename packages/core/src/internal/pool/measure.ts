/**
 * What a pool reports: its gauges, read when they are asked for, and its counters.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Metrics from "../../Metrics.ts"
import type { AttemptError } from "../errors/classify.ts"
import * as gauges from "../metrics/gauges.ts"
import { labelled, update } from "../metrics/labelled.ts"
import * as Monotonic from "../time/monotonic.ts"
import type { Ending, stats } from "./state.ts"

/** Shows a pool's gauges until the scope closes. */
export const register = (
  pool: string,
  values: () => ReturnType<typeof stats>
): Effect.Effect<void, never, Scope.Scope> =>
  gauges.register(
    [
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

/** A request for a connection ended without one. */
export const refused = (pool: string, error: AttemptError): Effect.Effect<void> =>
  update(Metrics.pool.refusals, { pool, error_class: classOf(error) }, 1)

const classOf = (error: AttemptError): string =>
  error._tag === "ConnectionUnavailable" ? `${error._tag}.${error.reason}` : error._tag

/** Times the opening of a connection, and counts it where it fails. */
export const connecting = <A, E extends AttemptError, R>(pool: string, open: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Monotonic.millis, (start) =>
    Effect.matchEffect(open, {
      onSuccess: (connection) =>
        Effect.flatMap(Monotonic.millis, (now) =>
          Effect.as(update(Metrics.pool.connectLatency, { pool }, now - start), connection)
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
