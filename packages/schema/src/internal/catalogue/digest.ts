/**
 * Some objects of the catalogue in one short text, which changes when one of them comes or goes, or a part of a table
 * changes: for statements whose effect has no name among the relations. What else happens to the database meanwhile
 * leaves it as it is.
 */
import type { Transaction } from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { createHash } from "node:crypto"
import type { CatalogueObject, Name } from "../../SqlStatement.ts"
import * as Rows from "../transaction/rows.ts"

const Line = Schema.Struct({ line: Schema.String })

/** Marks what this way of reading has made: a digest of another way says nothing. */
const mark = "objects:"

/** Whether one of these can be compared with what is read now. */
export const isOwn = (digest: string | null): digest is string => digest?.startsWith(mark) === true

/** Reads some objects, at least one, as SHA-256. */
export const of = (objects: ReadonlyArray<CatalogueObject>): Effect.Effect<string, SqlError, Transaction> => {
  const kinds = Map.groupBy(objects, ({ kind }) => kind)
  return Effect.map(
    Rows.select(Line, (sql) => {
      const parts = [...kinds].map(([kind, each]) =>
        rowsOf[kind](
          sql,
          each.map(({ name }) => name)
        )
      )
      return sql`${sql.join(" UNION ALL ", false)(parts)}`
    }),
    (rows) => {
      const lines = rows.map(({ line }) => line).toSorted()
      return `${mark}${createHash("sha256").update(lines.join("\n")).digest("base64url")}`
    }
  )
}

/** A column is one of these names, in its schema or, where none is given, in the current one. */
const within = (sql: SqlClient, names: ReadonlyArray<Name>, schema: string, column: string): Fragment =>
  sql.or(
    names.map(({ name, schema: own }) =>
      own === undefined
        ? sql`(${sql.literal(schema)} = current_schema() AND ${sql.literal(column)} = ${name})`
        : sql`(${sql.literal(schema)} = ${own} AND ${sql.literal(column)} = ${name})`
    )
  )

type Reader = (sql: SqlClient, names: ReadonlyArray<Name>) => Fragment

/** The rows of objects that are in a schema: that they are there. */
const member =
  (catalogue: string, prefix: string, detail = "''"): Reader =>
  (sql, names) =>
    sql`SELECT concat_ws(' ', ${catalogue}::text, n.nspname, o.${sql.literal(`${prefix}name`)}, ${sql.literal(detail)}) AS line
      FROM pg_catalog.${sql.literal(catalogue)} o
      JOIN pg_catalog.pg_namespace n ON n.oid = o.${sql.literal(`${prefix}namespace`)}
      WHERE ${within(sql, names, "n.nspname", `o.${prefix}name`)}`

/** The rows of objects that are in none. */
const plain =
  (catalogue: string, column: string): Reader =>
  (sql, names) =>
    sql`SELECT concat_ws(' ', ${catalogue}::text, o.${sql.literal(column)}) AS line
      FROM pg_catalog.${sql.literal(catalogue)} o
      WHERE ${sql.in(
        `o.${column}`,
        names.map(({ name }) => name)
      )}`

const rowsOf: { readonly [K in CatalogueObject["kind"]]: Reader } = {
  role: plain("pg_roles", "rolname"),
  schema: plain("pg_namespace", "nspname"),
  relation: member("pg_class", "rel", "o.relkind"),
  function: member("pg_proc", "pro", "pg_catalog.pg_get_function_identity_arguments(o.oid)"),
  type: member("pg_type", "typ"),
  statistics: member("pg_statistic_ext", "stx"),
  cast: (sql, names) =>
    sql`SELECT concat_ws(' ', 'cast', s.typname, t.typname) AS line
      FROM pg_catalog.pg_cast k
      JOIN pg_catalog.pg_type s ON s.oid = k.castsource JOIN pg_catalog.pg_type t ON t.oid = k.casttarget
      WHERE k.oid >= 16384 AND (${sql.in(
        "s.typname",
        names.map(({ name }) => name)
      )} OR ${sql.in(
        "t.typname",
        names.map(({ name }) => name)
      )})`,
  "domain constraints": (sql, names) =>
    sql`SELECT concat_ws(' ', 'domain constraint', n.nspname, t.typname, k.conname) AS line
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_type t ON t.oid = k.contypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      WHERE ${within(sql, names, "n.nspname", "t.typname")}`,
  columns: (sql, names) =>
    sql`SELECT concat_ws(' ', 'column', n.nspname, c.relname, a.attname, a.atttypid, a.atttypmod, a.attidentity,
        a.attgenerated) AS line
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE a.attnum > 0 AND NOT a.attisdropped AND (${within(sql, names, "n.nspname", "c.relname")})`,
  constraints: (sql, names) =>
    sql`SELECT concat_ws(' ', 'constraint', n.nspname, c.relname, k.conname) AS line
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE ${within(sql, names, "n.nspname", "c.relname")}`,
  // PostgreSQL gives a sequence another file when it is restarted, and not when it is used: a restart shows nowhere else.
  restart: (sql, names) =>
    sql`SELECT concat_ws(' ', 'file', s.oid, s.relfilenode) AS line FROM pg_catalog.pg_class s
      WHERE s.relkind = 'S' AND EXISTS (
        SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE (${within(sql, names, "n.nspname", "c.relname")}) AND (c.oid = s.oid OR EXISTS (
          SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = s.oid AND d.refobjid = c.oid AND d.deptype = 'i'
        ))
      )`
}
