/**
 * Values that PostgreSQL gives once and would not give again: random ones, numbers of sequences, the time of day.
 *
 * A transaction that was parked is done again, and its client has been told of them. So a statement whose values others
 * may make it give back reports each as it is drawn, and draws the same ones when it is done again.
 */
import { Quote } from "@effect-dsql/dialect"

/** PostgreSQL's own functions that draw. */
export const functions: ReadonlySet<string> = new Set([
  "clock_timestamp",
  "gen_random_uuid",
  "nextval",
  "random",
  "random_normal",
  "setval",
  "statement_timestamp",
  "timeofday"
])

/** The SQLSTATE of a notice that reports a value. */
export const sqlstate = "DSQLD"

/** The setting that says what drawing does: nothing, report, or give the values that it lists. */
const setting = "dsql_emulator.draws"
const reporting = "report"

const isDrawing = `pg_catalog.current_setting('${setting}', true) <> ''`

/** A function without arguments, which the planner puts in its place; that is how PostgreSQL's own comes to be left out. */
const plain = (name: string, type: string, volatility = "VOLATILE") => `
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_${name}() RETURNS ${type} LANGUAGE internal ${volatility} AS '${internal[name] ?? name}';
CREATE OR REPLACE FUNCTION pg_catalog.${name}() RETURNS ${type} LANGUAGE sql ${volatility} CALLED ON NULL INPUT AS $$
  SELECT CASE WHEN ${isDrawing} THEN pg_catalog.dsql_emulator_drawn(pg_catalog.dsql_emulator_${name}()::pg_catalog.text)::${type}
    ELSE pg_catalog.dsql_emulator_${name}() END $$;`

const internal: Readonly<Record<string, string>> = { random: "drandom" }

