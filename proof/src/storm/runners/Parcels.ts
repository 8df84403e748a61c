/**
 * What runners run: desks, which stamp parcels one after the other, and deliveries, which are workflows of two steps with
 * a sleep between them. Each gives the number of the line in the journal that its last step has left.
 */
import { ClusterFence } from "@effect-dsql/cluster"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as Rpc from "effect/rpc/Rpc"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as Workflow from "effect/workflow/Workflow"
import { Journal } from "./Journal.ts"

const payload = { op: Schema.String }
const keyOf = ({ op }: { readonly op: string }) => op

/** A request is stored before it is answered, and known by the write that it is of: asked again it is the same one. */
export const Desk = Entity.make("Desk", [
  Rpc.make("Stamp", { payload, primaryKey: keyOf, success: Schema.BigInt })
]).annotateRpcs(ClusterSchema.Persisted, true)

/** The desks there are. */
export const desks = ["north", "south", "east", "west"] as const

/** What the database does to a run in a storm is not the run's own end: it begins anew where it was. */
export const Delivery = Workflow.make("Delivery", { payload, success: Schema.BigInt, idempotencyKey: keyOf }).annotate(
  Workflow.CaptureDefects,
  false
)

/** The steps that each of them has, whose effects have to be there once. */
export const steps = { desk: ["stamp"], delivery: ["pack", "ship"] } as const

const desk = Desk.toLayer(
  Effect.gen(function* () {
    const journal = yield* Journal
    // The fence of the desk: what is decided under it is written under no other one.
    const fence = yield* Effect.orDie(ClusterFence.current)
    return { Stamp: ({ payload: { op } }) => journal.once(fence, op, "stamp") }
  })
)

const delivery = Delivery.toLayer(({ op }) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const activity = (name: (typeof steps.delivery)[number]) =>
      Activity.make({
        name,
        success: Schema.BigInt,
        execute: Effect.flatMap(Effect.orDie(ClusterFence.current), (fence) => journal.once(fence, op, name))
      })
    yield* activity("pack")
    // A sleep beyond the threshold is a row, and needs nobody who is alive.
    yield* DurableClock.sleep({ name: "overnight", duration: "300 millis", inMemoryThreshold: 0 })
    return yield* activity("ship")
  })
)

export const layer = Layer.merge(desk, delivery)
