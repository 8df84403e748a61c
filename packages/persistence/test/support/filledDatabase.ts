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
import { fill, growing, owners } from "./filled.ts"

/** The database, and its schema's statements. */
export class Filled extends Context.Service<Filled, { readonly url: Redacted.Redacted; readonly schema: string }>()(
  "Filled"
) {}

/** One whose tables, or some of them, have so many rows. */
export const filledWith = (rows: number, tables: Iterable<string>) =>
  Layer.effect(
    Filled,
    Effect.gen(function* () {
      const { url } = yield* Testing.make({ source: SchemaSource.builtIn() })
      const beneath = sharedPostgres().url(new URL(Redacted.value(url)).pathname.slice(1))
      const stores = Persistence.layer.pipe(Layer.provideMerge(DsqlClient.layerUrl({ url: beneath })))
      yield* Effect.gen(function* () {
        yield* owners
        yield* fill((yield* DsqlClient.DsqlClient).sql, 2, rows, tables)
      }).pipe(Effect.provide(stores))
      return { url: beneath, schema: yield* schemaText() }
    })
  )

/** One that has more rows around whatever is done than any operation needs to read. */
export const FilledDatabase = filledWith(10_000, growing)
