/**
 * What the emulator adds to a database: `sys`, as the service has it, and the
 * functions with which PostgreSQL itself answers for row locks, shadows, sizes and jobs.
 */
import { Limits } from "@effect-dsql/dialect"

/** The role that a cluster is born with. */
export const adminRole = `
DO $$ BEGIN
  CREATE ROLE admin LOGIN CREATEDB CREATEROLE;
  GRANT pg_read_all_stats TO admin;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$`

/** The versions that the recorded cluster reported (probes env_*, 2026-09-18). */
export const version = { server: "16.15", number: "160015", text: "PostgreSQL 16" } as const

/** Whether a database has been prepared: one row when it has. */
export const isInstalled = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'dsql_emulator'"

/** One text of statements, run as one transaction. */
export const install = `
CREATE SCHEMA dsql_emulator;
CREATE SCHEMA sys;
GRANT USAGE ON SCHEMA dsql_emulator, sys TO PUBLIC;
GRANT ALL ON SCHEMA public TO admin;
ALTER SCHEMA public OWNER TO admin;
CREATE EXTENSION pgrowlocks SCHEMA dsql_emulator;

CREATE TABLE dsql_emulator.jobs (
  job_id text PRIMARY KEY,
  status text NOT NULL DEFAULT 'submitted',
  details text,
  job_type text NOT NULL,
  class_id oid NOT NULL,
  object_id oid NOT NULL,
  command text NOT NULL,
  start_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz
);

CREATE VIEW sys.jobs AS
  SELECT j.job_id, j.status, j.details, j.job_type, j.class_id, j.object_id,
    (SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = j.object_id) AS object_name,
    j.start_time, j.update_time
  FROM dsql_emulator.jobs j
  WHERE j.update_time IS NULL OR j.update_time > now() - interval '30 minutes';
GRANT SELECT ON sys.jobs TO PUBLIC;

CREATE PROCEDURE sys.wait_for_job(job_id text, INOUT succeeded boolean DEFAULT NULL)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF job_id !~ '^[a-z2-7]{26}$' THEN
    RAISE EXCEPTION USING ERRCODE = '22P02', MESSAGE = 'Unable to convert text to UUID';
  END IF;
  SELECT j.status = 'completed' INTO succeeded FROM dsql_emulator.jobs j WHERE j.job_id = wait_for_job.job_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('unknown job %s', job_id);
  END IF;
END $$;

-- A new index is not valid before its job has checked it, and enforces uniqueness all the same.
CREATE FUNCTION dsql_emulator.submit_index(job text, target regclass, is_unique boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  index oid := (SELECT max(indexrelid) FROM pg_index WHERE indrelid = target);
BEGIN
  UPDATE pg_index SET indisvalid = false, indisunique = is_unique WHERE indexrelid = index;
  INSERT INTO dsql_emulator.jobs (job_id, job_type, class_id, object_id, command)
    VALUES (job, 'INDEX_BUILD', 1259, index, 'REINDEX INDEX ' || index::regclass);
END $$;

CREATE FUNCTION dsql_emulator.submit_validation(job text, target regclass, name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = target AND conname = name) THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('constraint "%s" of relation "%s" does not exist', name,
      (SELECT relname FROM pg_class WHERE oid = target));
  END IF;
  INSERT INTO dsql_emulator.jobs (job_id, job_type, class_id, object_id, command)
    VALUES (job, 'VALIDATE_CONSTRAINT', 1259, target, format('ALTER TABLE %s VALIDATE CONSTRAINT %I', target, name));
END $$;

-- Transaction ids, that of the base savepoint included, by which a backend's locks on rows are known.
CREATE FUNCTION dsql_emulator.transaction_ids(backend int) RETURNS xid[] LANGUAGE sql AS $$
  SELECT ARRAY(SELECT transactionid FROM pg_catalog.pg_locks
    WHERE pid = backend AND locktype = 'transactionid' AND mode = 'ExclusiveLock')
$$;

-- The rows that this transaction has locked without changing them: a table, a strength, and which rows.
CREATE FUNCTION dsql_emulator.row_locks(OUT target text, OUT strength text, OUT condition text) RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  tids tid[];
  columns name[];
  keys text;
BEGIN
  FOR target, strength, tids IN
    WITH mine AS MATERIALIZED (SELECT locktype, relation, transactionid, mode FROM pg_locks WHERE pid = pg_backend_pid())
    SELECT c.oid::regclass::text, m.mode, array_agg(DISTINCT r.locked_row)
    FROM (SELECT DISTINCT relation AS oid FROM mine WHERE locktype = 'relation' AND mode = 'RowShareLock') l
    JOIN pg_class c USING (oid),
    dsql_emulator.pgrowlocks(c.oid::regclass::text) r,
    -- Of several lockers of a row pgrowlocks calls the weakest otherwise than of one.
    LATERAL (SELECT xid, replace(mode, 'For ', '') FROM unnest(r.xids, r.modes) AS u (xid, mode)
      WHERE mode IN ('For Update', 'For Key Share', 'Key Share')) AS m (xid, mode)
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relnamespace <> 'pg_catalog'::regnamespace
      AND m.xid = ANY (ARRAY(SELECT transactionid FROM mine WHERE locktype = 'transactionid'))
    GROUP BY c.oid, m.mode
  LOOP
    columns := ARRAY(SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = target::regclass AND i.indisprimary ORDER BY a.attnum);
    IF columns = '{}' THEN
      condition := format('ctid = ANY (%L)', tids);
    ELSE
      EXECUTE format('SELECT string_agg(format(''(%%s)'', concat_ws('','', %s)), '','') FROM ONLY %s WHERE ctid = ANY ($1)',
        (SELECT string_agg(format('quote_literal(%I::text)', c), ',') FROM unnest(columns) c), target)
        INTO keys USING tids;
      condition := format('(%s) IN (%s)', (SELECT string_agg(quote_ident(c), ',') FROM unnest(columns) c), keys);
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

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

-- Private copies, in pg_temp, of tables and of what foreign keys tie to them, as this transaction sees them.
CREATE FUNCTION dsql_emulator.shadow(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  target oid;
  targets oid[];
  item record;
  columns text;
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
      EXECUTE format('ALTER TABLE pg_temp.%I ALTER COLUMN %I SET DEFAULT nextval(%L)', item.relname, columns,
        pg_get_serial_sequence(format('%I.%I', item.nspname, item.relname), columns));
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

-- Rows changed so far, referential actions included; only differences mean anything.
CREATE FUNCTION dsql_emulator.changed_rows() RETURNS bigint LANGUAGE sql AS $$
  SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_xact_user_tables
$$;

-- Bytes of the rows that this transaction has written, before compression.
CREATE FUNCTION dsql_emulator.changed_bytes() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own text[] := dsql_emulator.transaction_ids(pg_backend_pid())::text[];
  target regclass;
  sizes text;
  total bigint := 0;
  part bigint;
BEGIN
  FOR target IN
    SELECT DISTINCT l.relation FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND c.relkind = 'r'
      AND c.relnamespace <> 'pg_catalog'::regnamespace
  LOOP
    sizes := (SELECT string_agg(format(
        CASE WHEN atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype)
          THEN 'coalesce(octet_length(%I), 0)' ELSE 'coalesce(pg_column_size(%I), 0)' END, attname), ' + ')
      FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped);
    EXECUTE format('SELECT coalesce(sum(%s), 0) FROM ONLY %s WHERE xmin::text = ANY ($1)', sizes, target) INTO part USING own;
    total := total + part;
  END LOOP;
  RETURN total;
END $$;

-- A row that is large for what it may be: 2 MiB, and 1 MiB for each value, before compression.
CREATE FUNCTION dsql_emulator.check_size() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  values text := (SELECT string_agg(format('(%L, %s)', format_type(t.oid, NULL), CASE
      WHEN t.typlen > 0 THEN format('pg_column_size(($1).%I)', a.attname)
      WHEN t.oid = 'bytea'::regtype THEN format('octet_length(($1).%I)', a.attname)
      ELSE format('octet_length(($1).%I::text)', a.attname) END), ', ' ORDER BY a.attnum)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped);
  longest text;
  total bigint;
BEGIN
  EXECUTE format('SELECT min(type) FILTER (WHERE size > ${Limits.columnBytes}), sum(size) FROM (VALUES %s) v (type, size)', values)
    INTO longest, total USING NEW;
  IF longest IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '0A000',
      MESSAGE = format('datatype limit greater than ${Limits.columnBytes} bytes not supported for %s', longest);
  ELSIF total > ${Limits.rowBytes} THEN
    RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'row size limit 2mb exceeded';
  END IF;
  RETURN NULL;
END $$;

-- Called for a key that is too long.
CREATE FUNCTION dsql_emulator.refuse_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = format('index row size exceeds maximum ${Limits.keyBytes} for index "%s"',
    (SELECT conname FROM pg_constraint WHERE conrelid = TG_RELID AND contype = 'p'));
END $$;

-- Every new table gets what looks at its rows. PostgreSQL decides on the conditions without calling a function, and
-- after the row is written: before, it would lock the row that it updates. The first is below what 2 MiB can be
-- compressed to. As the triggers of foreign keys they are PostgreSQL's own: no list of triggers has them.
CREATE FUNCTION dsql_emulator.guard_tables() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  target regclass;
  key text;
BEGIN
  -- A table with a foreign key comes twice.
  FOR target IN SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands() JOIN pg_class c ON c.oid = objid
    WHERE classid = 'pg_class'::regclass AND c.relkind = 'r' AND c.relpersistence = 'p'
  LOOP
    EXECUTE format('CREATE TRIGGER dsql_emulator_size AFTER INSERT OR UPDATE ON %s FOR EACH ROW
      WHEN (pg_column_size(NEW.*) > 16384) EXECUTE FUNCTION dsql_emulator.check_size()', target);
    SELECT string_agg(CASE WHEN t.typcategory = 'S' OR t.oid = 'bytea'::regtype THEN 'octet_length' ELSE 'pg_column_size' END
      || format('(NEW.%I)', a.attname), ' + ') INTO key
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE i.indrelid = target AND i.indisprimary
    HAVING bool_or(t.typlen < 0);
    IF key IS NOT NULL THEN
      EXECUTE format('CREATE TRIGGER dsql_emulator_key AFTER INSERT OR UPDATE ON %s FOR EACH ROW
        WHEN (%s > ${Limits.keyBytes}) EXECUTE FUNCTION dsql_emulator.refuse_key()', target, key);
    END IF;
    UPDATE pg_trigger SET tgisinternal = true WHERE tgrelid = target AND tgname LIKE 'dsql\\_emulator\\_%';
  END LOOP;
END $$;
CREATE EVENT TRIGGER dsql_emulator_guard ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
  EXECUTE FUNCTION dsql_emulator.guard_tables();

-- What the service says of itself; SQL functions, because the planner looks at them before it calls a built-in one.
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
  AS $$ SELECT '${version.text}'::text $$;
CREATE OR REPLACE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
  AS $$ SELECT CASE pg_catalog.lower($1) WHEN 'server_version' THEN '${version.server}'
    WHEN 'server_version_num' THEN '${version.number}' ELSE pg_catalog.current_setting($1, false) END $$;
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
    ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)))::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND c.relkind = 'r'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dsql_emulator')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relname = c.relname AND o.oid <> c.oid)`

