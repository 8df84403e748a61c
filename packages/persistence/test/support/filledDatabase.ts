/**
 * A database of a suite's own that is filled, on the server beneath the emulator: whose plans are the server's.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { Context, Effect, Layer, Redacted } from "effect"
import { schemaText } from "../../../../test/migrated.ts"
import { sharedPostgres } from "../../../../test/postgres.ts"
import { fill, owners } from "./filled.ts"

/** Rows around whatever is done: more than any operation needs to read. */
const rows = 10_000

/** The database, and its schema's statements. */
export class Filled extends Context.Service<Filled, { readonly url: Redacted.Redacted; readonly schema: string }>()(
  "Filled"
) {}

export const FilledDatabase = Layer.effect(
  Filled,
  Effect.gen(function* () {
    const { url } = yield* Testing.make({ source: SchemaSource.builtIn() })
    const beneath = sharedPostgres().url(new URL(Redacted.value(url)).pathname.slice(1))
    const stores = Persistence.layer.pipe(Layer.provideMerge(DsqlClient.layerUrl({ url: beneath })))
    yield* Effect.gen(function* () {
      yield* owners
      yield* fill((yield* DsqlClient.DsqlClient).sql, 2, rows)
    }).pipe(Effect.provide(stores))
    return { url: beneath, schema: yield* schemaText() }
  })
)
