/**
 * Whether anybody looks at spans.
 */
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"

/** Spans of the native tracer go nowhere, and would cost as much as all the rest of a transaction. */
export const isTraced = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer
