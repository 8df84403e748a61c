/**
 * Whether the tables of a storage are there, asked when its layer is built.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import { MissingTables } from "../../MissingTables.ts"

/** Fails unless all of these tables are there. A dot parts a schema from a table. */
export const ensure = (
  layer: string,
  tables: ReadonlyArray<string>,
  of: MissingTables["of"] = "dsql/storage"
): Effect.Effect<void, MissingTables | TransactionError, DsqlClient> =>
  Effect.flatMap(Transaction.autocommit(missing(tables), { operation: "FindTables", readOnly: "proven" }), (missing) =>
    missing.length === 0 ? Effect.void : Effect.fail(new MissingTables({ layer, tables: missing, of }))
  )

const missing = (tables: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const needed = Expression.records("needed", { name: "text", relation: "text", schema: "text" }, tables.map(placed))
    const rows = yield* sql<{ readonly name: string }>`
      SELECT needed.name FROM ${Expression.fragment(sql, needed)}
      WHERE NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relname = needed.relation
          AND n.nspname = COALESCE(needed.schema, current_schema()))
      ORDER BY needed.name`
    return rows.map(({ name }) => name)
  })

const placed = (name: string) => {
  const [relation = name, schema = null] = name.split(".").toReversed()
  return { name, relation, schema }
}
