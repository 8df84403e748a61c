import { DsqlSingleRunner } from "@effect-dsql/cluster"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import { TestClock } from "effect/testing"
import { WorkflowEngine } from "effect/workflow"
import { Order, orders, place } from "../src/Order.ts"

// What the workflow does, with no database and no waiting.
const InMemory = Layer.provideMerge(orders("1 day"), WorkflowEngine.layerMemory)

layer(InMemory)("an order", (it) => {
  it.effect("is shipped once its customer cannot cancel it any more", () =>
    Effect.gen(function* () {
      yield* place("1", "Ada")
      const end = yield* Effect.forkChild(Order.execute({ id: "1" }))
      yield* TestClock.adjust("23 hours")
      assert.isUndefined(end.pollUnsafe())
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(end), "shipped, approved by Ada")
    })
  )
})

// The same on the rows of an emulated Aurora DSQL, where durable sleeps take their time.
const OnDsql = Layer.provideMerge(orders("200 millis"), ClusterWorkflowEngine.layer).pipe(
  Layer.provideMerge(
    DsqlSingleRunner.layer({ shardingConfig: { shardsPerGroup: 4, entityMessagePollInterval: "100 millis" } })
  ),
  Layer.provideMerge(Testing.layer({ source: SchemaSource.builtIn("dsql/cluster") }))
)

layer(OnDsql, { excludeTestServices: true })("an order on Aurora DSQL", (it) => {
  it.effect("is shipped, and is the same order when it is placed again", () =>
    Effect.gen(function* () {
      yield* place("1", "Ada")
      yield* place("1", "Bob")
      assert.strictEqual(yield* Order.execute({ id: "1" }), "shipped, approved by Ada")
    })
  )
})
