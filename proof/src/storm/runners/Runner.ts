/**
 * A process that runs entities and workflows until it is told to end or is killed. It says a word when it is there.
 */
import { DsqlCluster } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import type * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import { writeSync } from "node:fs"
import * as Input from "../Input.ts"
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
  const told = yield* Input.told
  yield* Effect.andThen(Console.log("ready"), told.await).pipe(
    Effect.provide(running),
    // It registers, whatever the weather.
    Effect.retry(Schedule.spaced("50 millis"))
  )
}).pipe(Effect.scoped)

/** Nobody waits for a step that has outlived its runner, which is tried for as long as the process lives. */
const teardown: Runtime.Teardown = (exit) => {
  if (Exit.isSuccess(exit)) process.exit(0)
  // At once: the process ends behind this line.
  writeSync(2, `${Cause.pretty(exit.cause)}\n`)
  process.exit(1)
}

// Runners that are lost are what a storm is about: Effect says so at each of them.
program.pipe(Effect.provide(Logger.layer([])), NodeRuntime.runMain({ teardown }))
