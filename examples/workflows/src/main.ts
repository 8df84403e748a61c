/**
 * One process of the cluster: `node main.ts runner`, or `node main.ts client order…`. It ends when its input does, at
 * once, so that none is left when whoever started it is gone.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Latch, Layer, Logger } from "effect"
import * as Client from "./Client.ts"
import * as Runner from "./Runner.ts"

const [role, ...ids] = process.argv.slice(2)

/** Opens with the first word of the input. */
const told = Latch.makeUnsafe()

const abandoned = Effect.callback<never>(() => {
  // The database is gone too: there is nothing to give back, and nobody to tell.
  const leave = () => process.exit(1)
  process.stdin
    .on("data", () => told.openUnsafe())
    .once("end", leave)
    .once("error", leave)
  // A process that listens does not end.
  return Effect.sync(() => process.stdin.destroy())
})

const roles: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = {
  runner: Layer.launch(Runner.layer),
  client: Effect.provide(Client.run(ids, told.await), Client.layer)
}

const asked = role === undefined ? undefined : roles[role]

NodeRuntime.runMain(
  asked === undefined
    ? Effect.andThen(
        Console.error(`${role ?? "nothing"} is no role: ${Object.keys(roles).join(", ")}`),
        Effect.sync(() => (process.exitCode = 2))
      )
    : // Runners that are lost are what this example is about: Effect says so at each of them.
      Effect.provide(Effect.raceFirst(asked, abandoned), Logger.layer([]))
)
