/**
 * The rows that keep a unique index from being built: keys that more than one row has.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Name } from "../../SqlStatement.ts"
import * as Rows from "../transaction/rows.ts"

// Enough to see what is wrong, few enough for a line.
const shown = 5
const length = 60

const Part = Schema.Struct({
  table: Schema.String,
  schema: Schema.String,
  unique: Schema.Boolean,
  distinct: Schema.Boolean,
  predicate: Schema.NullOr(Schema.String),
  position: Schema.Int,
  expression: Schema.String
})

const Key = Schema.Struct({ key: Schema.NullOr(Schema.String), rows: Schema.Int })

/**
 * Reads a few of the keys that rows of an index's table share, each as `(name) = (x) in 2 rows`: none where it is not
 * unique, and none where they cannot be read, because this is said beside an error that matters more.
 */
export const of = (index: Name): Effect.Effect<ReadonlyArray<string>, never, DsqlClient> =>
  Effect.gen(function* () {
    const parts = yield* Rows.read(
      Part,
      (sql) => sql`SELECT t.relname::text AS table, n.nspname::text AS schema, i.indisunique AS unique,
          NOT i.indnullsnotdistinct AS distinct, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate, k AS position,
          pg_catalog.pg_get_indexdef(i.indexrelid, k, false) AS expression
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
        JOIN generate_series(1, 32) k ON k <= i.indnkeyatts
        WHERE c.relname = ${index.name}
          AND n.nspname = ${index.schema === undefined ? sql`current_schema()` : index.schema}
        ORDER BY k`
    )
    const [first] = parts
    if (first === undefined || !first.unique) return []
    const columns = parts.map(({ expression }) => expression)
    const table = Quote.qualified(first.schema, first.table)
    // Rows with a NULL in their key collide with none, unless the index says otherwise.
    const conditions = [
      ...(first.predicate === null ? [] : [first.predicate]),
      ...(first.distinct ? columns.map((column) => `(${column}) IS NOT NULL`) : [])
    ]
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.map((each) => `(${each})`).join(" AND ")}`
    const groups = columns.map((_, i) => i + 2).join(", ")
    const rows = yield* Rows.read(
      Key,
      (sql) =>
        sql.unsafe(`SELECT concat_ws(', ', ${columns.map((_, i) => `k${i}::text`).join(", ")}) AS key, rows FROM (
          SELECT count(*)::integer AS rows, ${columns.map((column, i) => `(${column}) AS k${i}`).join(", ")}
          FROM ${table} ${where} GROUP BY ${groups} HAVING count(*) > 1 LIMIT ${shown}) duplicates`).unprepared
    )
    return rows.map(({ key, rows }) => `(${columns.join(", ")}) = (${short(key ?? "")}) in ${rows} rows`)
  }).pipe(Effect.catch((error) => Effect.as(Effect.logDebug("colliding rows were not read", error), [])))

const short = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ")
  return line.length > length ? `${line.slice(0, length - 1)}…` : line
}
