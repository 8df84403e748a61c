/**
 * One PostgreSQL server for all test files of a run; each file makes a database of its own on it.
 */
import { Postgres } from "@effect-dsql/emulator"
import { Effect, Exit, Redacted, Scope } from "effect"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgresUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(
    Postgres.make({ settings: { max_connections: 300, fsync: "off", synchronous_commit: "off" } }).pipe(
      Scope.provide(scope)
    )
  )
  project.provide("postgresUrl", Redacted.value(server.url()))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
