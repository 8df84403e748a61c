/**
 * Asks runners for what they do, together with everybody else who does: first that a request be stored, then what came
 * of it. The second time it is the same request, known by its key.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as ClusterError from "effect/cluster/ClusterError"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import { Scribe } from "../Scribe.ts"
import { type IsOver, repeated } from "../Tenure.ts"
import { Delivery, Desk, desks } from "./Parcels.ts"
import * as Settings from "./Settings.ts"

/** Nobody was told anything, although nothing has gone wrong for a long time. */
class NoAnswer extends Data.TaggedError("NoAnswer")<{}> {}

/** How long somebody waits once it is over. Until then there is no end to it: who gives up takes the request back. */
export const patience = "1 minute"

const shardingConfig = Settings.sharding(Option.none())

/** Provides the runners to one who runs nothing. */
export const layer = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(NodeClusterSocket.layer({ storage: "byo", clientOnly: true, shardingConfig })),
  Layer.provide(DsqlCluster.layerWith({ prefix: Settings.prefix, shardingConfig }))
)

/** Has parcels stamped, one after the other. */
export const stamp = (isOver: IsOver) =>
  repeated(
    isOver,
    Effect.gen(function* () {
      const desk = (yield* Desk.client)(yield* Random.choice(desks))
      yield* asked(isOver, "desk", (op) => ({
        store: desk.Stamp({ op }, { discard: true }),
        answer: desk.Stamp({ op })
      }))
    })
  )

/** Has parcels delivered, one after the other. */
export const deliver = (isOver: IsOver) =>
  repeated(
    isOver,
    asked(isOver, "delivery", (op) => ({
      store: Delivery.execute({ op }, { discard: true }),
      answer: Delivery.execute({ op })
    }))
  )

const asked = Effect.fnUntraced(function* <E, E2, R, R2>(
  isOver: IsOver,
  of: "desk" | "delivery",
  request: (op: string) => {
    readonly store: Effect.Effect<unknown, E, R>
    readonly answer: Effect.Effect<bigint, E2, R2>
  }
) {
  const scribe = yield* Scribe
  const op = yield* scribe.op
  const { answer, store } = request(op)
  yield* scribe.attempt(op, { _tag: "Request", of }, told(store))
  const waited = Effect.raceFirst(told(answer), inVain(isOver))
  yield* scribe.attempt(yield* scribe.op, { _tag: "Answer", request: op }, waited, (number) => number)
})

const inVain = (isOver: IsOver) =>
  Effect.sleep("100 millis").pipe(
    Effect.repeat({ until: () => isOver }),
    Effect.andThen(Effect.sleep(patience)),
    Effect.andThen(Effect.fail(new NoAnswer()))
  )

/** The engine of workflows makes a defect of what the storage says. */
const told = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.catchDefect(effect, (defect) =>
    defect instanceof ClusterError.PersistenceError ? Effect.fail(defect) : Effect.die(defect)
  )
