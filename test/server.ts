/**
 * One PostgreSQL server for all test files of a run; each file makes databases of its own, most of them beneath an
 * emulated Aurora DSQL (`@effect-dsql/testing`).
 */
import { Server } from "@effect-dsql/testing"
import { Effect, Exit, Redacted, Scope } from "effect"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgresUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  const postgres = await Effect.runPromise(Scope.provide(Server.share, scope))
  project.provide("postgresUrl", Redacted.value(postgres.url()))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
