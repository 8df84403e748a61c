/**
 * What the emulator adds to a server and to each database.
 */
import * as Catalogue from "./catalogue.ts"
import * as Draws from "./draws.ts"
import * as Jobs from "./jobs.ts"
import * as RowLocks from "./rowLocks.ts"
import * as Shadows from "./shadows.ts"
import * as Sizes from "./sizes.ts"
import * as Version from "./version.ts"

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

/** Whether a database has been prepared: one row when it has. */
export const isInstalled = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'dsql_emulator'"

const schemas = `
CREATE SCHEMA dsql_emulator;
CREATE SCHEMA sys;
GRANT USAGE ON SCHEMA dsql_emulator, sys TO PUBLIC;
GRANT ALL ON SCHEMA public TO admin;
ALTER SCHEMA public OWNER TO admin;
CREATE EXTENSION pgrowlocks SCHEMA dsql_emulator;
`

/** `sys` as the service has it, and the functions with which PostgreSQL itself answers; run as one transaction. */
export const install = [schemas, Jobs, RowLocks, Catalogue, Shadows, Sizes, Draws, Version]
  .map((part) => (typeof part === "string" ? part : part.definitions))
  .join("\n")
