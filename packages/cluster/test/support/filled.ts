/**
 * A cluster's tables on plain PostgreSQL, which has no limit to what a transaction writes, and says what it reads.
 */
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { TestDatabase } from "../../../../test/database.ts"

/** A database of its own with the tables. */
export const Tables = Layer.effectDiscard(
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    yield* migrator.setup({ source: yield* SchemaSource.builtIn("dsql/cluster") })
  })
).pipe(
  Layer.provide(Migrator.layer),
  Layer.provide(NodeServices.layer),
  Layer.provideMerge(TestDatabase({ guarded: "statement" }))
)
