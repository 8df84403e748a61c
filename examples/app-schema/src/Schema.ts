/**
 * The application's schema, brought to its latest version before anything that needs it is built. Of several programs
 * that start at once, one does it.
 */
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"

/** Where the versions are, for the command line too. */
export const directory = fileURLToPath(new URL("../schema", import.meta.url))

/** The name that the version is recorded under. */
export const database = "app"

export const Migrated = Layer.effectDiscard(
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    const source = yield* SchemaSource.directory(directory)
    const { changed, to } = yield* migrator.setup({ source, database })
    yield* Effect.logInfo(changed ? `the schema is at ${to} now` : `the schema was at ${to} already`)
  })
).pipe(Layer.provide(Migrator.layer))
