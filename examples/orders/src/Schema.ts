/**
 * The tables, brought to their latest version before anything that needs them is built.
 */
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"

/** Every version, for the service and for its tests. */
export const source = SchemaSource.directory(fileURLToPath(new URL("../schema", import.meta.url)))

/** Of several processes that start at once, one migrates and the others wait for it. */
export const Migrated = Layer.effectDiscard(
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    const { changed, to } = yield* migrator.setup({ source: yield* source, database: "orders" })
    yield* Effect.logInfo(changed ? `the schema is at ${to} now` : `the schema was at ${to} already`)
  })
).pipe(Layer.provide(Migrator.layer))
