/**
 * What the service refuses, and with which status.
 */
import { DsqlError } from "@effect-dsql/core"
import { Effect, Schema } from "effect"

export class OutOfStock extends Schema.TaggedError<OutOfStock>("orders/OutOfStock")(
  "OutOfStock",
  { item: Schema.String },
  { httpApiStatus: 409 }
) {}

export class OrderNotFound extends Schema.TaggedError<OrderNotFound>("orders/OrderNotFound")(
  "OrderNotFound",
  { id: Schema.String },
  { httpApiStatus: 404 }
) {}

/** Another process has the desk. */
export class DeskTaken extends Schema.TaggedError<DeskTaken>("orders/DeskTaken")(
  "DeskTaken",
  { reason: Schema.String },
  { httpApiStatus: 409 }
) {}

/** The database does not answer, or has too much to do. */
export class Unavailable extends Schema.TaggedError<Unavailable>("orders/Unavailable")(
  "Unavailable",
  { reason: Schema.String },
  { httpApiStatus: 503 }
) {}

/** What may be otherwise in a moment. */
const passing = [
  "CommitOutcomeUnknown",
  "ConflictRetriesExhausted",
  "ConnectionLost",
  "ConnectionThrottled",
  "ConnectionUnavailable",
  "DeadlineExceeded",
  "TooManyConnections"
] as const

type Passing = Extract<DsqlError.DsqlError, { readonly _tag: (typeof passing)[number] }>

const isPassing = (error: unknown): error is Passing =>
  DsqlError.isDsqlError(error) && passing.some((tag) => tag === error._tag)

/** What else the database says, or a row that cannot be read, is a fault of this program, and no caller reads it. */
export const orUnavailable = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.catchIf(
      (error): error is Extract<E, Passing> => isPassing(error),
      ({ message }) => Effect.fail(new Unavailable({ reason: message }))
    ),
    Effect.catchIf(
      (error): error is Extract<typeof error, DsqlError.DsqlError | Schema.SchemaError> =>
        DsqlError.isDsqlError(error) || Schema.isSchemaError(error),
      Effect.die
    )
  )
