/**
 * The stores on a migrated database of their own.
 */
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { Persistence } from "@effect-dsql/persistence"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { TestCluster } from "../../../../test/database.ts"

const Migrated = Layer.effectDiscard(
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    yield* migrator.setup({ source: yield* SchemaSource.builtIn() })
  })
).pipe(Layer.provide(Migrator.layer), Layer.provide(NodeServices.layer))

export const TestPersistence = Persistence.layer.pipe(Layer.provideMerge(Migrated), Layer.provideMerge(TestCluster()))
