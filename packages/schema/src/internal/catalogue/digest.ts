/**
 * The whole catalogue in one short text, which changes when a statement changes anything in it: for statements whose
 * effect has no name to look up. What jobs do by themselves (indexes and constraints that become valid) is left out.
 */
import type { Transaction } from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import * as Rows from "../transaction/rows.ts"

const Line = Schema.Struct({ line: Schema.NullOr(Schema.String) })

/** Reads it, as SHA-256 in hexadecimal. */
export const digest: Effect.Effect<string, SqlError, Transaction> = Effect.suspend(() =>
  Effect.map(
    Rows.select(
      Line,
      (sql) => sql`WITH n AS (
        SELECT oid, nspname, nspacl FROM pg_catalog.pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'sys', 'dsql_emulator')
      ), c AS (
        SELECT c.oid, n.nspname, c.relname, c.relkind, c.relowner, c.relacl
        FROM pg_catalog.pg_class c JOIN n ON n.oid = c.relnamespace
      )
      SELECT concat_ws(' ', 'schema', n.nspname, n.nspacl::text) AS line FROM n
      UNION ALL
      SELECT concat_ws(' ', c.relkind, c.nspname, c.relname, c.relowner, c.relacl::text,
        CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
        CASE WHEN c.relkind = 'i' THEN pg_catalog.pg_get_indexdef(c.oid) END) FROM c
      UNION ALL
      SELECT concat_ws(' ', 'column', a.attrelid, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity,
        a.attgenerated, a.attstorage, a.attacl::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid))
      FROM c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      UNION ALL
      SELECT concat_ws(' ', 'constraint', k.conname, k.conrelid, k.contypid, k.condeferrable, k.condeferred,
        replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID', ''))
      FROM pg_catalog.pg_constraint k JOIN n ON n.oid = k.connamespace
      UNION ALL
      SELECT concat_ws(' ', 'function', p.oid, p.proname, p.proargtypes::text, p.prorettype, p.prosrc, p.proowner, p.proacl::text)
      FROM pg_catalog.pg_proc p JOIN n ON n.oid = p.pronamespace
      UNION ALL
      SELECT concat_ws(' ', 'type', t.typname, t.typowner, t.typnotnull, t.typdefault, t.typacl::text)
      FROM pg_catalog.pg_type t JOIN n ON n.oid = t.typnamespace
      UNION ALL
      SELECT concat_ws(' ', 'comment', d.objoid, d.classoid, d.objsubid, d.description) FROM pg_catalog.pg_description d
      WHERE d.objoid >= 16384
      UNION ALL
      SELECT concat_ws(' ', 'sequence', s.seqrelid, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
      FROM pg_catalog.pg_sequence s`
    ),
    (rows) =>
      createHash("sha256")
        .update(
          rows
            .map(({ line }) => line ?? "")
            .toSorted()
            .join("\n")
        )
        .digest("hex")
  )
)
