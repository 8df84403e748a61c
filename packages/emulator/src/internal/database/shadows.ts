/**
 * Private copies of tables, as a transaction sees them.
 */
import { Quote } from "@effect-dsql/dialect"

/** SQL that makes what copies tables. */
export const definitions = `
-- Private copies, in pg_temp, of tables and of what foreign keys tie to them, as this transaction sees them.
CREATE FUNCTION pg_catalog.dsql_emulator_shadow(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  target oid;
  targets oid[];
  item record;
  columns text;
  copy regclass;
  sequence regclass;
BEGIN
  WITH RECURSIVE tied (oid) AS (
    SELECT c.oid FROM unnest(names) n JOIN pg_class c ON c.oid = to_regclass(n)
      WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relnamespace <> 'pg_catalog'::regnamespace
    UNION
    SELECT CASE WHEN k.conrelid = t.oid THEN k.confrelid ELSE k.conrelid END
      FROM tied t JOIN pg_constraint k ON k.contype = 'f' AND t.oid IN (k.conrelid, k.confrelid)
  ) SELECT array_agg(tied.oid) INTO targets FROM tied
    JOIN pg_class c USING (oid)
    WHERE NOT EXISTS (SELECT FROM pg_class s WHERE s.relnamespace = pg_my_temp_schema() AND s.relname = c.relname);
  FOR item IN SELECT c.oid, c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY (targets)
  LOOP
    EXECUTE format('CREATE TEMP TABLE %I (LIKE %I.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING INDEXES)',
      item.relname, item.nspname, item.relname);
    columns := (SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute
      WHERE attrelid = item.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
    EXECUTE format('INSERT INTO pg_temp.%I (%s) SELECT %s FROM %I.%I', item.relname, columns, columns, item.nspname, item.relname);
    FOR columns IN SELECT attname FROM pg_attribute WHERE attrelid = item.oid AND attidentity <> '' LOOP
      sequence := pg_get_serial_sequence(format('%I.%I', item.nspname, item.relname), columns)::regclass;
      copy := format('pg_temp.%I', item.relname)::regclass;
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT pg_catalog.dsql_emulator_nextval(%L)', copy, columns, sequence);
      PERFORM pg_catalog.dsql_emulator_watch_identity(copy,
        (SELECT attnum FROM pg_attribute WHERE attrelid = copy AND attname = columns), sequence);
    END LOOP;
  END LOOP;
  FOR item IN
    SELECT k.*, c.relname AS child, p.relname AS parent,
      (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY o.n) FROM unnest(k.conkey) WITH ORDINALITY o (num, n)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.num) AS child_columns,
      (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY o.n) FROM unnest(k.confkey) WITH ORDINALITY o (num, n)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = o.num) AS parent_columns
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
    WHERE k.contype = 'f' AND k.conrelid = ANY (targets)
  LOOP
    EXECUTE format('ALTER TABLE pg_temp.%I ADD FOREIGN KEY (%s) REFERENCES pg_temp.%I (%s) %s ON UPDATE %s ON DELETE %s %s NOT VALID',
      item.child, item.child_columns, item.parent, item.parent_columns,
      CASE item.confmatchtype WHEN 'f' THEN 'MATCH FULL' ELSE '' END,
      CASE item.confupdtype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
        WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END,
      CASE item.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
        WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END,
      CASE WHEN item.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN item.condeferrable THEN 'DEFERRABLE' ELSE '' END);
  END LOOP;
END $$;

-- Puts into a table the rows of its copy that later commands wrote, and drops all copies.
CREATE FUNCTION pg_catalog.dsql_emulator_bring_home(target regclass, command bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  copy text;
  columns text := (SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute
    WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
BEGIN
  EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM pg_temp.%I WHERE cmin::text::bigint > $1',
    target, columns, columns, (SELECT relname FROM pg_class WHERE oid = target)) USING command;
  FOR copy IN SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' LOOP
    EXECUTE format('DROP TABLE IF EXISTS pg_temp.%I CASCADE', copy);
  END LOOP;
END $$;
`

/** The last command that wrote to a copy. */
export const lastCommand = (table: string): string =>
  `SELECT coalesce(max(cmin::text::bigint), -1) FROM pg_temp.${Quote.identifier(table)}`

/** Puts into a table what later commands than this one put into its copy, and drops all copies. */
export const bringHome = (table: string, command: string): string =>
  `SELECT pg_catalog.dsql_emulator_bring_home(${Quote.literal(table)}, ${Quote.literal(command)})`

/** Copies tables, and what foreign keys tie to them, into `pg_temp`. */
export const copy = (tables: ReadonlyArray<string>): string =>
  `SELECT pg_catalog.dsql_emulator_shadow(ARRAY[${tables.map(Quote.literal).join(", ")}])`
