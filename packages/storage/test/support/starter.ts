/**
 * A process that says when it is ready, waits for a line, makes every storage, writes its number into each, and says
 * what they answered.
 */
import { DsqlClient } from "@effect-dsql/core"
// The rest of the platform takes as long to load as everything else, six times.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Effect, Layer } from "effect"
import { once } from "node:events"
import * as EveryStorage from "./everyStorage.ts"

const program = Effect.gen(function* () {
  const url = yield* Config.Redacted("STARTER_URL")
  const number = yield* Config.Int("STARTER_NUMBER")
  const told = once(process.stdin, "data")
  yield* Console.log("ready")
  yield* Effect.promise(() => told)
  const storages = Layer.provideMerge(EveryStorage.layer, DsqlClient.layerUrl({ url }))
  const written = yield* Effect.provide(EveryStorage.write(number), storages)
  yield* Console.log(JSON.stringify(written))
})

NodeRuntime.runMain(program)
