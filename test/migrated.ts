/**
 * The built-in schema, set up on whatever database the client is on.
 */
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"

export const Migrated = Layer.effectDiscard(
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    yield* migrator.setup({ source: yield* SchemaSource.builtIn() })
  })
).pipe(Layer.provide(Migrator.layer), Layer.provide(NodeServices.layer))

/** The statements of a built-in schema: the tables whose types and indexes other statements are held to. */
export const schemaText = (name?: string) =>
  Effect.orDie(SchemaSource.builtIn(name)).pipe(
    Effect.map(({ versions }) =>
      versions
        .flatMap(({ statements }) => statements)
        .map(({ text }) => `${text};`)
        .join("\n")
    ),
    Effect.provide(NodeServices.layer)
  )
