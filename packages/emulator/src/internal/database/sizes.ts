/**
 * What a transaction may change and how large a row, a value and a key may be, counted and guarded by PostgreSQL.
 */
import { Limits } from "@effect-dsql/dialect"
import { firstOfUsers } from "./oids.ts"

/** SQL that makes what counts and guards. */
export const definitions = `
-- Rows changed so far, referential actions included; only differences mean anything. It is asked around each statement
-- that writes in several ways, so its plan is kept, and the view of these numbers, which adds up indexes too, is not read.
CREATE FUNCTION pg_catalog.dsql_emulator_changed_rows() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RETURN (SELECT coalesce(sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
      + pg_stat_get_xact_tuples_deleted(oid)), 0)
    FROM pg_class WHERE oid >= ${firstOfUsers} AND relkind = 'r' AND relnamespace <> 'pg_catalog'::regnamespace);
END $$;

-- Bytes of the rows that this transaction has written, before compression.
CREATE FUNCTION pg_catalog.dsql_emulator_changed_bytes() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own text[] := pg_catalog.dsql_emulator_transaction_ids(pg_backend_pid())::text[];
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

-- A row that is large for what it may be: 2 MiB, and 1 MiB for each value, as they are stored: compressed where that helps.
CREATE FUNCTION pg_catalog.dsql_emulator_check_size() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  values text := (SELECT string_agg(format('(%L, %s)', format_type(t.oid, NULL), CASE
      WHEN t.typlen > 0 THEN format('pg_column_size(($1).%I)', a.attname)
      -- Four bytes say how long it is.
      ELSE format('pg_column_size(($1).%I) - 4', a.attname) END), ', ' ORDER BY a.attnum)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped);
  longest text;
  total bigint;
BEGIN
  -- A field comes out of its row decompressed: what the whole row has saved may be any value's.
  EXECUTE format('WITH v (type, size) AS (VALUES %s) SELECT min(type) FILTER
      (WHERE size - greatest((SELECT sum(size) FROM v) - pg_column_size($1), 0) > ${Limits.columnBytes}), pg_column_size($1) FROM v', values)
    INTO longest, total USING NEW;
  IF longest IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '54000',
      MESSAGE = format('datatype limit greater than ${Limits.columnBytes} bytes not supported for %s', longest);
  ELSIF total > ${Limits.rowBytes} THEN
    RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'maximum row size exceeded';
  END IF;
  RETURN NULL;
END $$;

-- Called for a key that is too long.
CREATE FUNCTION pg_catalog.dsql_emulator_refuse_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = format('index row size exceeds maximum ${Limits.keyBytes} for index "%s"',
    (SELECT conname FROM pg_constraint WHERE conrelid = TG_RELID AND contype = 'p'));
END $$;

-- A table gets what looks at its rows. PostgreSQL decides on the conditions without calling a function, and after the
-- row is written: before, it would lock the row that it updates. The first is below what 2 MiB can be compressed to. As
-- the triggers of foreign keys they are PostgreSQL's own: no list of triggers has them.
CREATE FUNCTION pg_catalog.dsql_emulator_guard(target regclass) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  key text;
BEGIN
  EXECUTE format('CREATE TRIGGER dsql_emulator_size AFTER INSERT OR UPDATE ON %s FOR EACH ROW
    WHEN (pg_column_size(NEW.*) > 16384) EXECUTE FUNCTION pg_catalog.dsql_emulator_check_size()', target);
  SELECT string_agg(CASE WHEN t.typcategory = 'S' OR t.oid = 'bytea'::regtype THEN 'octet_length' ELSE 'pg_column_size' END
    || format('(NEW.%I)', a.attname), ' + ') INTO key
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  JOIN pg_type t ON t.oid = a.atttypid
  WHERE i.indrelid = target AND i.indisprimary
  HAVING bool_or(t.typlen < 0);
  IF key IS NOT NULL THEN
    EXECUTE format('CREATE TRIGGER dsql_emulator_key AFTER INSERT OR UPDATE ON %s FOR EACH ROW
      WHEN (%s > ${Limits.keyBytes}) EXECUTE FUNCTION pg_catalog.dsql_emulator_refuse_key()', target, key);
  END IF;
  UPDATE pg_trigger SET tgisinternal = true WHERE tgrelid = target AND tgname LIKE 'dsql\\_emulator\\_%';
END $$;

CREATE FUNCTION pg_catalog.dsql_emulator_guard_tables() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  -- A table with a foreign key comes twice.
  PERFORM dsql_emulator_guard(oid) FROM (SELECT DISTINCT c.oid FROM pg_event_trigger_ddl_commands() e
    JOIN pg_class c ON c.oid = e.objid
    WHERE e.classid = 'pg_class'::regclass AND c.relkind = 'r' AND c.relpersistence = 'p') t;
END $$;
CREATE EVENT TRIGGER dsql_emulator_guard ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
  EXECUTE FUNCTION pg_catalog.dsql_emulator_guard_tables();
`

/** Rows changed so far, of which only differences mean anything; and whether anything was changed or locked. */
export const changedRows =
  "SELECT pg_catalog.dsql_emulator_changed_rows(), pg_current_xact_id_if_assigned() IS NOT NULL"

/** Bytes of the rows that the transaction has written. */
export const changedBytes = "SELECT pg_catalog.dsql_emulator_changed_bytes()"
