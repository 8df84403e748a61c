/**
 * How PostgreSQL comes to report the versions of the service.
 */
import { version } from "../statement/version.ts"

/** SQL that makes PostgreSQL report them. */
export const definitions = `
-- What the service says of itself; SQL functions, because the planner looks at them before it calls a built-in one.
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
  AS $$ SELECT '${version.text}'::text $$;
CREATE OR REPLACE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
  AS $$ SELECT CASE pg_catalog.lower($1) WHEN 'server_version' THEN '${version.server}'
    WHEN 'server_version_num' THEN '${version.number}' ELSE pg_catalog.current_setting($1, false) END $$;
`
