/**
 * `pnpm api`: writes the public API of each package to its `API.md`, from the declarations that `tsc -b` emitted.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { dirname } from "node:path"
import * as Surfaces from "./Surfaces.ts"

const root = dirname(dirname(import.meta.dirname))

const api = Command.make(
  "api",
  {
    check: Flag.Boolean("check").pipe(
      Flag.withDescription("Write nothing, and fail where what is checked in is not so"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ check }) {
    const surfaces = yield* Effect.promise(() => Surfaces.read(root))
    if (!check) Surfaces.write(surfaces)
    const complaints = Surfaces.complaints(surfaces)
    if (complaints.length === 0) return
    process.stderr.write(`${complaints.join("\n")}\n`)
    process.exitCode = 1
  })
).pipe(Command.withDescription("Write the public API of each package to its API.md"))

Command.run(api, { version: "0.1.0" }).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
