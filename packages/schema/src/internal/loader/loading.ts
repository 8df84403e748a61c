/**
 * Effect's migrations, loaded and written down: a version of a schema for each.
 */
import * as Clock from "effect/Clock"
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
  const recorded = yield* Effect.forEach(migrations, (migration) => recordedOf(migration))
  yield* nextInstant
  yield* Effect.forEach(recorded, unchanging, { discard: true })
  const rest = yield* Effect.forEach(recorded, ({ id, name, path, statements }) =>
    Effect.map(own(Ledger.entry(table, id, name), path), (entry) =>
      versionOf(Version.Version.make(String(id)), name, [...statements, ...entry])
    )
  )
  return { name: table, versions: [first, ...rest] }
})

/** A migration as it was written down. */
interface Recorded {
  readonly id: number
  readonly name: string
  readonly path: string
  /** Writes it down once more. */
  readonly again: Effect.Effect<ReadonlyArray<SqlStatement>, EffectSql.MigrationError | SourceError>
  readonly statements: ReadonlyArray<SqlStatement>
}

const recordedOf = Effect.fnUntraced(function* (
  migration: EffectSql.ResolvedMigration
): Effect.fn.Return<Recorded, EffectSql.MigrationError | SourceError> {
  const [id, name] = migration
  const path = `${id}_${name}`
  if (!Number.isInteger(id) || id < 1 || id > lastId) {
    const problem = `the id of a migration is a whole number from 1 to ${lastId}: Effect's migrator skips 0, and its ledger has no larger one`
    return yield* new InvalidSource({ path, problem })
  }
  const again = record(
    Effect.flatMap(load(migration), (loaded) => named(path, loaded)),
    path
  )
  return { id, name, path, again, statements: yield* again }
})

/** What a migration draws anew is another statement at the next start, which is taken for a migration that has changed. */
const unchanging = ({ again, path, statements }: Recorded) =>
  Effect.flatMap(again, (repeated) => {
    const length = Math.max(statements.length, repeated.length)
    const place = Array.from({ length }, (_, index) => index).find(
      (index) => statements[index]?.checksum !== repeated[index]?.checksum
    )
    if (place === undefined) return Effect.void
    const problem = `statement ${place + 1} is another one each time that the migration is run, which is at each start: write a value down in place of a random one or the time, or let the database make it, with gen_random_uuid() or now()`
    return Effect.fail(new InvalidSource({ path, problem }))
  })

/** A time that is drawn before it is another one than after it, whatever clock a program has in place of this one. */
const nextInstant = Effect.provideService(Effect.sleep("2 millis"), Clock.Clock, Clock.Clock.defaultValue())

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
