/**
 * Private copies of tables, as a transaction sees them.
 */
import { Quote } from "@effect-dsql/dialect"

/** Bytes of a table that is copied whole, whatever is asked of it. */
const small = 65_536

/** SQL that makes what copies tables. */
export const definitions = `
-- An empty private copy, in pg_temp, of a table.
CREATE FUNCTION pg_catalog.dsql_emulator_empty_copy(target regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  item record;
  columns text;
  copy regclass;
  sequence regclass;
BEGIN
  SELECT c.oid, c.relname, n.nspname INTO item FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
  EXECUTE format('CREATE TEMP TABLE %I (LIKE %I.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING INDEXES)',
    item.relname, item.nspname, item.relname);
  FOR columns IN SELECT attname FROM pg_attribute WHERE attrelid = item.oid AND attidentity <> '' LOOP
    sequence := pg_get_serial_sequence(format('%I.%I', item.nspname, item.relname), columns)::regclass;
    copy := format('pg_temp.%I', item.relname)::regclass;
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT pg_catalog.dsql_emulator_nextval(%L)', copy, columns, sequence);
    PERFORM pg_catalog.dsql_emulator_watch_identity(copy,
      (SELECT attnum FROM pg_attribute WHERE attrelid = copy AND attname = columns), sequence);
  END LOOP;
END $$;

-- Has rows of a table in its copy, those that were not fetched before. The table of what was fetched is called by the oid;
-- a copy without one is whole.
CREATE FUNCTION pg_catalog.dsql_emulator_fetch(target regclass, condition text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  fetched text := 'pg_temp.dsql_emulator_fetched_' || target::oid;
  columns text := (SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute
    WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
  keys text := (SELECT string_agg(quote_ident(attname), ',') FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
    AND a.attnum = ANY (i.indkey) WHERE i.indrelid = target AND i.indisprimary);
BEGIN
  IF to_regclass(fetched) IS NULL THEN RETURN; END IF;
  EXECUTE format('WITH fresh AS (INSERT INTO %s SELECT %s FROM ONLY %s WHERE %s ON CONFLICT DO NOTHING RETURNING *)
    INSERT INTO pg_temp.%I (%s) SELECT %s FROM ONLY %s JOIN fresh USING (%s)',
    fetched, keys, target, condition, (SELECT relname FROM pg_class WHERE oid = target), columns, columns, target, keys);
END $$;

-- A new row meets those of the table that have one of its keys.
CREATE FUNCTION pg_catalog.dsql_emulator_fetch_same() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  target regclass := TG_ARGV[0]::oid::regclass;
  condition text;
BEGIN
  -- One that is being fetched.
  IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF;
  FOR condition IN
    SELECT string_agg(format('%s = %L', quote_ident(a.attname), to_jsonb(NEW) ->> a.attname), ' AND ')
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = target AND i.indisunique
    GROUP BY i.indexrelid HAVING count(to_jsonb(NEW) ->> a.attname) = count(*)
  LOOP
    PERFORM pg_catalog.dsql_emulator_fetch(target, condition);
  END LOOP;
  RETURN NEW;
END $$;

-- A private copy of a table that has rows when they are fetched; a whole one where that would not do: a table that foreign
-- keys tie to others, that has no primary key, or that is unique by an expression or in part. A small one is copied sooner.
CREATE FUNCTION pg_catalog.dsql_emulator_sparse(target regclass, conditions text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text := (SELECT relname FROM pg_class WHERE oid = target);
  condition text;
BEGIN
  IF to_regclass(format('pg_temp.%I', name)) IS NULL THEN
    IF pg_relation_size(target) <= ${small}
      OR EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND target IN (conrelid, confrelid))
      OR NOT EXISTS (SELECT FROM pg_index WHERE indrelid = target AND indisprimary)
      OR EXISTS (SELECT FROM pg_index WHERE indrelid = target AND indisunique AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
      OR EXISTS (SELECT FROM pg_index WHERE indrelid = target AND indisunique AND (indnullsnotdistinct OR NOT indisvalid)) THEN
      PERFORM pg_catalog.dsql_emulator_shadow(ARRAY[target::text]);
      RETURN;
    END IF;
    PERFORM pg_catalog.dsql_emulator_empty_copy(target);
    EXECUTE format('CREATE TEMP TABLE dsql_emulator_fetched_%s AS SELECT %s FROM ONLY %s WHERE false', target::oid,
      (SELECT string_agg(quote_ident(attname), ',') FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
        AND a.attnum = ANY (i.indkey) WHERE i.indrelid = target AND i.indisprimary), target);
    EXECUTE format('ALTER TABLE pg_temp.dsql_emulator_fetched_%s ADD PRIMARY KEY (%s)', target::oid,
      (SELECT string_agg(quote_ident(attname), ',') FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
        AND a.attnum = ANY (i.indkey) WHERE i.indrelid = target AND i.indisprimary));
    EXECUTE format('CREATE TRIGGER dsql_emulator_z BEFORE INSERT ON pg_temp.%I FOR EACH ROW
      EXECUTE FUNCTION pg_catalog.dsql_emulator_fetch_same(%s)', name, target::oid);
  END IF;
  FOREACH condition IN ARRAY conditions LOOP
    PERFORM pg_catalog.dsql_emulator_fetch(target, condition);
  END LOOP;
END $$;

-- Private copies, in pg_temp, of tables and of what foreign keys tie to them, as this transaction sees them.
CREATE FUNCTION pg_catalog.dsql_emulator_shadow(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  target oid;
  targets oid[];
  item record;
  columns text;
BEGIN
  FOR target IN SELECT DISTINCT c.oid FROM unnest(names) n JOIN pg_class c ON c.oid = to_regclass(n)
    WHERE to_regclass('pg_temp.dsql_emulator_fetched_' || c.oid) IS NOT NULL
  LOOP
    EXECUTE format('DROP TRIGGER dsql_emulator_z ON pg_temp.%I', (SELECT relname FROM pg_class WHERE oid = target));
    PERFORM pg_catalog.dsql_emulator_fetch(target, 'true');
    EXECUTE format('DROP TABLE pg_temp.dsql_emulator_fetched_%s', target);
  END LOOP;
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
    PERFORM pg_catalog.dsql_emulator_empty_copy(item.oid);
    columns := (SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute
      WHERE attrelid = item.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
    EXECUTE format('INSERT INTO pg_temp.%I (%s) SELECT %s FROM %I.%I', item.relname, columns, columns, item.nspname, item.relname);
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

/** Has rows of a table in a private copy, and later those that an insert meets. */
export const fetch = (table: string, conditions: ReadonlyArray<string>): string =>
  `SELECT pg_catalog.dsql_emulator_sparse(${Quote.literal(table)}, ARRAY[${conditions.map(Quote.literal).join(", ")}]::text[])`

/** Copies tables, and what foreign keys tie to them, into `pg_temp`. */
export const copy = (tables: ReadonlyArray<string>): string =>
  `SELECT pg_catalog.dsql_emulator_shadow(ARRAY[${tables.map(Quote.literal).join(", ")}])`
