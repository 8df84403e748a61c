/**
 * One process of the backend: `node main.ts frontend|history|matching|worker`.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import * as frontend from "./frontend/Role.ts"
import * as history from "./history/Role.ts"
import * as matching from "./matching/Role.ts"
import * as Settings from "./Settings.ts"
import * as worker from "./worker/Role.ts"

const layers = { frontend, history, matching, worker }

const role = process.argv[2]

NodeRuntime.runMain(
  Settings.isRole(role)
    ? Layer.launch(layers[role].layer)
    : Effect.andThen(
        Console.error(`${role ?? "no role"} is not a role: ${Settings.roles.join(", ")}`),
        Effect.sync(() => (process.exitCode = 2))
      )
)
