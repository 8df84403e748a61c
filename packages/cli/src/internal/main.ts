/**
 * The command line as a process: what ends it besides its work, and with which
 * code. Whatever ends it, what is open is closed first.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Cli from "../Cli.ts"
import { ExitCode } from "../ExitCode.ts"
import * as OutputError from "./outputError.ts"

const signals = {
  SIGINT: ExitCode.interrupted,
  SIGTERM: ExitCode.interrupted,
  // The terminal was closed.
  SIGHUP: ExitCode.hangup
} as const

const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let stopped: ExitCode | undefined
  let ended = false
  const stop = (code: ExitCode) => {
    if (stopped !== undefined) return
    stopped = code
    if (ended) process.exitCode = code
    else fiber.interruptUnsafe(fiber.id)
  }
  for (const [signal, code] of Object.entries(signals)) {
    // Who asks twice, or while the last output waits for its reader, does not want to wait.
    process.on(signal, () => (stopped === undefined && !ended ? stop(code) : process.exit(code)))
  }
  process.stdout.on("error", (error) => stop(OutputError.report(error)))
  process.stderr.on("error", () => stop(ExitCode.pipe))
  fiber.addObserver((exit) => {
    ended = true
    teardown(exit, (code) => {
      // Not process.exit: what a pipe has not taken yet would be lost.
      process.exitCode = stopped ?? code
    })
  })
})

Cli.run(process.argv.slice(2)).pipe(Effect.provide(NodeServices.layer), runMain)
