/**
 * Which version a database is at: the tables `schema_version` and
 * `schema_update_history`, with the columns and the meaning that Temporal's own
 * tools and server give them, so that either tool can read the other's database.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { VersionChange } from "../../History.ts"
import { InvalidBookkeeping, type LeaseLost } from "../../MigrationError.ts"
import * as Version from "../../Version.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import * as Lease from "./lease.ts"
import * as Tables from "./tables.ts"

/** What `schema_version` says about a database. */
export interface Recorded {
  readonly version: Version.Version
  /** The oldest version that a program may expect and still work with this database. */
  readonly minCompatible: Version.Version
}

/**
 * The name that versions are recorded under where none is given. The earlier tool
 * always wrote this one, whatever database it was connected to.
 */
export const defaultDatabase = "postgres"

// Both tables are partitioned by a constant upstream too.
const partition = 0

/**
 * Reads what is recorded, for a transaction that reads more; undefined where nothing is. The table has to be there.
 */
export const select = (
  database: string
): Effect.Effect<Recorded | undefined, InvalidBookkeeping | SqlError, Transaction.Transaction> =>
  Effect.gen(function* () {
    const [row] = yield* Rows.select(
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

/** The tables of the books that are not there yet. One that is there and is something else is an error. */
export const missing: Effect.Effect<
  ReadonlyArray<Tables.Book>,
  InvalidBookkeeping | SqlError,
  Transaction.Transaction
> = Effect.gen(function* () {
  const { find } = yield* Catalogue.lookup(Tables.all.map(({ name }) => ({ schema: undefined, name })))
  const missing: Array<Tables.Book> = []
  for (const book of Tables.all) {
    const found = find({ schema: undefined, name: book.name })
    const lacking = book.columns.filter((column) => found?.columns.includes(column) === false)
    if (lacking.length > 0) {
      return yield* new InvalidBookkeeping({
        table: book.name,
        problem: `it lacks the columns ${lacking.join(", ")}, so it is not the schema tool's; rename or drop it`
      })
    }
    if (found === undefined) missing.push(book)
  }
  return missing
})

/**
 * Reads what is recorded; undefined where nothing is. A failure to read is an
 * error and never mistaken for an empty database.
 */
export const read = (
  database: string
): Effect.Effect<Recorded | undefined, InvalidBookkeeping | TransactionError, DsqlClient> =>
  Transaction.run(
    Effect.flatMap(missing, (tables) =>
      tables.includes(Tables.version) ? Effect.succeed(undefined) : select(database)
    ),
    { operation: "ReadSchemaVersion", readOnly: true }
  )

const ChangeRow = Schema.Struct({ ...VersionChange.fields, time: Schema.DateTimeUtcFromDate })

/** The changes of version, oldest first, of every database name: the table does not keep it. */
export const selectChanges: Effect.Effect<
  ReadonlyArray<VersionChange>,
  SqlError,
  Transaction.Transaction
> = Effect.suspend(() =>
  Rows.select(
    ChangeRow,
    (sql) => sql`SELECT update_time AT TIME ZONE 'UTC' AS time, description, manifest_md5 AS "manifestMd5",
        new_version AS to, old_version AS from
      FROM schema_update_history WHERE version_partition = ${partition} ORDER BY update_time`
  )
)

/** A change of version, as it is recorded. */
export interface NewVersion extends Recorded {
  readonly description: string
  /** Empty where there was no manifest. */
  readonly manifestMd5: string
  /** The version before; `0` where there was none. */
  readonly from: string
}

/**
 * Records a version and adds it to the history, in one transaction under the lease. The times are the server's, in
 * UTC.
 */
export const record = (
  lease: Lease.Lease,
  to: NewVersion
): Effect.Effect<void, LeaseLost | TransactionError, DsqlClient> =>
  reconnecting(
    Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        const held = yield* Lease.held(lease)
        const rows = yield* sql`WITH held AS (${held}) INSERT INTO schema_version
            (version_partition, db_name, creation_time, curr_version, min_compatible_version)
          SELECT ${partition}::integer, ${lease.database}, now() AT TIME ZONE 'UTC', ${to.version},
            ${to.minCompatible} FROM held
          ON CONFLICT (version_partition, db_name) DO UPDATE SET
            creation_time = excluded.creation_time,
            curr_version = excluded.curr_version,
            min_compatible_version = excluded.min_compatible_version
          RETURNING 1`
        if (rows.length === 0) return yield* Lease.lost(lease)
        yield* sql`INSERT INTO schema_update_history
            (version_partition, year, month, update_time, description, manifest_md5, new_version, old_version)
          SELECT ${partition}, extract(year FROM utc)::integer, extract(month FROM utc)::integer, utc,
            ${to.description}, ${to.manifestMd5}, ${to.version}, ${to.from}
          FROM (SELECT now() AT TIME ZONE 'UTC' AS utc) clock`
      }),
      { operation: "RecordSchemaVersion", verify: () => isRecorded(lease.database, to) }
    )
  )

/** Forgets the version of a database and its journal, in one transaction under the lease; its history stays. */
export const forget = (lease: Lease.Lease): Effect.Effect<void, LeaseLost | TransactionError, DsqlClient> =>
  reconnecting(
    Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        const rows = yield* yield* Effect.map(Lease.held(lease), (held) => sql`${held}`)
        if (rows.length === 0) return yield* Lease.lost(lease)
        yield* sql`DELETE FROM schema_version WHERE version_partition = ${partition} AND db_name = ${lease.database}`
        yield* sql`DELETE FROM schema_journal WHERE db_name = ${lease.database}`
      }),
      { operation: "ForgetSchemaVersion" }
    )
  )

const VersionRow = Schema.Struct({
  curr_version: Schema.NullOr(Schema.String),
  min_compatible_version: Schema.NullOr(Schema.String)
})

const recordedVersion = (column: string, text: string | null) =>
  text === null
    ? Effect.fail(new InvalidBookkeeping({ table: "schema_version", problem: `its ${column} is empty` }))
    : Effect.mapError(
        Version.parse(text),
        () =>
          new InvalidBookkeeping({
            table: "schema_version",
            problem: `its ${column} is ${JSON.stringify(text)}, which is no version`
          })
      )

/**
 * Settles a lost COMMIT. It held the lease row, which is there in any case: FOR UPDATE makes one that is still under
 * way conflict with this look.
 */
const isRecorded = (database: string, to: NewVersion) =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    yield* sql`SELECT 1 FROM schema_lease WHERE db_name = ${database} FOR UPDATE`
    const rows = yield* sql`SELECT 1 FROM schema_version
      WHERE version_partition = ${partition} AND db_name = ${database} AND curr_version = ${to.version}`
    return rows.length > 0 ? Transaction.committed<void>(undefined) : Transaction.notCommitted
  })