/** Whether the transaction sees a key twice in any of these tables. */
export const hasGhosts = (tables: ReadonlyArray<string>): string =>
  `SELECT ${tables.map((table) => `coalesce(dsql_emulator.has_ghosts(to_regclass(${literal(table)})), false)`).join(" OR ")}`

/** A text as an SQL literal; standard_conforming_strings is always on. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The first of some columns that is in the primary key of a table. */
export const primaryKeyColumn = (table: string, columns: ReadonlyArray<string>): string => `
SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
WHERE i.indrelid = pg_catalog.to_regclass(${literal(table)}) AND i.indisprimary AND a.attnum = ANY (i.indkey)
  AND a.attname IN (${columns.map(literal).join(", ")}) LIMIT 1`

/** Row locks: which rows of a table, how strongly. */
export interface RowLocks {
  readonly target: string
  readonly strength: string
  readonly condition: string
}

/** Whether a backend holds a lock on a row that conflicts with any of these. */
export const isInConflict = (backend: number, locks: ReadonlyArray<RowLocks>): string => {
  const groups = Map.groupBy(locks, ({ strength, target }) => `${strength} ${target}`)
  const questions = [...groups.values()].flatMap(([first, ...more]) =>
    first === undefined
      ? []
      : [
          isAnyInConflict(
            first,
            [first, ...more].map(({ condition }) => condition)
          )
        ]
  )
  return `WITH accused AS MATERIALIZED (SELECT dsql_emulator.transaction_ids(${backend}) AS ids)
SELECT ${questions.join(" OR ")}`
}

// Most rows have never been locked by anybody else. For the others, one look at all locks of the table.
const isAnyInConflict = ({ strength, target }: RowLocks, conditions: ReadonlyArray<string>): string => {
  const rows = `FROM ONLY ${target} WHERE (${[...new Set(conditions)].join(" OR ")})`
  return `CASE WHEN EXISTS (SELECT ${rows} AND xmax <> 0) THEN EXISTS (
  SELECT FROM accused, dsql_emulator.pgrowlocks(${literal(target)}) l
  JOIN (SELECT ctid AS place ${rows}) r ON r.place = l.locked_row,
  unnest(l.xids, l.modes) AS m (xid, mode)
  WHERE m.xid = ANY (accused.ids)
    ${strength === "Update" ? "" : "AND m.mode IN ('For Update', 'Update')"}) ELSE false END`
}
