/**
 * The life of an order, as a workflow: reserve, charge, wait in case the customer cancels, wait for an approval, ship.
 */
import { Cron, DateTime, Effect, Layer, Schema } from "effect"
import { ClusterCron } from "effect/cluster"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"
import { Effects } from "./Effects.ts"

/** Somebody says that an order may be shipped. */
export const Approved = DurableDeferred.make("Approved", { success: Schema.String })

export const Order = Workflow.make("Order", {
  payload: { id: Schema.String },
  success: Schema.String,
  idempotencyKey: ({ id }) => id
})

/** What is done for each order, once. */
export const steps = ["reserve", "charge", "ship"] as const

export type Step = (typeof steps)[number]

const orders = Order.toLayer(({ id }) =>
  Effect.gen(function* () {
    const effects = yield* Effects
    const activity = (step: Step) => Activity.make({ name: step, execute: effects.once(id, step) })
    yield* activity("reserve")
    yield* activity("charge")
    // A sleep of more than the threshold is a row, and needs nobody who is alive; here all sleeps are.
    yield* DurableClock.sleep({ name: "cancellation", duration: "3 seconds", inMemoryThreshold: 0 })
    const by = yield* DurableDeferred.await(Approved)
    yield* activity("ship")
    return `shipped, approved by ${by}`
  })
)

/** The step of the cron, whose instants stand where orders have their ids. */
export const audit = "audit"

const audits = ClusterCron.make({
  name: audit,
  cron: Cron.parseUnsafe("*/2 * * * * *"),
  execute: Effect.gen(function* () {
    const effects = yield* Effects
    const at = yield* ClusterCron.CurrentScheduledTime
    yield* effects.once(DateTime.formatIso(at), audit)
  })
})

/** What a runner runs. */
export const layer = Layer.merge(orders, audits)
