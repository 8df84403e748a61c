/**
 * What a single check of a shard's lock that fails does to a workflow, on Effect's own storages in memory. It is said in
 * `docs/asked-of-effect.md`, and no more of it once this fails.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schedule, Schema } from "effect"
import {
  ClusterError,
  ClusterWorkflowEngine,
  MessageStorage,
  RunnerHealth,
  Runners,
  RunnerStorage,
  Sharding,
  ShardingConfig
} from "effect/cluster"
import { Activity, Workflow } from "effect/workflow"

const Order = Workflow.make("Order", { payload: { id: Schema.String }, idempotencyKey: ({ id }) => id })

/** A runner that keeps all its shards, and whose check of one fails once the activity has run for the first time. */
const runner = (executed: { times: number }) => {
  let hasFailed = false
  const runners = Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.map(RunnerStorage.makeMemory, (memory) =>
      RunnerStorage.RunnerStorage.of({
        ...memory,
        refresh: (address, shardIds) =>
          Effect.suspend(() => {
            const asked = [...shardIds]
            if (hasFailed || executed.times === 0 || asked.length !== 1) return memory.refresh(address, asked)
            hasFailed = true
            return Effect.fail(new ClusterError.PersistenceError({ cause: new Error("the connection was cut") }))
          })
      })
    )
  )
  const order = Order.toLayer(() =>
    Activity.make({ name: "reserve", execute: Effect.sync(() => void executed.times++) })
  )
  return order.pipe(
    Layer.provideMerge(ClusterWorkflowEngine.layer),
    Layer.provideMerge(Sharding.layer),
    Layer.provide(Runners.layerNoop),
    Layer.provideMerge(MessageStorage.layerMemory),
    Layer.provide([runners, RunnerHealth.layerNoop]),
    Layer.provide(ShardingConfig.layer({ shardsPerGroup: 5, entityMessagePollInterval: "100 millis" }))
  )
}

describe("A check of a lock that fails when an activity has run", () => {
  it.live("suspends its run, which nothing wakes but an operator", () => {
    const executed = { times: 0 }
    return Effect.gen(function* () {
      const { unprocessed } = yield* MessageStorage.MemoryDriver
      const executionId = yield* Order.execute({ id: "4711" }, { discard: true })
      const ended = Order.poll(executionId).pipe(
        Effect.repeat({ until: Option.isSome, schedule: Schedule.spaced("20 millis") })
      )
      const result = yield* ended
      assert.strictEqual(Option.isSome(result) && result.value._tag, "Suspended")
      assert.deepStrictEqual([executed.times, unprocessed.size], [1, 0])
      yield* Order.resume(executionId)
      yield* Order.execute({ id: "4711" })
      assert.strictEqual(executed.times, 2)
    }).pipe(Effect.provide(runner(executed)))
  })
})
