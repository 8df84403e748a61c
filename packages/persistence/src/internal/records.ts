/**
 * Many rows as one parameter per column, so that a statement's text does not depend on how many there are.
 */
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/** The type of a column, as PostgreSQL names it. */
export type ColumnType = "bigint" | "boolean" | "bytea" | "integer" | "text" | "timestamp" | "uuid"

/** What a column of a record may hold. */
export type Value = bigint | boolean | number | string | Date | Uint8Array | null

/** `unnest` of each column of the records, to stand in FROM: give it an alias with the columns' names. */
export const records = <Columns extends Readonly<Record<string, ColumnType>>>(
  sql: SqlClient,
  columns: Columns,
  rows: ReadonlyArray<{ readonly [Column in keyof Columns]: Value }>
): Fragment => {
  const values = Object.entries(columns).map(
    ([name, type]) => sql`${rows.map((row) => row[name] ?? null)}::${sql.literal(`${type}[]`)}`
  )
  return sql`unnest(${sql.csv(values)})`
}
