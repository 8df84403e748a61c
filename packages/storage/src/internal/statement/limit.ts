/**
 * How many rows a query gives, as a number that its plan does not look into: where nothing is known of a table, rows are
 * thought to be fewer, and all of them are fetched and sorted for the first ones.
 */
import * as Expression from "@effect-dsql/core/Expression"

export const hidden = (rows: number): Expression.Expression =>
  Expression.sql`(SELECT ${Expression.value("bigint", BigInt(rows))})`
