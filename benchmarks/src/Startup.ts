/**
 * How long the command line takes to begin, beside a Node that does nothing: as
 * it is in this repository, where Node takes the types away first, and as it is
 * installed, compiled. `status` asks an emulated cluster.
 */
import { Emulator } from "@effect-dsql/emulator"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { compare } from "./Compare.ts"

const bin = (path: string) => fileURLToPath(new URL(`../../packages/cli/${path}`, import.meta.url))

/** Runs Node to its end; what it prints is nobody's business here. */
const node = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.callback<void>((resume) => {
    const child = spawn(process.execPath, args, { stdio: "ignore", env: { ...process.env, ...env } })
    child.once("close", () => resume(Effect.void))
    return Effect.sync(() => child.kill())
  })

export const startup = Effect.gen(function* () {
  const emulator = yield* Emulator.make({ log: false, jobDelay: "20 millis" })
  const env = { SQL_HOST: emulator.host, SQL_PORT: String(emulator.port), SQL_USER: "admin" }
  yield* compare(
    "Starting the command line",
    [
      { name: "node -e 0", once: node(["-e", "0"]) },
      { name: "effect-dsql --version, compiled", once: node([bin("dist/bin.js"), "--version"]) },
      { name: "effect-dsql --version, sources", once: node([bin("src/bin.ts"), "--version"]) },
      { name: "effect-dsql --help, sources", once: node([bin("src/bin.ts"), "--help"]) },
      { name: "effect-dsql status, sources", once: node([bin("src/bin.ts"), "status"], env) }
    ],
    { operations: 1, rounds: 15, concurrency: 1 }
  )
}).pipe(Effect.scoped)
