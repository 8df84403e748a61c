/**
 * One PostgreSQL server and one emulated Aurora DSQL on it for all test files of a run; each file makes databases of
 * its own.
 */
import { Emulator } from "@effect-dsql/emulator"
import { Server } from "@effect-dsql/testing"
import { Effect, Exit, Redacted, Scope } from "effect"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgresUrl: string
    readonly dsqlUrl: string
  }
}

const start = Effect.gen(function* () {
  const postgres = yield* Server.share
  const emulator = yield* Emulator.make({ postgres, log: false })
  return { postgresUrl: Redacted.value(postgres.url()), dsqlUrl: Redacted.value(emulator.url()) }
})

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  const { dsqlUrl, postgresUrl } = await Effect.runPromise(Scope.provide(start, scope))
  project.provide("postgresUrl", postgresUrl)
  project.provide("dsqlUrl", dsqlUrl)
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
