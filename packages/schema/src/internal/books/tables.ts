/**
 * The tables that a migrator keeps its own books in. The first two are those of the earlier tool, column by column;
 * the others are this tool's, and the earlier one leaves them alone.
 */
import type { SqlStatement } from "../../SqlStatement.ts"

/** A table of the books. */
export interface Book extends SqlStatement {
  readonly name: string
}

const book = (name: string, text: string): Book => ({
  name,
  text,
  postgres: text,
  shown: text,
  async: false,
  changesRows: false,
  checksum: "",
  location: "bookkeeping",
  summary: `CREATE TABLE ${name}`,
  target: { _tag: "CreateTable", name: { schema: undefined, name } }
})

export const version = book(
  "schema_version",
  `CREATE TABLE IF NOT EXISTS schema_version (
  version_partition INTEGER NOT NULL,
  db_name VARCHAR(255) NOT NULL,
  creation_time TIMESTAMP,
  curr_version VARCHAR(64),
  min_compatible_version VARCHAR(64),
  PRIMARY KEY (version_partition, db_name)
)`
)

export const history = book(
  "schema_update_history",
  `CREATE TABLE IF NOT EXISTS schema_update_history (
  version_partition INTEGER NOT NULL,
  year INTEGER NOT NULL,
  month INTEGER NOT NULL,
  update_time TIMESTAMP NOT NULL,
  description VARCHAR(255),
  manifest_md5 VARCHAR(64),
  new_version VARCHAR(64),
  old_version VARCHAR(64),
  PRIMARY KEY (version_partition, year, month, update_time)
)`
)

export const lease = book(
  "schema_lease",
  `CREATE TABLE IF NOT EXISTS schema_lease (
  db_name VARCHAR(255) NOT NULL PRIMARY KEY,
  owner VARCHAR(255) NOT NULL,
  fence INTEGER NOT NULL,
  heartbeat_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
)`
)

export const journal = book(
  "schema_journal",
  `CREATE TABLE IF NOT EXISTS schema_journal (
  db_name VARCHAR(255) NOT NULL,
  version VARCHAR(64) NOT NULL,
  ordinal INTEGER NOT NULL,
  statement VARCHAR(255) NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  catalogue VARCHAR(64),
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ,
  owner VARCHAR(255) NOT NULL,
  fence INTEGER NOT NULL,
  job_id VARCHAR(64),
  error VARCHAR(1024),
  PRIMARY KEY (db_name, version, ordinal)
)`
)

export const identity = book(
  "schema_identity",
  `CREATE TABLE IF NOT EXISTS schema_identity (
  db_name VARCHAR(255) NOT NULL PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  version VARCHAR(64) NOT NULL,
  manifests TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL
)`
)

export const all: ReadonlyArray<Book> = [version, history, lease, journal, identity]
