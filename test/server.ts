/**
 * One PostgreSQL server for all test files of a run; each file makes databases of its own, most of them beneath an
 * emulated Aurora DSQL (`@effect-dsql/testing`).
 */
import { Emulator } from "@effect-dsql/emulator"
import { Server } from "@effect-dsql/testing"
import { Effect, Exit, Redacted, Scope } from "effect"
import { access, chmod, constants, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgresUrl: string
    /** The same server, with its Unix socket. */
    readonly postgres: string
    /** An emulated Aurora DSQL for processes that outlive a file's own. */
    readonly dsqlUrl: string
  }
}

/** A directory for all that tests write, in one where programs may be run. */
const temporary = (within: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const path = await mkdtemp(join(within, "tests-"))
      // PostgreSQL, which does not run as root, has to get through.
      await chmod(path, 0o1777)
      return path
    }),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  ).pipe(
    Effect.tap((path) =>
      Effect.tryPromise(async () => {
        const program = join(path, "program")
        await writeFile(program, "", { mode: 0o755 })
        await access(program, constants.X_OK)
      })
    )
  )

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  const start = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Scope.provide(effect, scope))
  const postgres = await start(Server.share)
  const emulator = await start(Emulator.make({ postgres, log: false, jobDelay: "20 millis" }))
  project.provide("postgresUrl", Redacted.value(postgres.url()))
  project.provide("postgres", Server.toUrl(postgres).href)
  project.provide("dsqlUrl", Redacted.value(emulator.url()))
  // What a test's process compiled, the next one and the next run find.
  process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "node-compile-cache")
  // In memory, where the server's data is.
  process.env["TMPDIR"] = await start(
    Effect.catch(temporary(dirname(postgres.dataDirectory)), () => temporary(tmpdir()))
  )
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
