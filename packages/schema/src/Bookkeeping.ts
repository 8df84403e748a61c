/**
 * Which version a database is at: the tables `schema_version` and
 * `schema_update_history`, with the columns and the meaning that Temporal's own
 * tools and server give them, so that either tool can read the other's database.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Catalogue from "./Catalogue.ts"
import { InvalidBookkeeping } from "./SchemaError.ts"
import type { SqlStatement } from "./SqlFile.ts"
import * as Version from "./Version.ts"

/**
 * What `schema_version` says about a database.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recorded {
  readonly version: Version.Version
  /** The oldest version that a program may expect and still work with this database. */
  readonly minCompatible: Version.Version
}

/**
 * The name that versions are recorded under where none is given. The earlier tool
 * always wrote this one, whatever database it was connected to.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultDatabase = "postgres"

// Both tables are partitioned by a constant upstream too.
const partition = 0

const columns = {
  schema_version: ["version_partition", "db_name", "creation_time", "curr_version", "min_compatible_version"],
  schema_update_history: [
    "version_partition",
    "year",
    "month",
    "update_time",
    "description",
    "manifest_md5",
    "new_version",
    "old_version"
  ]
} as const

const table = (name: keyof typeof columns, text: string): SqlStatement => ({
  text,
  postgres: text,
  async: false,
  changesRows: false,
  checksum: "",
  location: "bookkeeping",
  summary: `CREATE TABLE ${name}`,
  target: { _tag: "CreateTable", name: { schema: undefined, name }, columns: columns[name] }
})

/**
 * The statements that create the two tables.
 *
 * @since 0.1.0
 * @category constants
 */
export const tables: ReadonlyArray<SqlStatement> = [
  table(
    "schema_version",
    `CREATE TABLE IF NOT EXISTS schema_version (
  version_partition INTEGER NOT NULL,
  db_name VARCHAR(255) NOT NULL,
  creation_time TIMESTAMP,
  curr_version VARCHAR(64),
  min_compatible_version VARCHAR(64),
  PRIMARY KEY (version_partition, db_name)
)`
  ),
  table(
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
]

/**
 * Reads what is recorded; undefined where nothing is. A failure to read is an
 * error and never mistaken for an empty database.
 *
 * @since 0.1.0
 * @category accessors
 */
export const read = (
  database: string
): Effect.Effect<Recorded | undefined, InvalidBookkeeping | TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const found = yield* Catalogue.relation({ schema: undefined, name: "schema_version" })
    if (found === undefined) return undefined
    const missing = columns.schema_version.filter((column) => !found.columns.includes(column))
    if (missing.length > 0) {
      return yield* new InvalidBookkeeping({
        problem: `it lacks the columns ${missing.join(", ")}, so it is not the schema tool's; rename or drop it`
      })
    }
    const [row] = yield* Catalogue.read(
      VersionRow,
      (sql) => sql`SELECT curr_version, min_compatible_version FROM schema_version
        WHERE version_partition = ${partition} AND db_name = ${database}`
    )
    return row === undefined
      ? undefined
      : {
          version: yield* recordedVersion("curr_version", row.curr_version),
          minCompatible: yield* recordedVersion("min_compatible_version", row.min_compatible_version)
        }
  })

/**
 * A change of version, as it is recorded.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change extends Recorded {
  /** The name that the version is recorded under. */
  readonly database: string
  readonly description: string
  /** Empty where there was no manifest. */
  readonly manifestMd5: string
  /** The version before; `0` where there was none. */
  readonly from: string
}

/**
 * Records a version and adds it to the history, in one transaction. The times are
 * the server's, in UTC.
 *
 * @since 0.1.0
 * @category execution
 */
export const record = (change: Change): Effect.Effect<void, TransactionError, DsqlClient> =>
  Transaction.run(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* sql`INSERT INTO schema_version
          (version_partition, db_name, creation_time, curr_version, min_compatible_version)
        VALUES (${partition}, ${change.database}, now() AT TIME ZONE 'UTC', ${change.version}, ${change.minCompatible})
        ON CONFLICT (version_partition, db_name) DO UPDATE SET
          creation_time = excluded.creation_time,
          curr_version = excluded.curr_version,
          min_compatible_version = excluded.min_compatible_version`
      yield* sql`INSERT INTO schema_update_history
          (version_partition, year, month, update_time, description, manifest_md5, new_version, old_version)
        SELECT ${partition}, extract(year FROM utc)::integer, extract(month FROM utc)::integer, utc,
          ${change.description}, ${change.manifestMd5}, ${change.version}, ${change.from}
        FROM (SELECT now() AT TIME ZONE 'UTC' AS utc) clock`
    }),
    { operation: "RecordSchemaVersion", verify: () => isRecorded(change) }
  )

/**
 * Forgets the version of a database; its history stays.
 *
 * @since 0.1.0
 * @category execution
 */
export const forget = (database: string): Effect.Effect<void, TransactionError, DsqlClient> =>
  Effect.asVoid(
    Transaction.autocommit(
      Effect.flatMap(
        Transaction.sql,
        (sql) => sql`DELETE FROM schema_version WHERE version_partition = ${partition} AND db_name = ${database}`
      ),
      { operation: "ForgetSchemaVersion" }
    )
  )

const VersionRow = Schema.Struct({
  curr_version: Schema.NullOr(Schema.String),
  min_compatible_version: Schema.NullOr(Schema.String)
})

const recordedVersion = (column: string, text: string | null) =>
  text === null
    ? Effect.fail(new InvalidBookkeeping({ problem: `its ${column} is empty` }))
    : Effect.mapError(
        Version.parse(text),
        () => new InvalidBookkeeping({ problem: `its ${column} is ${JSON.stringify(text)}, which is no version` })
      )

/** Settles a lost COMMIT: FOR UPDATE makes one that is still under way conflict with this look. */
const isRecorded = (change: Change) =>
  Effect.map(
    Effect.flatMap(
      Transaction.sql,
      (sql) => sql`SELECT curr_version FROM schema_version
        WHERE version_partition = ${partition} AND db_name = ${change.database} AND curr_version = ${change.version}
        FOR UPDATE`
    ),
    (rows) => (rows.length > 0 ? Transaction.committed<void>(undefined) : Transaction.notCommitted)
  )
