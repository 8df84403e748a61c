import { ConnectionBudget, DsqlClient, Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { clusterDatabase } from "../../../test/database.ts"

/** Leases room, for as long as the scope that is given back is open. */
const take = (from: ConnectionBudget.ConnectionBudget) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.provide(from.lease, scope)
    return scope
  })

const ask = Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1 AS n`))

describe("ConnectionBudget.layer", () => {
  it.effect("gives so much room, and gives it anew when it comes back", () =>
    Effect.gen(function* () {
      const shared = yield* ConnectionBudget.ConnectionBudget
      const first = yield* take(shared)
      yield* take(shared)
      const failure = yield* Effect.flip(take(shared))
      assert.strictEqual(failure.message, "the connection budget of 2 is used up")
      yield* Scope.close(first, Exit.void)
      // Once more changes nothing.
      yield* Scope.close(first, Exit.void)
      yield* take(shared)
      yield* Effect.flip(take(shared))
    }).pipe(Effect.provide(ConnectionBudget.layer({ limit: 2 })))
  )

  it.effect.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("cannot have a limit of %s", (limit) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Layer.build(ConnectionBudget.layer({ limit })))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), `limit must be a whole number of at least 1, and is ${limit}`)
    })
  )

  it.live("is asked before a pool opens a connection, and told when one is closed", () =>
    Effect.gen(function* () {
      const url = yield* clusterDatabase
      const shared = yield* Layer.build(ConnectionBudget.layer({ limit: 1 }))
      const options = { url, waitTimeout: "1 second" } as const
      const first = yield* Scope.make()
      const one = yield* Layer.buildWithScope(DsqlClient.layerUrl(options), first).pipe(Effect.provideContext(shared))
      const other = yield* Layer.build(Layer.fresh(DsqlClient.layerUrl(options))).pipe(Effect.provideContext(shared))
      yield* Effect.provide(ask, one)
      const failure = yield* Effect.flip(Effect.provide(ask, other))
      assert.include(failure, { _tag: "TooManyConnections" } as const)
      assert.include(failure.message, "budget")
      yield* Scope.close(first, Exit.void)
      assert.deepStrictEqual(yield* Effect.provide(ask, other), [{ n: 1 }])
    })
  )
})
