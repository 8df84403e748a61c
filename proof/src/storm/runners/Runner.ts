/**
 * A process that runs entities and workflows until its input ends or it is killed. It says a word when it is there.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { NodeClusterSocket, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Exit, Layer, Logger, Option, type Runtime, Schedule } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import { label } from "../Weather.ts"
import * as Brake from "./Brake.ts"
import * as Journal from "./Journal.ts"
import * as Parcels from "./Parcels.ts"
import * as Settings from "./Settings.ts"

const settings = Config.all({
  runner: Config.String("STORM_RUNNER"),
  port: Config.Port("STORM_PORT"),
  fenced: Config.Boolean("STORM_FENCED"),
  url: Config.Redacted("STORM_URL")
})

const program = Effect.gen(function* () {
  const { fenced, port, runner, url } = yield* settings
  const shardingConfig = Settings.sharding(Option.some(port))
  const running = Parcels.layer.pipe(
    Layer.provide(Journal.layer(runner, fenced)),
    Layer.provide(Brake.layer),
    Layer.provide(ClusterWorkflowEngine.layer),
    Layer.provide(NodeClusterSocket.layer({ storage: "byo", shardingConfig })),
    Layer.provide(DsqlCluster.layerWith({ prefix: Settings.prefix, shardingConfig })),
    Layer.provide(DsqlClient.layerUrl({ url, applicationName: label, maxConnections: 8, waitTimeout: "2 seconds" }))
  )
  const over = Effect.callback<void>((resume) => {
    process.stdin.once("end", () => resume(Effect.void)).resume()
  })
  yield* Effect.andThen(Console.log("ready"), over).pipe(
    Effect.provide(running),
    // It registers, whatever the weather.
    Effect.retry(Schedule.spaced("50 millis"))
  )
})

/** Nobody waits for a step that has outlived its runner, which is tried for as long as the process lives. */
const teardown: Runtime.Teardown = (exit) => process.exit(Exit.isSuccess(exit) ? 0 : 1)

// Runners that are lost are what a storm is about: Effect says so at each of them.
program.pipe(Effect.provide(Logger.layer([])), NodeRuntime.runMain({ teardown }))
