/**
 * An emulator in a process of its own, over the server that its parent names. It prints its URL and waits to be ended.
 */
import { Emulator } from "@effect-dsql/emulator"
import { Server } from "@effect-dsql/testing"
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Redacted } from "effect"

const program = Effect.gen(function* () {
  const url = new URL(Redacted.value(yield* Config.Redacted("BENCH_POSTGRES")))
  const emulator = yield* Emulator.make({ log: false, postgres: Server.fromUrl(url) })
  yield* Console.log(Redacted.value(emulator.url("bench")))
  return yield* Effect.never
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
