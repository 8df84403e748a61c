/**
 * How the catalogue shows keys, access methods, event triggers and extensions. PostgreSQL itself reads its tables by number, not by name.
 */

/** Rewrites what PostgreSQL says of an index: its method, and the columns that the service keeps with a primary key. */
const shown = (text: string, index: string) =>
  `regexp_replace(${text}, ' USING btree ', ' USING btree_index ')
    || coalesce((SELECT ' INCLUDE (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
      WHERE i.indexrelid = ${index} AND i.indisprimary AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attnum <> ALL (i.indkey)), '')`

const constraintIndex = "(SELECT conindid FROM pg_catalog.pg_constraint WHERE oid = $1 AND contype = 'p')"

const parametersOf = (types: string): string =>
  types
    .split(",")
    .map((_, n) => `$${n + 1}`)
    .join(", ")

/** The planner puts a call of a function of ours in the place of PostgreSQL's own, if it is all that its body is. */
const replaced = (name: string, types: string, internal: string, body: (call: string) => string) => `
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_${name}(${types}) RETURNS text LANGUAGE internal STABLE STRICT AS '${internal}';
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_shown_${name}(${types}) RETURNS text LANGUAGE sql STABLE STRICT
  AS $$ SELECT ${body(`dsql_emulator_${name}(${parametersOf(types)})`)} $$;
CREATE OR REPLACE FUNCTION pg_catalog.${name}(${types}) RETURNS text LANGUAGE sql STABLE CALLED ON NULL INPUT
  AS $$ SELECT pg_catalog.dsql_emulator_shown_${name}(${parametersOf(types)}) $$;`

/** SQL that makes the catalogue look as the service's does. */
export const definitions = `
${replaced("pg_get_constraintdef", "oid", "pg_get_constraintdef", (call) => shown(call, constraintIndex))}
${replaced("pg_get_constraintdef", "oid, boolean", "pg_get_constraintdef_ext", (call) => shown(call, constraintIndex))}
${replaced("pg_get_indexdef", "oid", "pg_get_indexdef", (call) => shown(call, "$1"))}
${replaced("pg_get_indexdef", "oid, integer, boolean", "pg_get_indexdef_ext", (call) => `CASE WHEN $2 = 0 THEN ${shown(call, "$1")} ELSE ${call} END`)}

DO $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND oid IN ('pg_am'::regclass, 'pg_event_trigger'::regclass) LOOP
    EXECUTE format('ALTER TABLE pg_catalog.%I RENAME TO %I', name, replace(name, 'pg_', 'dsql_emulator_'));
  END LOOP;
END $$;
CREATE OR REPLACE VIEW pg_catalog.pg_event_trigger AS
  SELECT * FROM pg_catalog.dsql_emulator_event_trigger WHERE evtname NOT LIKE 'dsql\\_emulator\\_%';
CREATE OR REPLACE VIEW pg_catalog.pg_am AS
  SELECT oid, CASE amname WHEN 'btree' THEN 'btree_index'::name ELSE amname END AS amname, amhandler, amtype
  FROM pg_catalog.dsql_emulator_am;
CREATE OR REPLACE VIEW pg_catalog.pg_available_extensions AS
  SELECT e.name, e.default_version, x.extversion AS installed_version, e.comment
  FROM pg_catalog.pg_available_extensions() e LEFT JOIN pg_catalog.pg_extension x ON e.name = x.extname WHERE false;
GRANT SELECT ON pg_catalog.pg_am, pg_catalog.pg_event_trigger, pg_catalog.pg_available_extensions TO PUBLIC;
`
