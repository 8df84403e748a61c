/**
 * A process that takes a job, says so, and does not end.
 */
import { DsqlClient } from "@effect-dsql/core"
import { PersistedQueue as Store } from "@effect-dsql/storage"
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"

const program = Effect.gen(function* () {
  const url = yield* Config.Redacted("WORKER_URL")
  const stores = PersistedQueue.layer.pipe(
    Layer.provide(Store.layerStoreSql({ lockExpiration: "200 millis" })),
    Layer.provide(DsqlClient.layerUrl({ url }))
  )
  yield* Effect.flatMap(
    PersistedQueue.make({ name: yield* Config.String("WORKER_QUEUE"), schema: Schema.Any }),
    (queue) => queue.take(() => Effect.andThen(Console.log("taken"), Effect.never))
  ).pipe(Effect.provide(stores))
})

NodeRuntime.runMain(program)
