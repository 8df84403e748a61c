/**
 * Whether a database is what a version says: its tables, columns, keys and
 * indexes against the version's SQL. Both are read by PostgreSQL's own parser,
 * the catalogue as the SQL that would make it, so neither the spelling of a type
 * nor a cast that the server added is a difference. Nothing is written.
 *
 * What is compared is what a catalogue holds: rows, the queries of views and the
 * order of columns are not. Tables that the schema does not name are nobody's
 * business here.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Statement from "@effect-dsql/dialect/Statement"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bookkeeping from "./Bookkeeping.ts"
import * as Catalogue from "./Catalogue.ts"
import { Difference, line } from "./Difference.ts"
import { readable } from "./internal/canonical.ts"
import * as Definitions from "./internal/definitions.ts"
import * as Structure from "./internal/structure.ts"
import { type InvalidBookkeeping, NotSetUp, type UnknownVersion } from "./SchemaError.ts"
import * as SchemaSource from "./SchemaSource.ts"
import type * as Version from "./Version.ts"

/**
 * What a database was compared with, and how it differs.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Verification = Schema.Struct({
  /** The name of the schema: a built-in one, or a path. */
  schema: Schema.String,
  /** The name that the version is recorded under. */
  database: Schema.String,
  /** The version that was compared with. */
  version: Schema.String,
  differences: Schema.Array(Difference)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Verification = typeof Verification.Type

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
  /** The name that the version is recorded under. Default: `postgres`. */
  readonly database?: string | undefined
}): Effect.fn.Return<Verification, NotSetUp | InvalidBookkeeping | UnknownVersion | TransactionError, DsqlClient> {
  const { database = Bookkeeping.defaultDatabase, source } = options
  const recorded = options.version ?? (yield* Bookkeeping.read(database))?.version
  if (recorded === undefined) return yield* new NotSetUp({ database })
  const { version } = yield* SchemaSource.find(source, recorded)
  return { schema: source.name, database, version, differences: yield* differences(source, version) }
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
    const [first, ...more] = this.differences.map(line)
    const others = more.length === 0 ? "" : `, and ${more.length} more`
    return `the database is not at version ${this.version}: ${first}${others}: verify --version ${this.version} lists all, correct them and run again`
  }
}

/**
 * Fails unless a database is what a version says, whatever is recorded: what `Migrator.baseline` takes for a proof.
 *
 * @since 0.1.0
 * @category guards
 */
export const ensure = (
  source: SchemaSource.SchemaSource,
  version: Version.Version
): Effect.Effect<void, CatalogueDiffers | TransactionError, DsqlClient> =>
  Effect.flatMap(differences(source, version), (found) =>
    found.length === 0 ? Effect.void : Effect.fail(new CatalogueDiffers({ version, differences: found }))
  )

/**
 * How a database differs from a version of a schema, whatever is recorded.
 *
 * @since 0.1.0
 * @category execution
 */
export const differences = (
  source: SchemaSource.SchemaSource,
  version: Version.Version
): Effect.Effect<ReadonlyArray<Difference>, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const schema = yield* Definitions.currentSchema
    const versions = SchemaSource.upTo(source, version)
    const expected = yield* structure(
      versions.flatMap(({ statements }) => statements.map(({ postgres }) => postgres)).join(";\n"),
      schema
    )
    const there = yield* Definitions.read([...expected.schemas])
    const invalid = new Set(there.invalid.map((index) => Structure.key(index.schema, index.name, schema)))
    const found = compare(expected, yield* structure(there.sql, schema), invalid)
    return yield* Effect.filter(found, (difference) => Effect.map(isSpelling(difference, expected), (same) => !same))
  })

const literal = /^('.*'|-?[\d.]+)$/s

/** Whether two defaults are one value in two spellings, such as a day and its midnight: the server knows. */
const isSpelling = (
  difference: Difference,
  expected: Structure.Structure
): Effect.Effect<boolean, TransactionError, DsqlClient> => {
  if (difference._tag !== "ColumnDefault") return Effect.succeed(false)
  const type = expected.tables.get(difference.table)?.columns.get(difference.column)?.type ?? ""
  const [left, right] = [difference.expected ?? "", difference.actual ?? ""]
  // Both are literals as the parser read them, and the type is words and numbers: this is no place for other SQL.
  if (!literal.test(left) || !literal.test(right) || !/^[a-z][a-z0-9 (),]*$/.test(type)) return Effect.succeed(false)
  return Catalogue.read(Schema.Struct({ same: Schema.Boolean }), (sql) =>
    sql.unsafe(`SELECT CAST(${left} AS ${type}) = CAST(${right} AS ${type}) AS same`)
  ).pipe(
    Effect.map(([row]) => row?.same === true),
    // A literal that is no value of the type is another one.
    Effect.catchTag("StatementFailed", () => Effect.succeed(false))
  )
}

