/**
 * Schemas to migrate: the built-in one, and ones made of a few statements.
 */
import { type Migration, Migrator, SchemaSource, Version } from "@effect-dsql/schema"
import { Effect } from "effect"
import * as SqlFile from "../../src/internal/sql/sqlFile.ts"

export const version = (text: string) => Effect.runSync(Version.parse(text))

/** Tools with the built-in schema, on the test's own database. */
export const temporal = Effect.gen(function* () {
  const migrator = yield* Migrator.Migrator
  const source = yield* SchemaSource.builtIn()
  return {
    source,
    setup: (options: Omit<Migration.SetupOptions, "source"> = {}) => migrator.setup({ source, ...options }),
    update: (options: Omit<Migration.Options, "source"> = {}) => migrator.update({ source, ...options }),
    status: migrator.status({ source })
  }
})

/** A schema whose versions 1.0, 1.1 and so on are these texts. */
export const sourceOf = (...texts: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.map(
    Effect.forEach(texts, (text, i) =>
      Effect.map(
        SqlFile.parse(new TextEncoder().encode(text), `v1.${i}/a.sql`),
        (statements): SchemaSource.SchemaVersion => ({
          version: version(`1.${i}`),
          minCompatible: version("1.0"),
          description: "",
          files: ["a.sql"],
          md5: "",
          statements
        })
      )
    ),
    ([first, ...rest]): SchemaSource.SchemaSource => ({ name: "test", versions: [first, ...rest] })
  )
