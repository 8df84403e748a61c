/**
 * What the database's catalogue says: which server it is and what is in it.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Name } from "./Target.ts"

/**
 * Which server answers: Aurora DSQL (or an emulator of it), or plain PostgreSQL.
 *
 * @since 0.1.0
 * @category models
 */
export type Engine = "dsql" | "postgres"

/**
 * A table, index, view or sequence that is there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Relation {
  readonly kind: "table" | "index" | "view" | "sequence" | "other"
  /** The schema that it is in. */
  readonly schema: string
  /** The columns of a table or view; empty for anything else. */
  readonly columns: ReadonlyArray<string>
  /** Of an index alone. */
  readonly index: { readonly table: string; readonly unique: boolean; readonly valid: boolean } | undefined
}

type Read<A> = Effect.Effect<A, TransactionError, DsqlClient>

/**
 * Asks the server which one it is: only DSQL has `sys.jobs`, and a way to wait for one.
 *
 * @since 0.1.0
 * @category accessors
 */
export const engine: Read<Engine> = Effect.suspend(() =>
  Effect.map(
    read(
      Schema.Struct({ dsql: Schema.Boolean }),
      (sql) => sql`SELECT EXISTS (
          SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = 'sys' AND c.relname = 'jobs'
        ) OR EXISTS (
          SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname = 'sys' AND p.proname = 'wait_for_job'
        ) AS dsql`
    ),
    ([row]) => (row?.dsql === true ? "dsql" : "postgres")
  )
)

/**
 * Looks a relation up; undefined where there is none of the name.
 *
 * @since 0.1.0
 * @category accessors
 */
export const relation = ({ name, schema }: Name): Read<Relation | undefined> =>
  Effect.map(
    read(
      RelationRow,
      (sql) => sql`SELECT c.relkind::text AS kind, n.nspname::text AS schema, t.relname::text AS table,
          i.indisunique AS unique, i.indisvalid AS valid, a.attname::text AS column
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
        LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relname = ${name} AND n.nspname = ${schema === undefined ? sql`current_schema()` : schema}
        ORDER BY a.attnum`
    ),
    (rows) => {
      const [row] = rows
      if (row === undefined) return undefined
      const kind = kinds[row.kind] ?? "other"
      const { table, unique, valid } = row
      return {
        kind,
        schema: row.schema,
        columns: kind === "index" ? [] : rows.flatMap(({ column }) => column ?? []),
        index: table === null || unique === null || valid === null ? undefined : { table, unique, valid }
      }
    }
  )

/**
 * Whether a table holds any row.
 *
 * @since 0.1.0
 * @category accessors
 */
export const hasRows = (name: Name): Read<boolean> =>
  Effect.map(
    read(
      Schema.Struct({ rows: Schema.Boolean }),
      (sql) => sql`SELECT EXISTS (SELECT 1 FROM ${sql.literal(quoted(name))}) AS rows`
    ),
    ([row]) => row?.rows === true
  )

/**
 * A name as SQL writes it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const quoted = ({ name, schema }: Name): string =>
  [schema, name].flatMap((part) => (part === undefined ? [] : `"${part.replaceAll('"', '""')}"`)).join(".")

/**
 * Reads rows in a statement of its own, and decodes them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = <A, I>(
  row: Schema.Codec<A, I>,
  statement: (sql: SqlClient) => Effect.Effect<ReadonlyArray<object>, SqlError>
): Read<ReadonlyArray<A>> =>
  Effect.flatMap(
    Transaction.autocommit(Effect.flatMap(Transaction.sql, statement), { operation: "ReadCatalogue", readOnly: true }),
    // A catalogue whose rows have another shape is a defect of this program, not of its input.
    (rows) => Effect.orDie(Schema.decodeUnknownEffect(Schema.Array(row))(rows))
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
  kind: Schema.String,
  schema: Schema.String,
  table: Schema.NullOr(Schema.String),
  unique: Schema.NullOr(Schema.Boolean),
  valid: Schema.NullOr(Schema.Boolean),
  column: Schema.NullOr(Schema.String)
})
