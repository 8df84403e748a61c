/**
 * What the emulator adds to a server and to each database: to the catalogue, where no list of a user's objects has it.
 */
import { createHash } from "node:crypto"
import * as Appearance from "./appearance.ts"
import * as Catalogue from "./catalogue.ts"
import * as Draws from "./draws.ts"
import * as Jobs from "./jobs.ts"
import * as ObjectLimits from "./limits.ts"
import { firstOfUsers } from "./oids.ts"
import * as RowLocks from "./rowLocks.ts"
import * as Settings from "./settings.ts"
import * as Shadows from "./shadows.ts"
import * as Sizes from "./sizes.ts"
import * as System from "./system.ts"

/** The role that a cluster is born with, and its database that is this role's. */
export const adminRole = `
DO $$ BEGIN
  -- Several emulators may come to one server at once.
  PERFORM pg_advisory_xact_lock(7239405);
  IF to_regrole('admin') IS NULL THEN
    CREATE ROLE admin LOGIN CREATEDB CREATEROLE;
    GRANT pg_read_all_stats TO admin;
  END IF;
  IF EXISTS (SELECT FROM pg_database WHERE datname = 'postgres' AND datdba <> to_regrole('admin')) THEN
    ALTER DATABASE postgres OWNER TO admin;
  END IF;
END $$`

/** Takes away what an earlier version installed, but for the jobs and who may be which role. */
const cleared = `
DO $$
DECLARE
  item record;
BEGIN
  FOR item IN SELECT name, relation FROM (VALUES
    ('jobs', to_regclass('dsql_emulator.jobs')),
    ('jobs', to_regclass('pg_catalog.dsql_emulator_jobs')),
    ('iam', to_regclass('pg_catalog.dsql_emulator_iam'))) v (name, relation) WHERE relation IS NOT NULL
  LOOP
    EXECUTE format('CREATE TEMP TABLE kept_%s ON COMMIT DROP AS SELECT * FROM %s', item.name, item.relation);
    EXECUTE format('DROP TABLE %s CASCADE', item.relation);
  END LOOP;
  DROP EVENT TRIGGER IF EXISTS dsql_emulator_guard;
  DROP EVENT TRIGGER IF EXISTS dsql_emulator_identities;
  DROP EVENT TRIGGER IF EXISTS dsql_emulator_limits;
  DROP SCHEMA IF EXISTS sys, dsql_emulator CASCADE;
  FOR item IN SELECT oid::regprocedure AS name, prokind FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND proname LIKE 'dsql\\_emulator\\_%'
      AND oid >= ${firstOfUsers}
  LOOP
    EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', item.name);
  END LOOP;
END $$;
`

/** Brings back what was kept, and guards the tables that are there. */
const restored = `
DO $$
BEGIN
  IF to_regclass('pg_temp.kept_jobs') IS NOT NULL THEN
    INSERT INTO pg_catalog.dsql_emulator_jobs SELECT * FROM pg_temp.kept_jobs;
  END IF;
  IF to_regclass('pg_temp.kept_iam') IS NOT NULL THEN
    INSERT INTO pg_catalog.dsql_emulator_iam SELECT * FROM pg_temp.kept_iam;
  END IF;
  PERFORM pg_catalog.dsql_emulator_guard(oid), pg_catalog.dsql_emulator_watch_identities_of(ARRAY[oid])
    FROM pg_class WHERE relkind = 'r' AND relpersistence = 'p'
      AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace);
END $$;
`

const schemas = `
SET LOCAL client_min_messages = warning;
SET LOCAL allow_system_table_mods = on;
${cleared}
CREATE SCHEMA sys;
GRANT USAGE ON SCHEMA sys TO PUBLIC;
GRANT ALL ON SCHEMA public TO admin;
ALTER SCHEMA public OWNER TO admin;
`

const definitions = [
  schemas,
  ...[Settings, Jobs, RowLocks, Catalogue, Shadows, Sizes, Draws, System, Appearance, ObjectLimits].map(
    (part) => part.definitions
  ),
  restored
].join("\n")

const version = createHash("sha256").update(definitions).digest("hex")

/** `sys` as the service has it, and the functions with which PostgreSQL itself answers; run as one transaction. */
export const install = `${definitions}
CREATE OR REPLACE FUNCTION pg_catalog.dsql_emulator_version() RETURNS text LANGUAGE sql AS $$ SELECT '${version}' $$;`

/** Whether a database has been prepared by this version: one row when it has. */
export const isInstalled = `SELECT 1 FROM pg_catalog.pg_proc
  WHERE proname = 'dsql_emulator_version' AND strpos(prosrc, '${version}') > 0`
