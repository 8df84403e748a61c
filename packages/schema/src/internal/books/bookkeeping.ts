/**
 * Which version a database is at: the tables `schema_version` and
 * `schema_update_history`, with the columns and the meaning that Temporal's own
 * tools and server give them, so that either tool can read the other's database.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Statement from "@effect-dsql/dialect/Statement"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Difference from "../../Difference.ts"
import { VersionChange } from "../../History.ts"
import { InvalidBookkeeping, type LeaseLost } from "../../MigrationError.ts"
import * as Version from "../../Version.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import { compare } from "../structure/compare.ts"
import * as Structure from "../structure/structure.ts"
import { reconnecting, resending } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import * as Lease from "./lease.ts"
import * as Tables from "./tables.ts"

/** What `schema_version` says about a database. */
export interface Recorded {
  readonly version: Version.Version
  /** The oldest version that a program may expect and still work with this database. */
  readonly minCompatible: Version.Version
}

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
    const problem = found === undefined ? undefined : yield* problemOf(book, found)
    if (problem !== undefined) {
      return yield* new InvalidBookkeeping({
        table: book.name,
        problem: `${problem}, so it is not the schema tool's; rename or drop it`
      })
    }
    if (found === undefined) missing.push(book)
  }
  return missing
})

/** How a table of that name is no such book: by its columns, their types and its key, which is what books are read by. */
const problemOf = (book: Tables.Book, { columns, key, kind, types }: Catalogue.Relation) => {
  const parts = columns.map((column, i) => `${Quote.identifier(column)} ${types[i]}`)
  const there = `CREATE TABLE ${book.name} (${[...parts, ...(key === undefined ? [] : [key])].join(", ")})`
  return Effect.map(Effect.orDie(Statement.parse(`${book.text};${there}`)), ([expected, actual]) => {
    const [left, right] = [expected, actual].map((statement) =>
      Structure.of(statement === undefined ? [] : [statement], "public")
    )
    if (left === undefined || right === undefined) return undefined
    const found = compare(left, right, new Set()).filter(
      ({ _tag }) => _tag === "MissingColumn" || _tag === "ColumnType" || (_tag === "PrimaryKey" && kind === "table")
    )
    const lacking = found.flatMap((each) => (each._tag === "MissingColumn" ? each.column : []))
    if (lacking.length > 0) return `it lacks the columns ${lacking.join(", ")}`
    return found.length === 0 ? undefined : Difference.summary(found)
  })
}

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
    (sql) => sql`SELECT ${sql.literal(Rows.instant("update_time AT TIME ZONE 'UTC'"))} AS time, description,
        manifest_md5 AS "manifestMd5", new_version AS to, old_version AS from
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
 * Records a version and adds it to the history, under the lease. The times are the server's, in UTC.
 *
 * It compares the version before, and moves it. So it is repeated after a lost answer, and what is recorded already,
 * it has recorded itself.
 */
export const record = (
  lease: Lease.Lease,
  to: NewVersion
): Effect.Effect<void, InvalidBookkeeping | LeaseLost | TransactionError, DsqlClient> =>
  reconnecting(
    Transaction.autocommit(
      Guarded.write<InvalidBookkeeping | LeaseLost | RecordedAlready>({
        guards: [Lease.held(lease), before(lease.database, to)],
        writes: [
          Write.insert({
            into: Tables.version.name,
            columns: {
              ...keyOf(lease.database),
              creation_time: utc,
              curr_version: value("text", to.version),
              min_compatible_version: value("text", to.minCompatible)
            },
            onConflict: Write.replacing(
              ["version_partition", "db_name"],
              ["creation_time", "curr_version", "min_compatible_version"]
            )
          }),
          Write.insert({
            into: Tables.history.name,
            columns: {
              version_partition: value("integer", partition),
              year: sql`extract(year FROM ${utc})::integer`,
              month: sql`extract(month FROM ${utc})::integer`,
              update_time: utc,
              description: value("text", to.description),
              manifest_md5: value("text", to.manifestMd5),
              new_version: value("text", to.version),
              old_version: value("text", to.from)
            }
          })
        ]
      }).pipe(
        Effect.asVoid,
        Effect.catchTag("RecordedAlready", () => Effect.void)
      ),
      { operation: "RecordSchemaVersion", repeat: true }
    )
  )

const { literal, sql, value } = Expression

const utc = literal("(now() AT TIME ZONE 'UTC')")

const keyOf = (database: string) => ({
  version_partition: value("integer", partition),
  db_name: value("text", database)
})

class RecordedAlready extends Data.TaggedError("RecordedAlready") {}

/** The guard that the version before is recorded, or none. */
const before = (database: string, { from, version }: NewVersion): Guard.Guard<InvalidBookkeeping | RecordedAlready> =>
  Guard.make<InvalidBookkeeping | RecordedAlready>({
    name: "version",
    row: Guard.row(Tables.version.name, keyOf(database), ["curr_version"], "exclusive"),
    columns: ["curr_version"],
    // As it is read: with or without a v.
    holds: (row) => Guard.absent(row, sql`ltrim(curr_version, 'v') IS DISTINCT FROM ${value("text", from)}`),
    refuse: (found) => {
      const actual = String(found?.["curr_version"])
      return actual === version
        ? Effect.fail(new RecordedAlready())
        : Effect.fail(
            new InvalidBookkeeping({
              table: Tables.version.name,
              problem: `its curr_version was ${from} and is ${actual} now: another tool has changed it, run again when it has ended`
            })
          )
    }
  })

/**
 * Forgets the version of a database, its journal and which schema it has, in one transaction under the lease; its
 * history stays.
 *
 * It compares nothing that it changes, and under the same lease the next thing is written. So after a lost answer it
 * is looked for.
 */
export const forget = (lease: Lease.Lease): Effect.Effect<void, LeaseLost | TransactionError, DsqlClient> =>
  resending(
    Transaction.autocommit(
      Effect.asVoid(
        Guarded.write({
          guards: [Lease.held(lease)],
          writes: [
            Write.remove({
              table: Tables.version.name,
              where: Expression.key(Tables.version.name, keyOf(lease.database))
            }),
            Write.remove({
              table: Tables.journal.name,
              where: Expression.key(Tables.journal.name, { db_name: value("text", lease.database) })
            }),
            Write.remove({
              table: Tables.identity.name,
              where: Expression.key(Tables.identity.name, { db_name: value("text", lease.database) })
            })
          ]
        })
      ),
      { operation: "ForgetSchemaVersion", verify: () => isForgotten(lease.database) }
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

/** It held the lease row, which is there in any case: FOR UPDATE makes one that is still under way conflict with this look. */
const isForgotten = (database: string) =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    yield* sql`SELECT 1 FROM schema_lease WHERE db_name = ${database} FOR UPDATE`
    const rows =
      yield* sql`SELECT 1 FROM schema_version WHERE version_partition = ${partition} AND db_name = ${database}
      UNION ALL SELECT 1 FROM schema_journal WHERE db_name = ${database}
      UNION ALL SELECT 1 FROM schema_identity WHERE db_name = ${database} LIMIT 1`
    return rows.length === 0 ? Transaction.committed<void>(undefined) : Transaction.notCommitted
  })
