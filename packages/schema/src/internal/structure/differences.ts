/**
 * Reads a schema's statements and the catalogue with the same parser, and compares what both come to: for a version as
 * a whole, and for what one statement leaves.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Statement from "@effect-dsql/dialect/Statement"
import * as Effect from "effect/Effect"
import type { Difference } from "../../Difference.ts"
import type { AcceptedTypes } from "../../Manifest.ts"
import * as SchemaSource from "../../SchemaSource.ts"
import type { Name, SqlStatement } from "../../SqlStatement.ts"
import type * as Version from "../../Version.ts"
import * as Definitions from "../catalogue/definitions.ts"
import type * as Rows from "../transaction/rows.ts"
import { compare } from "./compare.ts"
import * as Course from "./course.ts"
import * as Sameness from "./sameness.ts"
import * as Structure from "./structure.ts"

/** What a schema says. */
export interface Expected {
  /** Its statements, in their order. */
  readonly statements: ReadonlyArray<SqlStatement>
  readonly acceptedTypes: AcceptedTypes
}

/** What a schema says up to a version, the latest where none is given. */
export const expected = (
  source: SchemaSource.SchemaSource,
  version: Version.Version = SchemaSource.latest(source).version
): Expected => {
  const versions = SchemaSource.upTo(source, version)
  return {
    statements: versions.flatMap(({ statements }) => statements),
    acceptedTypes: Object.fromEntries(versions.flatMap(({ acceptedTypes = {} }) => Object.entries(acceptedTypes)))
  }
}

/** How a database differs from what a schema says, whatever is recorded. */
export const ofSchema = (schema: Expected): Effect.Effect<ReadonlyArray<Difference>, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const statements = yield* parsedOf(schema)
    const { expected, there } = yield* Transaction.run(
      Effect.gen(function* () {
        const current = yield* Definitions.currentSchema
        const expected = Structure.of(statements, current)
        return { expected, there: yield* select(current, [...expected.schemas], Structure.namesIn(expected)) }
      }),
      { operation: "ReadCatalogue", readOnly: true }
    )
    const found = yield* Sameness.answered((same) => compare(expected, there.structure, there.invalid, same))
    return unaccepted(found, schema)
  })

/** Reads what is there under some names, for a transaction that reads more. */
export const thereOf = (names: ReadonlyArray<Name>): Rows.Selection<Course.There> =>
  Effect.flatMap(Definitions.currentSchema, (schema) =>
    select(
      schema,
      names.map((name) => name.schema ?? schema),
      names.map(({ name }) => name)
    )
  )

/**
 * How what is there differs from what a statement of a schema leaves; not at all where it is as a later one leaves it,
 * or where the schema does not say.
 */
export const ofStatement = (
  statement: SqlStatement,
  schema: Expected,
  there: Course.There
): Effect.Effect<ReadonlyArray<Difference>, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const whole = schema.statements.includes(statement) ? schema : { ...schema, statements: [statement] }
    const statements = yield* parsedOf(whole)
    const at = whole.statements.indexOf(statement)
    const courses = (same: Sameness.Same) => Course.differences(statements, at, statement.target, there, same)
    const own = yield* Sameness.answered((same) => courses(same)[0] ?? [])
    const found = unaccepted(own, schema)
    if (found.length === 0) return found
    const [, ...later] = yield* Sameness.answered(courses)
    return later.some((each) => unaccepted(each, schema).length === 0) ? [] : found
  })

// A schema is compared at each of its statements that shows, and parsed once.
const trees = new WeakMap<Expected, ReadonlyArray<Statement.Statement>>()

const parsedOf = (schema: Expected): Effect.Effect<ReadonlyArray<Statement.Statement>> =>
  Effect.suspend(() => {
    const known = trees.get(schema)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.map(parsed(schema.statements.map(({ postgres }) => postgres).join(";\n")), (statements) => {
      trees.set(schema, statements)
      return statements
    })
  })

/** Both were parsed before: a version's files when they were read, the catalogue's SQL by the server. */
const parsed = (sql: string): Effect.Effect<ReadonlyArray<Statement.Statement>> => Effect.orDie(Statement.parse(sql))

const select = (
  schema: string,
  schemas: ReadonlyArray<string>,
  names: ReadonlyArray<string>
): Rows.Selection<Course.There> =>
  Effect.gen(function* () {
    const { invalid, sql } = yield* Definitions.select(schemas, names)
    return {
      schema,
      structure: Structure.of(yield* parsed(sql), schema),
      invalid: new Set(invalid.map((index) => Structure.key(index.schema, index.name, schema)))
    }
  })

/** Differences, but for those that are accepted. */
const unaccepted = (differences: ReadonlyArray<Difference>, { acceptedTypes }: Expected): ReadonlyArray<Difference> =>
  differences.filter((difference) => !isAccepted(difference, acceptedTypes))

const isAccepted = (difference: Difference, accepted: AcceptedTypes): boolean =>
  difference._tag === "ColumnType" &&
  accepted[`${difference.table}.${difference.column}`]?.includes(difference.actual) === true
