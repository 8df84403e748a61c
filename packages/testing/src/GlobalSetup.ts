/**
 * Vitest's `globalSetup` for a run of many files: one server for all of them.
 *
 * `globalSetup: ["@effect-dsql/testing/GlobalSetup"]` in `vitest.config.ts` is
 * all that it takes. Without it every file starts a server of its own.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Server from "./Server.ts"

/**
 * Starts the server, and gives what stops it.
 *
 * @since 0.1.0
 * @category constructors
 */
export default async function setup(): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  await Effect.runPromise(Scope.provide(Server.share, scope))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