const structure = (sql: string, schema: string) =>
  Effect.map(
    // Both were parsed before: a version's files when they were read, the catalogue's SQL by the server.
    Effect.orDie(Statement.parse(sql)),
    (statements) =>
      Structure.of(
        statements.map(({ node }) => node),
        schema
      )
  )

const compare = (
  expected: Structure.Structure,
  actual: Structure.Structure,
  invalid: ReadonlySet<string>
): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [name, kind] of expected.relations) {
    if (actual.relations.get(name) !== kind) found.push({ _tag: "Missing", kind, name })
  }
  for (const name of expected.gone) {
    if (!expected.tables.has(name) && actual.tables.has(name)) found.push({ _tag: "Unexpected", kind: "table", name })
  }
  for (const [name, table] of expected.tables) {
    const there = actual.tables.get(name)
    if (there === undefined) {
      found.push({ _tag: "Missing", kind: "table", name })
      continue
    }
    found.push(...columns(name, table, there), ...constraints(name, table, there))
    found.push(...indexes(name, expected, actual, invalid))
  }
  return found
}

const columns = (table: string, expected: Structure.Table, actual: Structure.Table): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [column, wanted] of expected.columns) {
    const there = actual.columns.get(column)
    if (there === undefined) {
      found.push({ _tag: "MissingColumn", table, column, expected: described(wanted) })
      continue
    }
    if (there.type !== wanted.type) {
      found.push({ _tag: "ColumnType", table, column, expected: wanted.type, actual: there.type })
    }
    if (there.nullable !== wanted.nullable) {
      found.push({
        _tag: "ColumnNullability",
        table,
        column,
        expected: nullability(wanted),
        actual: nullability(there)
      })
    }
    if (there.default !== wanted.default) {
      found.push({
        _tag: "ColumnDefault",
        table,
        column,
        expected: shown(wanted.default),
        actual: shown(there.default)
      })
    }
  }
  for (const [column, there] of actual.columns) {
    if (!expected.columns.has(column)) {
      found.push({ _tag: "UnexpectedColumn", table, column, actual: described(there) })
    }
  }
  return found
}

const shown = (text: string | undefined): string | null => (text === undefined ? null : readable(text))

const nullability = ({ nullable }: Structure.Column): string => (nullable ? "NULL" : "NOT NULL")

const described = (column: Structure.Column): string => {
  const required = column.nullable ? "" : " NOT NULL"
  if (column.default === undefined) return `${column.type}${required}`
  return `${column.type}${required}${column.default.startsWith("GENERATED") ? "" : " DEFAULT"} ${readable(column.default)}`
}

const constraints = (table: string, expected: Structure.Table, actual: Structure.Table): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  const wanted = [...expected.constraints.values()]
  const there = [...actual.constraints.values()]
  const [wantedKey, actualKey] = [wanted, there].map((all) =>
    all.find(isPrimaryKey)?.slice(Structure.primaryKey.length + 1)
  )
  if (wantedKey !== actualKey) {
    found.push({ _tag: "PrimaryKey", table, expected: shown(wantedKey), actual: shown(actualKey) })
  }
  for (const constraint of wanted) {
    if (!isPrimaryKey(constraint) && !there.includes(constraint)) {
      found.push({ _tag: "MissingConstraint", table, expected: readable(constraint) })
    }
  }
  for (const constraint of there) {
    if (!isPrimaryKey(constraint) && !wanted.includes(constraint)) {
      found.push({ _tag: "UnexpectedConstraint", table, actual: readable(constraint) })
    }
  }
  return found
}

const isPrimaryKey = (constraint: string): boolean => constraint.startsWith(Structure.primaryKey)

const indexes = (
  table: string,
  expected: Structure.Structure,
  actual: Structure.Structure,
  invalid: ReadonlySet<string>
): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [index, wanted] of expected.indexes) {
    if (wanted.table !== table) continue
    const there = actual.indexes.get(index)
    if (there === undefined || there.table !== table) {
      found.push({ _tag: "MissingIndex", table, index, expected: readable(wanted.definition) })
      continue
    }
    if (there.definition !== wanted.definition) {
      found.push({
        _tag: "IndexDefinition",
        table,
        index,
        expected: readable(wanted.definition),
        actual: readable(there.definition)
      })
    }
    if (invalid.has(index)) found.push({ _tag: "IndexInvalid", table, index })
  }
  for (const [index, there] of actual.indexes) {
    if (there.table === table && expected.indexes.get(index)?.table !== table) {
      found.push({ _tag: "UnexpectedIndex", table, index, actual: readable(there.definition) })
    }
  }
  return found
}
