/**
 * The rows that a schema's own statements put into its tables: whether they can be there.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import { as } from "@effect-dsql/dialect/ParseTree"
import * as Statement from "@effect-dsql/dialect/Statement"
import * as Effect from "effect/Effect"
import type { Difference } from "../../Difference.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import { display } from "../sql/target.ts"
import type { Expected } from "./differences.ts"

/** The tables that are empty though an INSERT of VALUES has filled them. What later statements take out is not known. */
export const missing = ({
  statements
}: Expected): Effect.Effect<ReadonlyArray<Difference>, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const found: Array<Difference> = []
    if (statements.some(({ summary }) => /^(DELETE|DROP|DO|CALL)\b/.test(summary))) return found
    for (const { changesRows, location, text } of statements) {
      if (!changesRows) continue
      const [statement] = yield* Effect.orDie(Statement.parse(text))
      const insert = as(statement?.node, "InsertStmt")
      const { relname, schemaname } = insert?.relation ?? {}
      if (relname === undefined || as(insert?.selectStmt, "SelectStmt")?.valuesLists === undefined) continue
      const name = { schema: schemaname, name: relname }
      if (yield* Catalogue.hasRows(name)) continue
      found.push({ _tag: "MissingRows", table: display(name), location })
    }
    return found
  })
