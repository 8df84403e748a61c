/**
 * One PostgreSQL server for all test files of a run; each file makes databases of its own, most of them beneath an
 * emulated Aurora DSQL (`@effect-dsql/testing`).
 */
import { Emulator } from "@effect-dsql/emulator"
import { Server } from "@effect-dsql/testing"
import { Effect, Exit, Redacted, Scope } from "effect"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgresUrl: string
    /** An emulated Aurora DSQL for processes that outlive a file's own. */
    readonly dsqlUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  const postgres = await Effect.runPromise(Scope.provide(Server.share, scope))
  const emulator = await Effect.runPromise(Scope.provide(Emulator.make({ postgres, log: false }), scope))
  project.provide("postgresUrl", Redacted.value(postgres.url()))
  project.provide("dsqlUrl", Redacted.value(emulator.url()))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
