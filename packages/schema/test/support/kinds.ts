/**
 * A small schema with every kind of statement, and all that it leaves behind.
 */
import { Effect } from "effect"
import { rows } from "./database.ts"
import { sourceOf } from "./schemas.ts"

export const texts = [
  `CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(20), old INTEGER, gone INTEGER);
   CREATE UNIQUE INDEX ASYNC a_name ON a (name);
   INSERT INTO a (id, name) VALUES (1, 'x'), (2, 'y');
   CREATE VIEW v AS SELECT id FROM a;`,
  `UPDATE a SET old = coalesce(old, 0) + 1;
   ALTER TABLE a ADD COLUMN extra INTEGER;
   ALTER TABLE a RENAME COLUMN old TO count;
   ALTER TABLE a DROP COLUMN gone;
   DROP VIEW v;
   CREATE VIEW v AS SELECT name FROM a;
   ALTER TABLE a RENAME TO b;
   CREATE TABLE a (id INTEGER PRIMARY KEY, other INTEGER);
   ALTER TABLE b ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;
   ALTER TABLE ASYNC b VALIDATE CONSTRAINT positive;
   ALTER TABLE b ALTER COLUMN extra SET DEFAULT 7;
   CREATE SCHEMA s;
   DROP TABLE a;`
] as const

export const kinds = sourceOf(...texts)

/** The whole catalogue, the rows, and what is written down, without times and ids. */
export const everything = Effect.gen(function* () {
  const own = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'sys')"
  const of = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND ${own}`
  return {
    schemas: yield* rows(`SELECT nspname FROM pg_namespace n WHERE ${own} ORDER BY 1`),
    relations: yield* rows(`SELECT n.nspname, c.relname, c.relkind::text ${of} ORDER BY 1, 2`),
    columns: yield* rows(`SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid) AS value
      ${of} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum ORDER BY 1, 2`),
    indexes: yield* rows(`SELECT pg_get_indexdef(c.oid) AS index, i.indisvalid
      ${of} JOIN pg_index i ON i.indexrelid = c.oid ORDER BY 1`),
    constraints: yield* rows(`SELECT c.relname, k.conname, pg_get_constraintdef(k.oid), k.convalidated
      ${of} JOIN pg_constraint k ON k.conrelid = c.oid ORDER BY 1, 2`),
    views: yield* rows(`SELECT c.relname, pg_get_viewdef(c.oid) ${of} WHERE c.relkind = 'v' ORDER BY 1`),
    versions: yield* rows("SELECT db_name, curr_version, min_compatible_version FROM schema_version"),
    history: yield* rows(
      "SELECT old_version, new_version, description FROM schema_update_history ORDER BY update_time"
    ),
    journal: yield* rows(`SELECT version, ordinal, checksum, finished_at IS NOT NULL AS finished, error
      FROM schema_journal ORDER BY version, ordinal`),
    // Not its owner: one that died after all was done leaves its name, and nobody needs the lease again.
    lease: yield* rows("SELECT db_name FROM schema_lease")
  }
})
