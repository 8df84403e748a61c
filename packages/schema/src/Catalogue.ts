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
  /** Of a table alone: the names of its constraints, and whether its rows are known to satisfy each. */
  readonly constraints: ReadonlyMap<string, boolean>
  /** Of an index alone. */
  readonly index: { readonly table: string; readonly unique: boolean; readonly valid: boolean } | undefined
}

type Read<A> = Effect.Effect<A, TransactionError, DsqlClient>

/**
 * Some relations, as they were when they were looked up together.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  /** Undefined where there is none of the name. */
  readonly find: (name: Name) => Relation | undefined
}

type Body<A> = Effect.Effect<A, SqlError, Transaction.Transaction>

/**
 * Asks the server which one it is: only DSQL has `sys.jobs`, and a way to wait for one.
 *
 * @since 0.1.0
 * @category accessors
 */
export const selectEngine: Body<Engine> = Effect.suspend(() =>
  Effect.map(
    select(
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
 * The same in a statement of its own.
 *
 * @since 0.1.0
 * @category accessors
 */
export const engine: Read<Engine> = Effect.suspend(() => alone(selectEngine))

/**
 * Looks relations up together, in one statement.
 *
 * @since 0.1.0
 * @category accessors
 */
export const lookup = (names: ReadonlyArray<Name>): Body<Snapshot> =>
  names.length === 0
    ? Effect.succeed({ find: () => undefined })
    : Effect.map(
        select(RelationRow, (sql) => {
          const named = sql.in(
            "relname",
            names.map(({ name }) => name)
          )
          return sql`WITH c AS (
            SELECT c.oid, c.relname, c.relkind, n.nspname, n.nspname = current_schema() AS current
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ${named}
          )
          SELECT c.relname::text AS name, c.relkind::text AS kind, c.nspname::text AS schema, c.current,
            t.relname::text AS table, i.indisunique AS unique, i.indisvalid AS valid, a.attname::text AS column,
            NULL AS constraint, NULL::boolean AS validated, a.attnum::integer AS position
          FROM c
          LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
          LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          UNION ALL
          SELECT c.relname::text, c.relkind::text, c.nspname::text, c.current, NULL, NULL, NULL, NULL,
            k.conname::text, k.convalidated, NULL
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

/**
 * Looks one relation up, in a statement of its own; undefined where there is none of the name.
 *
 * @since 0.1.0
 * @category accessors
 */
export const relation = (name: Name): Read<Relation | undefined> =>
  Effect.map(alone(lookup([name])), ({ find }) => find(name))

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
 * Reads rows in a transaction, and decodes them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const select = <A, I>(
  row: Schema.Codec<A, I>,
  statement: (sql: SqlClient) => Effect.Effect<ReadonlyArray<object>, SqlError>
): Body<ReadonlyArray<A>> =>
  Effect.flatMap(
    Effect.flatMap(Transaction.sql, statement),
    // A catalogue whose rows have another shape is a defect of this program, not of its input.
    (rows) => Effect.orDie(Schema.decodeUnknownEffect(Schema.Array(row))(rows))
  )

/**
 * Reads rows in a statement of its own, and decodes them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = <A, I>(
  row: Schema.Codec<A, I>,
  statement: (sql: SqlClient) => Effect.Effect<ReadonlyArray<object>, SqlError>
): Read<ReadonlyArray<A>> => alone(select(row, statement))

const alone = <A>(body: Body<A>): Read<A> =>
  Transaction.autocommit(body, { operation: "ReadCatalogue", readOnly: true })

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
  table: Schema.NullOr(Schema.String),
  unique: Schema.NullOr(Schema.Boolean),
  valid: Schema.NullOr(Schema.Boolean),
  column: Schema.NullOr(Schema.String),
  constraint: Schema.NullOr(Schema.String),
  validated: Schema.NullOr(Schema.Boolean)
})

const relationOf = (rows: ReadonlyArray<typeof RelationRow.Type>): Relation | undefined => {
  const row = rows.find(({ constraint }) => constraint === null)
  if (row === undefined) return undefined
  const kind = kinds[row.kind] ?? "other"
  const { table, unique, valid } = row
  return {
    kind,
    schema: row.schema,
    columns: kind === "index" ? [] : rows.flatMap(({ column }) => column ?? []),
    constraints: new Map(
      rows.flatMap(({ constraint, validated }) => (constraint === null ? [] : [[constraint, validated === true]]))
    ),
    index: table === null || unique === null || valid === null ? undefined : { table, unique, valid }
  }
}
