/**
 * A part of the catalogue in one short text, which changes when a statement changes anything in it: for statements whose
 * effect has no name to look up. Its rows are taken whole, as PostgreSQL writes them, so that no property is forgotten;
 * but for what changes by itself: what jobs do (indexes and constraints that become valid), statistics, ages.
 */
import type { Transaction } from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import type { Target } from "../../SqlStatement.ts"
import * as Rows from "../transaction/rows.ts"

const Line = Schema.Struct({ line: Schema.NullOr(Schema.String) })

/** Reads what a statement of this target could change, as SHA-256 in hexadecimal. */
export const of = ({ _tag }: Target): Effect.Effect<string, SqlError, Transaction> =>
  Effect.map(Rows.select(Line, _tag === "Shared" ? shared : own), (rows) =>
    createHash("sha256")
      .update(
        rows
          .map(({ line }) => line ?? "")
          .toSorted()
          .join("\n")
      )
      .digest("hex")
  )

/**
 * What belongs to the database. A sequence has its file in it, because PostgreSQL gives it another one when it is
 * restarted, and not when it is used: a restart shows nowhere else.
 */
const own = (sql: SqlClient) => sql`WITH n AS (
    SELECT * FROM pg_catalog.pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'sys')
  ), c AS (
    SELECT c.* FROM pg_catalog.pg_class c JOIN n ON n.oid = c.relnamespace
  )
  SELECT concat_ws(' ', 'schema', n::text) AS line FROM n
  UNION ALL
  SELECT concat_ws(' ', c.relkind, c.oid, c.relnamespace, c.relname, c.relowner, c.relacl::text, c.reloptions::text,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
    CASE WHEN c.relkind = 'i' THEN pg_catalog.pg_get_indexdef(c.oid) END,
    CASE WHEN c.relkind = 'S' THEN c.relfilenode::text END) FROM c
  UNION ALL
  SELECT concat_ws(' ', 'column', a::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid))
  FROM c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  UNION ALL
  SELECT concat_ws(' ', 'constraint', k.conname, k.conrelid, k.contypid, k.condeferrable, k.condeferred,
    replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID', ''))
  FROM pg_catalog.pg_constraint k JOIN n ON n.oid = k.connamespace
  UNION ALL
  SELECT concat_ws(' ', 'function', p::text) FROM pg_catalog.pg_proc p JOIN n ON n.oid = p.pronamespace
  UNION ALL
  SELECT concat_ws(' ', 'type', t::text) FROM pg_catalog.pg_type t JOIN n ON n.oid = t.typnamespace
  UNION ALL
  SELECT concat_ws(' ', 'cast', k::text) FROM pg_catalog.pg_cast k WHERE k.oid >= 16384
  UNION ALL
  SELECT concat_ws(' ', 'sequence', s::text) FROM pg_catalog.pg_sequence s JOIN c ON c.oid = s.seqrelid
  UNION ALL
  SELECT concat_ws(' ', 'statistics', s::text) FROM pg_catalog.pg_statistic_ext s JOIN n ON n.oid = s.stxnamespace
  UNION ALL
  SELECT concat_ws(' ', 'privileges', a::text) FROM pg_catalog.pg_default_acl a
  UNION ALL
  SELECT concat_ws(' ', 'depends', d.classid, d.objid, d.objsubid, d.refobjid, d.refobjsubid, d.deptype)
  FROM pg_catalog.pg_depend d JOIN c ON c.oid = d.objid WHERE c.relkind = 'S'
  UNION ALL
  SELECT concat_ws(' ', 'comment', d::text) FROM pg_catalog.pg_description d
  WHERE d.objoid >= 16384 OR d.objoid IN (SELECT oid FROM n)`

/** What all databases of a server have in common. */
const shared = (sql: SqlClient) => sql`SELECT concat_ws(' ', 'role', r::text) AS line FROM pg_catalog.pg_roles r
  UNION ALL
  SELECT concat_ws(' ', 'member', m::text) FROM pg_catalog.pg_auth_members m
  UNION ALL
  SELECT concat_ws(' ', 'setting', s::text) FROM pg_catalog.pg_db_role_setting s
  UNION ALL
  SELECT concat_ws(' ', 'database', d.datname, d.datdba, d.datacl::text, d.datconnlimit) FROM pg_catalog.pg_database d
  WHERE d.datname = current_database()
  UNION ALL
  SELECT concat_ws(' ', 'comment', d::text) FROM pg_catalog.pg_shdescription d`
