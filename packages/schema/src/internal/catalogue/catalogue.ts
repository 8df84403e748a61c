/**
 * What the database's catalogue says is there.
 */
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Name } from "../../SqlStatement.ts"
import * as Rows from "../transaction/rows.ts"

/** A table, index, view or sequence that is there. */
export interface Relation {
  readonly kind: "table" | "index" | "view" | "sequence" | "other"
  /** The schema that it is in. */
  readonly schema: string
  /** The columns of a table or view; empty for anything else. */
  readonly columns: ReadonlyArray<string>
  /** The types of the columns, in their order. */
  readonly types: ReadonlyArray<string>
  /** Of a table alone: its primary key, `PRIMARY KEY (a, b)`, if it has one. */
  readonly key: string | undefined
  /** Of a table alone: the names of its constraints, and whether its rows are known to satisfy each. */
  readonly constraints: ReadonlyMap<string, boolean>
  /** Of an index alone: whether it is valid. */
  readonly valid: boolean | undefined
}

/** Some relations, as they were when they were looked up together. */
export interface Snapshot {
  /** Undefined where there is none of the name. */
  readonly find: (name: Name) => Relation | undefined
}

/** Looks relations up together, in one statement. */
export const lookup = (names: ReadonlyArray<Name>): Rows.Selection<Snapshot> =>
  names.length === 0
    ? Effect.succeed({ find: () => undefined })
    : Effect.map(
        Rows.select(RelationRow, (sql) => {
          const named = sql.in(
            "relname",
            names.map(({ name }) => name)
          )
          return sql`WITH c AS (
            SELECT c.oid, c.relname, c.relkind, n.nspname, n.nspname = current_schema() AS current
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ${named}
          )
          SELECT c.relname::text AS name, c.relkind::text AS kind, c.nspname::text AS schema, c.current,
            i.indisvalid AS valid, a.attname::text AS column, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
            NULL AS constraint, NULL::boolean AS validated, NULL AS key, a.attnum::integer AS position
          FROM c
          LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          UNION ALL
          SELECT c.relname::text, c.relkind::text, c.nspname::text, c.current, NULL, NULL, NULL,
            k.conname::text, k.convalidated, CASE WHEN k.contype = 'p' THEN pg_catalog.pg_get_constraintdef(k.oid) END, NULL
          FROM c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
          ORDER BY position`
        }),
        (rows) => ({
          find: ({ name, schema }) =>
            relationOf(
              rows.filter((row) => row.name === name && (schema === undefined ? row.current : row.schema === schema))
            )
        })
      )

/** Looks one relation up, in a statement of its own; undefined where there is none of the name. */
export const relation = (name: Name): Rows.Reading<Relation | undefined> =>
  Effect.map(Rows.alone(lookup([name])), ({ find }) => find(name))

/** Whether a table holds any row. */
export const hasRows = (name: Name): Rows.Reading<boolean> =>
  Effect.map(
    Rows.read(
      Schema.Struct({ rows: Schema.Boolean }),
      (sql) => sql`SELECT EXISTS (SELECT 1 FROM ${sql.literal(Quote.qualified(name.schema, name.name))}) AS rows`
    ),
    ([row]) => row?.rows === true
  )

const kinds: Readonly<Record<string, Relation["kind"]>> = {
  r: "table",
  p: "table",
  i: "index",
  I: "index",
  v: "view",
  m: "view",
  S: "sequence"
}

const RelationRow = Schema.Struct({
  name: Schema.String,
  kind: Schema.String,
  schema: Schema.String,
  current: Schema.NullOr(Schema.Boolean),
  valid: Schema.NullOr(Schema.Boolean),
  column: Schema.NullOr(Schema.String),
  type: Schema.NullOr(Schema.String),
  key: Schema.NullOr(Schema.String),
  constraint: Schema.NullOr(Schema.String),
  validated: Schema.NullOr(Schema.Boolean)
})

const relationOf = (rows: ReadonlyArray<typeof RelationRow.Type>): Relation | undefined => {
  const row = rows.find(({ constraint }) => constraint === null)
  if (row === undefined) return undefined
  const kind = kinds[row.kind] ?? "other"
  return {
    kind,
    schema: row.schema,
    columns: kind === "index" ? [] : rows.flatMap(({ column }) => column ?? []),
    types: kind === "index" ? [] : rows.flatMap(({ type }) => type ?? []),
    // On Aurora DSQL it carries every other column.
    key: rows.find(({ key }) => key !== null)?.key?.replace(/ INCLUDE .*/, ""),
    constraints: new Map(
      rows.flatMap(({ constraint, validated }) => (constraint === null ? [] : [[constraint, validated === true]]))
    ),
    valid: row.valid ?? undefined
  }
}
