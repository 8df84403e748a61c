/**
 * Gauges that are read when they are asked for.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

type Gauge = Metric.Metric<number, Metric.GaugeState<number>>

/** Shows gauges until the scope closes. */
export const register = <Field extends string>(
  gauges: ReadonlyArray<readonly [gauge: Gauge, field: Field]>,
  values: () => Readonly<Record<Field, number>>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.contextWith((context) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() =>
          gauges.map(([gauge, field]) =>
            Metric.registerUnsafe(gauge, context, {
              get: () => ({ value: values()[field] }),
              update: () => {},
              modify: () => {}
            })
          )
        ),
        (registrations) => Effect.sync(() => registrations.forEach((registration) => registration.remove()))
      )
    )
  )
