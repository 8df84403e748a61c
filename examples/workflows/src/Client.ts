/**
 * A client, which runs nothing itself: it places orders, approves them when it is told to, and waits for their ends.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { NodeClusterSocket } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import { DurableDeferred } from "effect/workflow"
import { Approved, Order } from "./Order.ts"
import { say } from "./Saying.ts"
import * as Settings from "./Settings.ts"

const shardingConfig = Settings.sharding(Option.none())

export const layer = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(NodeClusterSocket.layer({ storage: "byo", clientOnly: true, shardingConfig })),
  Layer.provideMerge(DsqlCluster.layerWith({ prefix: Settings.prefix, shardingConfig })),
  Layer.provide(DsqlClient.layerConfig())
)

/** Places an order; the same order placed again is the same one. */
const place = (id: string) => Order.execute({ id }, { discard: true })

const approve = Effect.fnUntraced(function* (id: string) {
  const executionId = yield* Order.executionId({ id })
  const token = DurableDeferred.tokenFromExecutionId(Approved, { workflow: Order, executionId })
  yield* DurableDeferred.succeed(Approved, { token, value: "Ada" })
})

const end = Effect.fnUntraced(function* (id: string) {
  const result = yield* Order.execute({ id })
  yield* say({ _tag: "Ended", order: id, result })
})

/** Places orders, and approves them once `told`. */
export const run = Effect.fnUntraced(function* (ids: ReadonlyArray<string>, told: Effect.Effect<unknown>) {
  yield* say({ _tag: "Ready", name: yield* Settings.name })
  yield* Effect.forEach(ids, place, { concurrency: "unbounded" })
  yield* told
  yield* Effect.forEach(ids, approve, { concurrency: "unbounded" })
  yield* Effect.forEach(ids, end, { concurrency: "unbounded" })
})
