/**
 * Reads a version's files and the catalogue with the same parser, and compares what both come to.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Statement from "@effect-dsql/dialect/Statement"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Difference } from "../../Difference.ts"
import * as SchemaSource from "../../SchemaSource.ts"
import type * as Version from "../../Version.ts"
import * as Definitions from "../catalogue/definitions.ts"
import * as Rows from "../transaction/rows.ts"
import { compare } from "./compare.ts"
import * as Structure from "./structure.ts"

/** How a database differs from a version of a schema, whatever is recorded. */
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
  return Rows.read(Schema.Struct({ same: Schema.Boolean }), (sql) =>
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
