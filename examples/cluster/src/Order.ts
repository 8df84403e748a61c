/**
 * An order: reserved, kept for as long as its customer may cancel it, approved, shipped. Nothing here knows of a database.
 */
import { type Duration, Effect, Schema } from "effect"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"

export const Approved = DurableDeferred.make("Approved", { success: Schema.String })

export const Order = Workflow.make("Order", {
  payload: { id: Schema.String },
  success: Schema.String,
  idempotencyKey: ({ id }) => id
})

export const orders = (cancellation: Duration.Input) =>
  Order.toLayer(({ id }) =>
    Effect.gen(function* () {
      yield* Activity.make({ name: "reserve", execute: Effect.log(`reserved ${id}`) })
      yield* Effect.log(`keeping ${id}`)
      // Up to a minute is slept in memory otherwise, and from its beginning again where the runner dies.
      yield* DurableClock.sleep({ name: "cancellation", duration: cancellation, inMemoryThreshold: 0 })
      const by = yield* DurableDeferred.await(Approved)
      yield* Activity.make({ name: "ship", execute: Effect.log(`shipped ${id}`) })
      return `shipped, approved by ${by}`
    })
  )

/** Places an order, and says who approves it: both are rows from then on. */
export const place = Effect.fnUntraced(function* (id: string, by: string) {
  const executionId = yield* Order.execute({ id }, { discard: true })
  const token = DurableDeferred.tokenFromExecutionId(Approved, { workflow: Order, executionId })
  yield* DurableDeferred.succeed(Approved, { token, value: by })
})
