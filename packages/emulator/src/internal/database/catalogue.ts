/**
 * What the catalogue and PostgreSQL's unique indexes know of the keys of tables.
 */
import { Quote } from "@effect-dsql/dialect"

/** SQL that makes what finds a key that a snapshot sees twice. */
export const definitions = `
-- Whether this transaction sees two rows with one key: one of its own, and one that somebody else deleted since.
CREATE FUNCTION dsql_emulator.has_ghosts(target regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own text[] := dsql_emulator.transaction_ids(pg_backend_pid())::text[];
  condition text;
  found boolean := false;
BEGIN
  FOR condition IN
    SELECT (SELECT string_agg(format('a.%1$I = b.%1$I', attname), ' AND ') FROM pg_attribute
      WHERE attrelid = target AND attnum = ANY ((string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts]))
    FROM pg_index i
    WHERE i.indrelid = target AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %1$s a JOIN ONLY %1$s b ON %2$s AND a.ctid <> b.ctid WHERE a.xmin::text = ANY ($1))',
      target, condition) INTO found USING own;
    IF found THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;
`

/**
 * Tables with foreign keys, tables whose changes change rows of others, and columns of unique keys, by name; and the
 * keys of the tables whose name is theirs alone, as JSON.
 */
export const references = `
SELECT DISTINCT 'child', c.relname::text FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f'
UNION ALL
SELECT DISTINCT 'acting', c.relname FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid
WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
UNION ALL
SELECT DISTINCT 'key', c.relname || '.' || a.attname FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisunique AND c.relkind = 'r' AND c.relnamespace <> 'pg_catalog'::regnamespace
UNION ALL
SELECT CASE WHEN i.indisprimary THEN 'primary' ELSE 'unique' END,
  json_build_object('table', c.relname, 'name', format('%I.%I', n.nspname, c.relname), 'columns',
    ARRAY(SELECT json_build_object('name', a.attname, 'type', a.atttypid::bigint) FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)))::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND c.relkind = 'r'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dsql_emulator')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relname = c.relname AND o.oid <> c.oid)`

/** Whether the transaction sees a key twice in any of these tables. */
export const hasGhosts = (tables: ReadonlyArray<string>): string =>
  `SELECT ${tables.map((table) => `coalesce(dsql_emulator.has_ghosts(to_regclass(${Quote.literal(table)})), false)`).join(" OR ")}`

/** The first of some columns that is in the primary key of a table. */
export const primaryKeyColumn = (table: string, columns: ReadonlyArray<string>): string => `
SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
WHERE i.indrelid = pg_catalog.to_regclass(${Quote.literal(table)}) AND i.indisprimary AND a.attnum = ANY (i.indkey)
  AND a.attname IN (${columns.map(Quote.literal).join(", ")}) LIMIT 1`
