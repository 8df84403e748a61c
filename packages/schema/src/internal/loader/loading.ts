/**
 * Effect's migrations, loaded and written down: a version of a schema for each.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as EffectSql from "effect/sql/Migrator"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SchemaSource } from "../../SchemaSource.ts"
import { InvalidSource, type SourceError } from "../../SourceError.ts"
import type { SqlStatement } from "../../SqlStatement.ts"
import * as Version from "../../Version.ts"
import * as SqlFile from "../sql/sqlFile.ts"
import * as Ledger from "./ledger.ts"
import { record } from "./recorder.ts"

/** All migrations of a loader, in the order of their ids, with their rows in the ledger. */
export const source = Effect.fnUntraced(function* <R>(
  loader: EffectSql.Loader<R>,
  table: string
): Effect.fn.Return<SchemaSource, EffectSql.MigrationError | SourceError, R> {
  const migrations = (yield* loader).toSorted(([a], [b]) => a - b)
  const ids = migrations.map(([id]) => id)
  if (new Set(ids).size !== ids.length) {
    return yield* new EffectSql.MigrationError({ kind: "Duplicates", message: "Found duplicate migration id's" })
  }
  const first = versionOf(Ledger.version, "the ledger", yield* own(Ledger.creation(table), table))
  const rest = yield* Effect.forEach(
    migrations,
    Effect.fnUntraced(function* (migration) {
      const [id, name] = migration
      const path = `${id}_${name}`
      if (!Number.isInteger(id) || id < 1 || id > lastId) {
        const problem = `the id of a migration is a whole number from 1 to ${lastId}: Effect's migrator skips 0, and its ledger has no larger one`
        return yield* new InvalidSource({ path, problem })
      }
      const statements = yield* record(
        Effect.flatMap(load(migration), (loaded) => named(path, loaded)),
        path
      )
      const entry = yield* own(Ledger.entry(table, id, name), path)
      return versionOf(Version.Version.make(String(id)), name, [...statements, ...entry])
    })
  )
  return { name: table, versions: [first, ...rest] }
})

/** What fits a version. The ledger's column goes to twice as much. */
const lastId = 999_999_999

const versionOf = (version: Version.Version, description: string, statements: ReadonlyArray<SqlStatement>) => ({
  version,
  minCompatible: version,
  description,
  files: [],
  md5: "",
  statements
})

/** A statement of this module's own. */
const own = (text: string, path: string) => SqlFile.parse(new TextEncoder().encode(text), path)

type Migration = Effect.Effect<unknown, unknown, SqlClient>

/** What a migration fails with before it is run, in the words of Effect's migrator. */
const named = (path: string, migration: Migration) =>
  Effect.mapError(
    migration,
    (cause) => new EffectSql.MigrationError({ cause, kind: "Failed", message: `Migration "${path}" failed` })
  )

/** A migration is an Effect, or a module whose default export is one, as bundlers give it. */
const load = ([id, name, load]: EffectSql.ResolvedMigration): Effect.Effect<
  Migration,
  EffectSql.MigrationError,
  SqlClient
> =>
  Effect.gen(function* () {
    const broken = (message: string) => new EffectSql.MigrationError({ kind: "ImportError", message })
    // Of the loader's making, whatever it is.
    const loaded: unknown = yield* Effect.catchDefect(load, (defect) =>
      Effect.fail(broken(`Could not import migration "${id}_${name}": ${String(defect)}`))
    )
    if (Effect.isEffect(loaded)) return loaded as Migration
    const outer = defaultOf(loaded)
    if (outer === undefined) return yield* broken(`Default export not found for migration "${id}_${name}"`)
    const migration = defaultOf(outer) ?? outer
    if (!Effect.isEffect(migration)) {
      return yield* broken(`Default export was not an Effect for migration "${id}_${name}"`)
    }
    return migration as Migration
  })

const defaultOf = (module: unknown): unknown =>
  Predicate.hasProperty(module, "default") ? (module.default ?? undefined) : undefined
