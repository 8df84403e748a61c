/**
 * How many rows a query gives, or passes over, as a number that its plan does not look into.
 *
 * The first executions of a connection are planned for their parameters. Where nothing is known of a table, the rows of
 * a hot key are thought to be fewer than a page, so that all of them are fetched and sorted for the first page of them.
 * A planner that does not know how many rows are wanted reads them in the order of their key, as it does later on.
 */
import * as Expression from "@effect-dsql/core/Expression"

export const hidden = (rows: number): Expression.Expression =>
  Expression.sql`(SELECT ${Expression.value("bigint", BigInt(rows))})`
