/**
 * What the service says of its settings, by SHOW, `current_setting` and `pg_settings` alike, and which of them
 * `set_config` may change.
 */
import { Dialect, Quote } from "@effect-dsql/dialect"
import { settings, version } from "../statement/version.ts"

const cases = Object.entries(settings)
  .map(([name, value]) => `WHEN ${Quote.literal(name)} THEN ${Quote.literal(value)}`)
  .join(" ")

/** SQL that makes PostgreSQL report and refuse as the service does. */
export const definitions = `
-- SQL functions of one expression: the planner puts it in their place, and nobody calls a built-in one by its number.
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
  AS $$ SELECT '${version.text}'::text $$;
CREATE OR REPLACE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
  AS $$ SELECT CASE pg_catalog.lower($1) ${cases} ELSE pg_catalog.current_setting($1, false) END $$;

CREATE OR REPLACE VIEW pg_catalog.pg_settings AS
  SELECT name, CASE name ${cases} ELSE setting END AS setting, unit, category, short_desc, extra_desc, context, vartype,
    source, min_val, max_val, enumvals, CASE name ${cases} ELSE boot_val END AS boot_val,
    CASE name ${cases} ELSE reset_val END AS reset_val, sourcefile, sourceline, pending_restart
  FROM pg_catalog.pg_show_all_settings() WHERE name NOT LIKE 'dsql\\_emulator.%';

CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_set_config(text, text, boolean) RETURNS text LANGUAGE internal
  AS 'set_config_by_name';
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_set_allowed(setting_name text, new_value text, is_local boolean) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  IF pg_catalog.lower(setting_name) <> ALL (ARRAY[${[...Dialect.settings].map(Quote.literal).join(", ")}]) AND setting_name NOT ILIKE 'enable\\_%' THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = pg_catalog.format('setting configuration parameter "%s" not supported', pg_catalog.lower(setting_name));
  END IF;
  RETURN pg_catalog.dsql_emulator_set_config(setting_name, new_value, is_local);
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.set_config(setting_name text, new_value text, is_local boolean) RETURNS text LANGUAGE sql
  CALLED ON NULL INPUT AS $$ SELECT pg_catalog.dsql_emulator_set_allowed($1, $2, $3) $$;
`
