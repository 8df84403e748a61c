/**
 * Fills tables with rows that the server makes, by the hundred thousand a second: it takes more than Aurora DSQL does at
 * once, so it is a plain PostgreSQL.
 */
import { Quote } from "@effect-dsql/dialect"
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"

/** What the columns of each table hold in row `i`, as SQL, where a value of their type is not enough. */
export type Tables = Readonly<Record<string, Readonly<Record<string, string>>>>

/** The number of a row as a UUID. */
export const uuid = "md5(i::text)::uuid"

/** What a column of a type holds where nobody asks. */
const values: Readonly<Record<string, string>> = {
  bigint: "i",
  boolean: "FALSE",
  bytea: "decode(md5(i::text), 'hex')",
  "character varying": "'Proto3'",
  "double precision": "i",
  integer: "1",
  smallint: "1",
  text: "'text ' || i",
  uuid,
  "timestamp with time zone": "TIMESTAMPTZ '2025-01-01 00:00:00+00' + i * INTERVAL '1 second'",
  "timestamp without time zone": "TIMESTAMP '2025-01-01' + i * INTERVAL '1 second'"
}

/**
 * Fills tables with the rows from one number up to another; one that is there stays. Nothing is known of the tables
 * afterwards unless they are analysed: the server is kept from it.
 */
export const fill = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, tables: Tables, from: number, to: number) {
  for (const [table, given] of Object.entries(tables)) {
    const columns = yield* sql<{ readonly name: string; readonly type: string }>`
      SELECT column_name AS name, data_type AS type FROM information_schema.columns
      WHERE table_schema = 'public' AND table_name = ${table} ORDER BY ordinal_position`
    const list = columns.map(({ name, type }) => given[name] ?? values[type] ?? "NULL")
    yield* sql.unsafe(`ALTER TABLE ${Quote.identifier(table)} SET (autovacuum_enabled = off)`)
    yield* sql.unsafe(`
      INSERT INTO ${Quote.identifier(table)} (${columns.map(({ name }) => Quote.identifier(name)).join(", ")})
      SELECT ${list.join(", ")} FROM generate_series(${from}, ${to}) AS i ON CONFLICT DO NOTHING`)
  }
})
