/**
 * How many objects there may be, and what a key may be made of, looked at when something has been defined.
 */
import { Limits } from "@effect-dsql/dialect"

/** `numeric(18,6)`, as PostgreSQL keeps it with a column: what a numeric without digits is on the service. */
const numericType = ((18 << 16) | 6) + 4

/** SQL that makes what refuses one object too many. */
export const definitions = `
CREATE FUNCTION pg_catalog.dsql_emulator_check_limits() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  target record;
  type text;
BEGIN
  IF TG_TAG = 'CREATE SCHEMA' THEN
    IF (SELECT count(*) > ${Limits.schemas} FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'sys', 'information_schema')) THEN
      RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'more than ${Limits.schemas} schemas not allowed';
    END IF;
    RETURN;
  ELSIF TG_TAG = 'CREATE DOMAIN' THEN
    UPDATE pg_type t SET typtypmod = ${numericType} FROM pg_event_trigger_ddl_commands() e
      WHERE e.classid = 'pg_type'::regclass AND t.oid = e.objid AND t.typtype = 'd' AND t.typbasetype = 'numeric'::regtype
        AND t.typtypmod = -1;
    RETURN;
  END IF;
  FOR target IN
    SELECT DISTINCT coalesce(i.indrelid, s.stxrelid, c.oid) AS oid FROM pg_event_trigger_ddl_commands() e
    LEFT JOIN pg_index i ON e.classid = 'pg_class'::regclass AND i.indexrelid = e.objid
    LEFT JOIN pg_statistic_ext s ON e.classid = 'pg_statistic_ext'::regclass AND s.oid = e.objid
    LEFT JOIN pg_class c ON e.classid = 'pg_class'::regclass AND c.oid = e.objid AND c.relkind = 'r' AND c.relpersistence = 'p'
    WHERE coalesce(i.indrelid, s.stxrelid, c.oid) IS NOT NULL
  LOOP
    IF (SELECT count(*) > ${Limits.tableIndexes} FROM pg_index WHERE indrelid = target.oid) THEN
      RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'more than ${Limits.tableIndexes} indexes per table are not allowed';
    ELSIF (SELECT count(*) > ${Limits.tableStatistics} FROM pg_statistic_ext WHERE stxrelid = target.oid) THEN
      RAISE EXCEPTION USING ERRCODE = '54000',
        MESSAGE = 'more than ${Limits.tableStatistics} extended statistics per table are not allowed';
    ELSIF (SELECT count(*) > ${Limits.tableColumnsSeen} FROM pg_attribute
      WHERE attrelid = target.oid AND attnum > 0 AND NOT attisdropped) THEN
      RAISE EXCEPTION USING ERRCODE = '54011', MESSAGE = CASE
        WHEN EXISTS (SELECT FROM pg_index WHERE indrelid = target.oid AND indisprimary)
          THEN 'cannot use more than ${Limits.tableColumnsSeen} columns in an index'
        ELSE 'tables can have at most ${Limits.tableColumns} columns' END;
    END IF;
    SELECT format_type(a.atttypid, NULL) INTO type FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
      WHERE i.indrelid = target.oid AND a.attnum <= i.indnkeyatts AND a.atttypid IN ('json'::regtype, 'jsonb'::regtype);
    IF FOUND THEN
      RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('datatype %s is not supported in a key', type);
    ELSIF EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
      WHERE i.indrelid = target.oid AND a.attnum <= i.indnkeyatts
      GROUP BY i.indexrelid HAVING sum(CASE WHEN a.attlen > 0 THEN a.attlen
        WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4
        ELSE 0 END) > ${Limits.declaredKeyBytes}) THEN
      RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'key size greater than ${Limits.declaredKeyBytes} bytes not supported';
    END IF;
    UPDATE pg_attribute SET atttypmod = ${numericType}
      WHERE attrelid = target.oid AND attnum > 0 AND atttypid = 'numeric'::regtype AND atttypmod = -1;
  END LOOP;
END $$;
CREATE EVENT TRIGGER dsql_emulator_limits ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX', 'CREATE STATISTICS', 'CREATE SCHEMA', 'CREATE DOMAIN')
  EXECUTE FUNCTION pg_catalog.dsql_emulator_check_limits();
`
