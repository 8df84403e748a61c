/**
 * How a database is not what a version of a schema says, as values: for people
 * one line each, for programs JSON.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Schema from "effect/Schema"
import { Version } from "./Version.ts"

const text = Schema.String
const sides = { expected: Schema.NullOr(Schema.String), actual: Schema.NullOr(Schema.String) }

/**
 * One way in which a database is not what a version says. Where both sides are
 * given, null stands for none.
 *
 * - `Missing`: a table, view or sequence is not there.
 * - `Unexpected`: a table is there that the version has dropped or renamed.
 * - `ViewDefinition`: a view has another query, other columns or options.
 * - `SequenceOptions`: a sequence has another type, step, limit, start, cache or end.
 * - `MissingColumn`, `UnexpectedColumn`: a table has too few or too many.
 * - `ColumnType`, `ColumnNullability`, `ColumnDefault`: a column is another.
 * - `PrimaryKey`: a table has another one, or none.
 * - `MissingConstraint`, `UnexpectedConstraint`: UNIQUE, CHECK, FOREIGN KEY; by what they say, whatever their name.
 * - `MissingIndex`, `UnexpectedIndex`, `IndexDefinition`: a table has other indexes.
 * - `MissingRows`: a table is empty that the version puts rows into; told where a database is adopted.
 * - `IndexInvalid`: an index is there, and its build failed or is not finished.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Difference = Schema.Union([
  Schema.TaggedStruct("Missing", { kind: Schema.Literals(["table", "view", "sequence"]), name: text }),
  Schema.TaggedStruct("Unexpected", { kind: Schema.Literals(["table"]), name: text }),
  Schema.TaggedStruct("ViewDefinition", { name: text, expected: text, actual: text }),
  Schema.TaggedStruct("SequenceOptions", { name: text, expected: text, actual: text }),
  Schema.TaggedStruct("MissingColumn", { table: text, column: text, expected: text }),
  Schema.TaggedStruct("UnexpectedColumn", { table: text, column: text, actual: text }),
  Schema.TaggedStruct("ColumnType", { table: text, column: text, expected: text, actual: text }),
  Schema.TaggedStruct("ColumnNullability", { table: text, column: text, expected: text, actual: text }),
  Schema.TaggedStruct("ColumnDefault", { table: text, column: text, ...sides }),
  Schema.TaggedStruct("PrimaryKey", { table: text, ...sides }),
  Schema.TaggedStruct("MissingConstraint", { table: text, expected: text }),
  Schema.TaggedStruct("UnexpectedConstraint", { table: text, actual: text }),
  Schema.TaggedStruct("MissingIndex", { table: text, index: text, expected: text }),
  Schema.TaggedStruct("UnexpectedIndex", { table: text, index: text, actual: text }),
  Schema.TaggedStruct("IndexDefinition", { table: text, index: text, expected: text, actual: text }),
  Schema.TaggedStruct("MissingRows", { table: text, location: text }),
  Schema.TaggedStruct("IndexInvalid", { table: text, index: text })
])

/**
 * @since 0.1.0
 * @category models
 */
export type Difference = typeof Difference.Type

/**
 * What a database was compared with, and how it differs. Encoded, it is the JSON that the command line prints.
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
  version: Version,
  differences: Schema.Array(Difference)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Verification = typeof Verification.Type

/**
 * A difference as one line for people.
 *
 * @since 0.1.0
 * @category conversions
 */
export const line = (difference: Difference): string => {
  switch (difference._tag) {
    case "Missing":
      return `${difference.kind} ${difference.name} is missing`
    case "Unexpected":
      return `${difference.kind} ${difference.name} is there, the version has dropped it`
    case "ViewDefinition":
      return `view ${difference.name} is ${short(difference.actual)}, expected ${short(difference.expected)}`
    case "SequenceOptions":
      return `sequence ${difference.name} is ${difference.actual}, expected ${difference.expected}`
    case "MissingColumn":
      return `column ${difference.table}.${difference.column} is missing: expected ${difference.expected}`
    case "UnexpectedColumn":
      return `column ${difference.table}.${difference.column} is not of the version: ${difference.actual}`
    case "ColumnType":
      return `column ${difference.table}.${difference.column} has type ${difference.actual}, expected ${difference.expected}`
    case "ColumnNullability":
      return `column ${difference.table}.${difference.column} is ${difference.actual}, expected ${difference.expected}`
    case "ColumnDefault":
      return `column ${difference.table}.${difference.column} has ${side("default", difference.actual)}, expected ${side("", difference.expected)}`
    case "PrimaryKey":
      return `table ${difference.table} has ${side("primary key", difference.actual)}, expected ${side("", difference.expected)}`
    case "MissingConstraint":
      return `table ${difference.table} lacks ${difference.expected}`
    case "UnexpectedConstraint":
      return `table ${difference.table} has ${difference.actual}, which is not of the version`
    case "MissingIndex":
      return `index ${difference.index} on ${difference.table} is missing: expected ${difference.expected}`
    case "UnexpectedIndex":
      return `index ${difference.index} on ${difference.table} is not of the version: ${difference.actual}`
    case "IndexDefinition":
      return `index ${difference.index} on ${difference.table} is ${difference.actual}, expected ${difference.expected}`
    case "MissingRows":
      return `table ${difference.table} is empty, and ${difference.location} puts rows into it`
    case "IndexInvalid":
      return `index ${difference.index} on ${difference.table} is invalid: run repair to build it again`
  }
}

/**
 * The first of some differences as one line for people, and how many more there are.
 *
 * @since 0.1.0
 * @category conversions
 */
export const summary = (differences: ReadonlyArray<Difference>): string => {
  const [first = "", ...more] = differences.map(line)
  return more.length === 0 ? first : `${first}, and ${more.length} more`
}

const side = (what: string, value: string | null): string =>
  value === null ? `no ${what}`.trim().replace(/^no$/, "none") : `${what} ${value}`.trim()

/** Characters of a query that a line shows. */
const longest = 120

const short = (query: string): string => (query.length > longest ? `${query.slice(0, longest - 1)}…` : query)
