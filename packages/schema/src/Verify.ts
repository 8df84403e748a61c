/**
 * Whether a database is what a version says: its tables, columns, keys and
 * indexes against the version's SQL. Both are read by PostgreSQL's own parser,
 * the catalogue as the SQL that would make it; what is not the same text then,
 * the server is asked about, which plans both without running them. So neither
 * the spelling of a type nor a cast that the server added is a difference, and
 * any other cast is. Where nothing tells, a line of the log says so. Nothing is
 * written.
 *
 * What is compared is what a catalogue holds: rows, the order of columns and
 * what a primary key carries on Aurora DSQL are not. Tables that the schema does
 * not name are nobody's business here. A type that a manifest accepts
 * (`AcceptedColumnTypes`) is no difference.
 *
 * @since 0.1.0
 * @stability stable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type Difference, summary, type Verification } from "./Difference.ts"
import * as Books from "./internal/books/books.ts"
import { databaseOf } from "./internal/run/run.ts"
import * as Belonging from "./internal/run/belonging.ts"
import * as Differences from "./internal/structure/differences.ts"
import * as Seeds from "./internal/structure/seeds.ts"
import { type AnotherSchema, type InvalidBookkeeping, NotSetUp } from "./MigrationError.ts"
import * as SchemaSource from "./SchemaSource.ts"
import type { UnknownVersion } from "./SourceError.ts"
import type * as Version from "./Version.ts"

/**
 * Compares a database with a version of a schema, the recorded one where none is given.
 *
 * @example
 * ```ts
 * import { Difference, SchemaSource, Verify } from "@effect-dsql/schema"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const source = yield* SchemaSource.builtIn()
 *   const { differences, version } = yield* Verify.verify({ source })
 *   for (const difference of differences) yield* Effect.logWarning(`${version}: ${Difference.line(difference)}`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category execution
 */
export const verify = Effect.fn("Verify.verify")(function* (options: {
  readonly source: SchemaSource.SchemaSource
  /** The version to compare with. Default: the recorded one. */
  readonly version?: Version.Version | undefined
  /** The name that the version is recorded under. Default: that of the schema. */
  readonly database?: string | undefined
}): Effect.fn.Return<
  Verification,
  NotSetUp | AnotherSchema | InvalidBookkeeping | UnknownVersion | TransactionError,
  DsqlClient
> {
  const { source } = options
  const database = databaseOf(options)
  const at = options.version ?? (yield* recorded(source, database))
  const { version } = yield* SchemaSource.find(source, at)
  return {
    schema: source.name,
    database,
    version,
    differences: yield* Differences.ofSchema(Differences.expected(source, version))
  }
})

const recorded = Effect.fnUntraced(function* (source: SchemaSource.SchemaSource, database: string) {
  const books = yield* Books.read(database)
  yield* Belonging.read(source, books, database)
  if (books.recorded !== undefined) return books.recorded.version
  return yield* new NotSetUp({ database, schema: source.name, begun: books.journal.length > 0 })
})

/**
 * The database is not what a version says.
 *
 * @since 0.1.0
 * @category errors
 */
export class CatalogueDiffers extends Data.TaggedError("CatalogueDiffers")<{
  readonly version: Version.Version
  /** At least one. */
  readonly differences: ReadonlyArray<Difference>
}> {
  override get message(): string {
    return `the database is not at version ${this.version}: ${summary(this.differences)}: verify --version ${this.version} lists all, correct them and run again`
  }
}

/**
 * Fails unless a database is what a version says, whatever is recorded: what `Migrator.baseline` takes for a proof. What
 * an INSERT of the version has put into a table must be there too, as far as that the table has rows.
 *
 * @since 0.1.0
 * @category guards
 */
export const ensure = (
  source: SchemaSource.SchemaSource,
  version: Version.Version
): Effect.Effect<void, CatalogueDiffers | TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const schema = Differences.expected(source, version)
    const found = yield* Differences.ofSchema(schema)
    const differences = found.length > 0 ? found : yield* Seeds.missing(schema)
    if (differences.length > 0) return yield* new CatalogueDiffers({ version, differences })
  })
