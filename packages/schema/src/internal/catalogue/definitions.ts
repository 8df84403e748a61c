/**
 * What the catalogue holds, as the SQL that would make it: so that it is read by
 * the same parser as a version's files.
 */
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Rows from "../transaction/rows.ts"

/** What is there, as SQL, and which indexes are not valid. */
export interface Definitions {
  readonly sql: string
  readonly invalid: ReadonlyArray<{ readonly schema: string; readonly name: string }>
}

/** The schema in which names without one are looked for. */
export const currentSchema: Rows.Selection<string> = Effect.suspend(() =>
  Effect.map(
    Rows.select(Schema.Struct({ schema: Schema.String }), (sql) => sql`SELECT current_schema()::text AS schema`),
    ([row]) => row?.schema ?? "public"
  )
)

/** Reads the tables, views, sequences and indexes of these names in these schemas, and all indexes of the tables. */
export const select = (schemas: ReadonlyArray<string>, names: ReadonlyArray<string>): Rows.Selection<Definitions> =>
  Effect.gen(function* () {
    if (names.length === 0) return { sql: "", invalid: [] }
    const columns = yield* Rows.select(
      ColumnRow,
      (sql) => sql`SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
          a.attname::text AS column, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
          pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity::text AS identity,
          a.attgenerated::text AS generated,
          CASE WHEN c.relkind IN ('v', 'm') THEN rtrim(pg_catalog.pg_get_viewdef(c.oid), '; ') END AS query,
          CASE WHEN c.relkind IN ('v', 'm') THEN array_to_string(c.reloptions, ', ') END AS settings,
          CASE WHEN a.attcollation <> t.typcollation THEN pg_catalog.quote_ident(l.collname) END AS collation,
          concat('AS ', pg_catalog.format_type(q.seqtypid, NULL), ' INCREMENT ', q.seqincrement, ' MINVALUE ', q.seqmin,
            ' MAXVALUE ', q.seqmax, ' START ', q.seqstart, ' CACHE ', q.seqcache,
            CASE WHEN q.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END) AS options
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND c.relkind <> 'S'
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_catalog.pg_depend o ON o.refobjid = c.oid AND o.refobjsubid = a.attnum AND o.deptype = 'i'
          AND a.attidentity <> ''
        LEFT JOIN pg_catalog.pg_sequence q ON q.seqrelid = CASE WHEN c.relkind = 'S' THEN c.oid ELSE o.objid END
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND ${sql.in("n.nspname", schemas)} AND ${sql.in("c.relname", names)}
        ORDER BY n.nspname, c.relname, a.attnum`
    )
    // DSQL keeps all other columns with a primary key, and says so in its definition, where nobody wrote it.
    const constraints = yield* Rows.select(
      ConstraintRow,
      (sql) => sql`SELECT n.nspname::text AS schema, c.relname::text AS name, k.conname::text AS constraint,
          CASE WHEN k.contype = 'p' AND m.amname <> 'btree'
            THEN regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' INCLUDE .*', '')
            ELSE pg_catalog.pg_get_constraintdef(k.oid) END AS definition
        FROM pg_catalog.pg_constraint k
        JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        LEFT JOIN pg_catalog.pg_class i ON i.oid = k.conindid
        LEFT JOIN pg_catalog.pg_am m ON m.oid = i.relam
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE k.contype IN ('p', 'u', 'c', 'f') AND ${sql.in("n.nspname", schemas)} AND ${sql.in("c.relname", names)}
        ORDER BY k.conname`
    )
    const indexes = yield* Rows.select(
      IndexRow,
      (sql) => sql`SELECT n.nspname::text AS schema, c.relname::text AS name, i.indisvalid AS valid,
          CASE WHEN k.oid IS NULL
            THEN pg_catalog.replace(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING btree_index ', ' USING btree ') END AS definition
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
        WHERE ${sql.in("n.nspname", schemas)} AND (${sql.in("c.relname", names)} OR ${sql.in("t.relname", names)})
        ORDER BY c.relname`
    )
    const statements = [
      ...relations(columns),
      // After all tables: a key may be of one that comes later.
      ...constraints.map(
        ({ constraint, definition, ...name }) =>
          `ALTER TABLE ${Quote.qualified(name.schema, name.name)} ADD CONSTRAINT ${Quote.identifier(constraint)} ${definition}`
      ),
      ...indexes.flatMap(({ definition }) => definition ?? [])
    ]
    return {
      sql: statements.join(";\n"),
      invalid: indexes.filter(({ valid }) => !valid)
    }
  })

const relations = (rows: ReadonlyArray<typeof ColumnRow.Type>): ReadonlyArray<string> => {
  const tables = new Map<string, Array<string>>()
  const views = new Map<string, View>()
  const others: Array<string> = []
  for (const row of rows) {
    const name = Quote.qualified(row.schema, row.name)
    if (row.kind === "S") others.push(`CREATE SEQUENCE ${name} ${row.options}`)
    else if (row.query !== null) {
      const columns = [...(views.get(name)?.columns ?? []), ...(row.column === null ? [] : [row.column])]
      views.set(name, { columns, query: row.query, settings: row.settings })
    } else {
      const columns = tables.get(name) ?? []
      tables.set(name, columns)
      if (row.column !== null) {
        const collation = row.collation === null ? "" : ` COLLATE ${row.collation}`
        columns.push(`${Quote.identifier(row.column)} ${row.type}${collation} ${clauses(row)}`)
      }
    }
  }
  return [
    ...others,
    ...[...tables].map(([name, columns]) => `CREATE TABLE ${name} (${columns.join(", ")})`),
    ...[...views].map(([name, view]) => viewed(name, view))
  ]
}

interface View {
  readonly columns: ReadonlyArray<string>
  readonly query: string
  readonly settings: string | null
}

const viewed = (name: string, { columns, query, settings }: View): string => {
  const list = columns.length === 0 ? "" : ` (${columns.map(Quote.identifier).join(", ")})`
  return `CREATE VIEW ${name}${list}${settings === null ? "" : ` WITH (${settings})`} AS ${query}`
}

const clauses = ({ default: value, generated, identity, options, required }: typeof ColumnRow.Type): string => {
  const filled =
    identity === "a" || identity === "d"
      ? `GENERATED ${identity === "a" ? "ALWAYS" : "BY DEFAULT"} AS IDENTITY (${options})`
      : generated === "s"
        ? `GENERATED ALWAYS AS (${value}) STORED`
        : value === null
          ? ""
          : `DEFAULT ${value}`
  return `${required === true ? "NOT NULL " : ""}${filled}`
}

const ColumnRow = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  kind: Schema.String,
  column: Schema.NullOr(Schema.String),
  type: Schema.NullOr(Schema.String),
  required: Schema.NullOr(Schema.Boolean),
  default: Schema.NullOr(Schema.String),
  identity: Schema.NullOr(Schema.String),
  generated: Schema.NullOr(Schema.String),
  collation: Schema.NullOr(Schema.String),
  query: Schema.NullOr(Schema.String),
  settings: Schema.NullOr(Schema.String),
  options: Schema.String
})

const ConstraintRow = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  constraint: Schema.String,
  definition: Schema.String
})

const IndexRow = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  valid: Schema.Boolean,
  definition: Schema.NullOr(Schema.String)
})
