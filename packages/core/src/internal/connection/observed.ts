/**
 * What is shown of a statement by OpenTelemetry's conventions for databases: how long it took, and on its span what it
 * did and how it failed.
 *
 * https://opentelemetry.io/docs/specs/semconv/database/database-spans/
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import { isSqlError } from "effect/sql/SqlError"
import * as Tracer from "effect/Tracer"
import { classify, sqlStateOf } from "../errors/classify.ts"
import { labelled } from "../metrics/labelled.ts"
import * as Metrics from "../../Metrics.ts"
import * as Monotonic from "../time/monotonic.ts"
import { operationOf } from "./firstWord.ts"

/** Where statements go. */
export interface Place {
  readonly "db.system.name": "postgresql"
  readonly "db.namespace": string
  readonly "server.address": string
  readonly "server.port": number
}

/** A database of a server. */
export const placeOf = (address: string, port: number, database: string): Place => ({
  "db.system.name": "postgresql",
  "db.namespace": database,
  "server.address": address,
  "server.port": port
})

/** How a statement failed: by its SQLSTATE where the server said one. */
type Failed =
  | { readonly "error.type": string }
  | { readonly "error.type": string; readonly "db.response.status_code": string }

type Series = Metric.Metric<number, unknown>

/** Shows the statements of one place. Nearly all succeed, so the series of those are made once for each operation. */
export class Observer {
  private readonly place: Place
  private readonly succeeded = new Map<string, Series>()

  constructor(place: Place) {
    this.place = place
  }

  /** Begins to watch a statement. What comes back is to be run when it has ended. */
  readonly begin = (sql: string, fiber: Fiber.Fiber<unknown, unknown>) => {
    const operation = operationOf(sql)
    const clock = fiber.getRef(Clock.Clock)
    const start = Monotonic.millisOf(clock)
    spanOf(fiber)?.attribute("db.operation.name", operation)
    return (exit: Exit.Exit<unknown, unknown>): void => {
      const failed = Exit.isFailure(exit) ? failureOf(exit.cause) : undefined
      if (failed !== undefined) {
        for (const [key, value] of Object.entries(failed)) spanOf(fiber)?.attribute(key, value)
      }
      const seconds = (Monotonic.millisOf(clock) - start) / 1_000
      this.series(operation, failed).updateUnsafe(seconds, fiber.context)
    }
  }

  private series(operation: string, failed: Failed | undefined): Series {
    const known = failed === undefined ? this.succeeded.get(operation) : undefined
    if (known !== undefined) return known
    const series = labelled(Metrics.client.operations, {
      ...this.place,
      "server.port": String(this.place["server.port"]),
      "db.operation.name": operation
    })
    if (failed !== undefined) return Metric.withAttributes(series, { ...failed })
    this.succeeded.set(operation, series)
    return series
  }
}

/** The span that is current is the statement's own only where Effect SQL says so: it names the statement's text. */
const spanOf = ({ context }: Fiber.Fiber<unknown, unknown>): Tracer.Span | undefined => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return span?._tag === "Span" && span.attributes.has("db.query.text") ? span : undefined
}

const failureOf = (cause: Cause.Cause<unknown>): Failed => {
  const error = cause.reasons.find(Cause.isFailReason)?.error
  if (!isSqlError(error)) return { "error.type": Cause.hasInterruptsOnly(cause) ? "Interrupted" : "Defect" }
  const code = sqlStateOf(error.reason.cause)
  return code === undefined
    ? { "error.type": classify(error)._tag }
    : { "db.response.status_code": code, "error.type": code }
}