/** SQL that makes drawing what is said above. */
export const definitions = `
-- Reports a value, or gives the next of those that were reported.
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_drawn(value text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
  state text := current_setting('${setting}', true);
BEGIN
  IF state = '${reporting}' THEN
    RAISE INFO USING ERRCODE = '${sqlstate}', MESSAGE = value;
  ELSIF state <> '' THEN
    value := split_part(state, E'\\n', 1);
    PERFORM dsql_emulator_set_config('${setting}', substr(state, length(value) + 2), true);
  END IF;
  RETURN value;
END $$;

-- Whether values are given that were reported.
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_is_repeating() RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce(pg_catalog.current_setting('${setting}', true), '') NOT IN ('', '${reporting}') $$;
${plain("gen_random_uuid", "uuid")}
${plain("random", "float8")}
${plain("clock_timestamp", "timestamptz")}
${plain("statement_timestamp", "timestamptz", "STABLE")}
${plain("timeofday", "text")}

CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_random_normal(float8, float8) RETURNS float8 LANGUAGE internal AS 'drandom_normal';
CREATE OR REPLACE FUNCTION pg_catalog.random_normal(mean float8 DEFAULT 0, stddev float8 DEFAULT 1) RETURNS float8
  LANGUAGE sql CALLED ON NULL INPUT
  AS $$ SELECT pg_catalog.dsql_emulator_drawn(pg_catalog.dsql_emulator_random_normal($1, $2)::pg_catalog.text)::pg_catalog.float8 $$;

-- Sequences go on when a transaction is rolled back: they are asked and set only once.
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_nextval(regclass) RETURNS bigint LANGUAGE internal STRICT AS 'nextval_oid';
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_draw(sequence regclass) RETURNS bigint LANGUAGE plpgsql STRICT AS $$
BEGIN
  RETURN pg_catalog.dsql_emulator_drawn(CASE WHEN pg_catalog.dsql_emulator_is_repeating() THEN '' ELSE pg_catalog.dsql_emulator_nextval(sequence)::text END);
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.nextval(regclass) RETURNS bigint LANGUAGE sql CALLED ON NULL INPUT
  AS $$ SELECT pg_catalog.dsql_emulator_draw($1) $$;

CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_setval(regclass, bigint, boolean) RETURNS bigint LANGUAGE internal STRICT AS 'setval3_oid';
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_set_sequence(sequence regclass, value bigint, called boolean) RETURNS bigint
LANGUAGE plpgsql STRICT AS $$
BEGIN
  RETURN pg_catalog.dsql_emulator_drawn(
    CASE WHEN pg_catalog.dsql_emulator_is_repeating() THEN '' ELSE pg_catalog.dsql_emulator_setval(sequence, value, called)::text END);
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.setval(regclass, bigint) RETURNS bigint LANGUAGE sql CALLED ON NULL INPUT
  AS $$ SELECT pg_catalog.dsql_emulator_set_sequence($1, $2, true) $$;
CREATE OR REPLACE FUNCTION pg_catalog.setval(regclass, bigint, boolean) RETURNS bigint LANGUAGE sql CALLED ON NULL INPUT
  AS $$ SELECT pg_catalog.dsql_emulator_set_sequence($1, $2, $3) $$;

-- Identity columns ask their sequences by no function. Arguments: the column's number, and its sequence.
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_draw_identity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  name text := (SELECT attname FROM pg_attribute WHERE attrelid = TG_RELID AND attnum = TG_ARGV[0]::int2);
  given bigint;
BEGIN
  EXECUTE format('SELECT ($1).%I', name) INTO given USING NEW;
  IF given IS DISTINCT FROM currval(TG_ARGV[1]::oid::regclass) THEN RETURN NEW; END IF;
  RETURN jsonb_populate_record(NEW, jsonb_build_object(name, pg_catalog.dsql_emulator_drawn(given::text)::bigint));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_watch_identity(target regclass, number int2, sequence regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER dsql_emulator_identity_%s BEFORE INSERT ON %s FOR EACH ROW
    WHEN (${isDrawing.replaceAll("'", "''")}) EXECUTE FUNCTION pg_catalog.dsql_emulator_draw_identity(%s, %s)',
    number, target, number, sequence::oid);
END $$;

-- Has the identities of a table watched as they are now.
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_watch_identities_of(tables oid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  item record;
BEGIN
  FOR item IN
    SELECT tgrelid::regclass AS target, tgname FROM pg_trigger
    WHERE tgrelid = ANY (tables) AND tgname LIKE 'dsql\\_emulator\\_identity%'
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', item.tgname, item.target);
  END LOOP;
  FOR item IN
    SELECT c.oid::regclass AS target, a.attnum, pg_get_serial_sequence(c.oid::regclass::text, a.attname)::regclass AS sequence
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> '' AND NOT a.attisdropped
    WHERE c.oid = ANY (tables) AND c.relkind = 'r' AND c.relpersistence = 'p'
  LOOP
    PERFORM pg_catalog.dsql_emulator_watch_identity(item.target, item.attnum, item.sequence);
    UPDATE pg_trigger SET tgisinternal = true WHERE tgrelid = item.target AND tgname LIKE 'dsql\\_emulator\\_identity%';
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_watch_identities() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM dsql_emulator_watch_identities_of(ARRAY(
    SELECT objid FROM pg_event_trigger_ddl_commands() WHERE classid = 'pg_class'::regclass));
END $$;
CREATE EVENT TRIGGER dsql_emulator_identities ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE')
  EXECUTE FUNCTION pg_catalog.dsql_emulator_watch_identities();
`

/** An expression that makes drawing report values. */
export const report = `pg_catalog.dsql_emulator_set_config('${setting}', '${reporting}', true)`

/** An expression that makes drawing give these values, as far as they reach. */
export const give = (values: ReadonlyArray<string>): string =>
  `pg_catalog.dsql_emulator_set_config('${setting}', ${Quote.literal(values.join("\n"))}, true)`

/** An expression that ends either. */
export const stop = give([])
