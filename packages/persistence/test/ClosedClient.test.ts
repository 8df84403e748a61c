/**
 * Stores that outlive their connections.
 */
import { Archetype, Clusters, Executions, Namespaces, Persistence, Shards } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { blob, clusterName, key, namespaceId, shardId } from "./support/rows.ts"

describe("A store whose client has been closed", () => {
  it.live("ends every operation with an error that says so, and with no defect", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const stores = Persistence.layer.pipe(Layer.provideMerge(Testing.layer({ source: SchemaSource.builtIn() })))
      const context = yield* Layer.buildWithScope(stores, scope)
      const shards = Context.get(context, Shards.Shards)
      yield* shards.getOrCreate(shardId(), () => ({ rangeId: 1n, info: blob() }))
      yield* Scope.close(scope, Exit.void)
      const operations: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        shards.getOrCreate(shardId(), () => ({ rangeId: 1n, info: blob() })),
        Context.get(context, Executions.Executions).getCurrent(key(Archetype.workflow)),
        Context.get(context, Namespaces.Namespaces).deleteById(namespaceId()),
        Context.get(context, Clusters.Clusters).save({ name: clusterName(), metadata: blob() }, 0n)
      ]
      for (const operation of operations) {
        assert.strictEqual((yield* Effect.flip(operation))._tag, "ConnectionUnavailable")
      }
    })
  )
})
