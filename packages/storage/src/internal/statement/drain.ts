/**
 * Deletes as many rows as there are, in statements of a bounded number of rows that each commit by themselves.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import type { Failure, Statements } from "./statement.ts"

/** Rows that one statement deletes at most: far below the 3,000 of a transaction, because a long one conflicts more. */
const most = 500

/** The rows of a table for which a condition holds, and its key. */
export interface Rows {
  readonly table: string
  readonly key: ReadonlyArray<string>
  /** In which order they go, where not in that of their key: that of an index that finds them. */
  readonly order?: ReadonlyArray<string> | undefined
  readonly where: Expression.Expression
}

/** Deletes rows, the first ones first, until none is left. Run again after a failure, it goes on. */
export const drain = (statements: Statements, operation: string, rows: Rows): Effect.Effect<void, Failure> =>
  Effect.flatMap(
    statements.write(operation, { guards: [], writes: [Write.counted("gone", removal(rows))] }),
    ({ gone }) => (Number(gone) < most ? Effect.void : drain(statements, operation, rows))
  )

const removal = ({ key, order = key, table, where }: Rows): Write.Write => {
  const names = Expression.names(key)
  const first = Expression.sql`SELECT ${names} FROM ${Expression.name(table)} WHERE ${where} ORDER BY ${Expression.names(order)} LIMIT ${most}`
  return Write.remove({ table, where: Expression.sql`(${names}) IN (${first})` })
}
