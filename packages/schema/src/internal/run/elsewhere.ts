/**
 * Whether a schema is set up in this database already, and recorded under another name: its tables cannot be there
 * twice. Asked once for each name, before anything is recorded under it.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { SetUpElsewhere } from "../../MigrationError.ts"
import type { SchemaSource } from "../../SchemaSource.ts"
import type { Books } from "../books/books.ts"
import * as Tables from "../books/tables.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"

/** Fails where another name has run a CREATE TABLE of the schema. For a transaction that reads more. */
export const select = (
  source: SchemaSource,
  books: Books,
  database: string
): Effect.Effect<void, SetUpElsewhere | SqlError, Transaction.Transaction> =>
  Effect.gen(function* () {
    const creations = creationsOf(source)
    if (!isAsked(books) || creations.length === 0) return
    const [row] = yield* Rows.select(
      Row,
      (sql) => sql`SELECT db_name FROM schema_journal
        WHERE db_name <> ${database} AND finished_at IS NOT NULL AND ${sql.in("checksum", creations)}
        ORDER BY db_name LIMIT 1`
    )
    if (row !== undefined) return yield* new SetUpElsewhere({ database, schema: source.name, name: row.db_name })
  })

/** The same in a statement of its own, which is sent only where it can find anything. */
export const read = (
  source: SchemaSource,
  books: Books,
  database: string
): Effect.Effect<void, SetUpElsewhere | TransactionError, DsqlClient> =>
  isAsked(books)
    ? reconnecting(
        Transaction.autocommit(select(source, books, database), { operation: "ReadJournals", readOnly: "proven" })
      )
    : Effect.void

const isAsked = ({ journal, missing, recorded }: Books): boolean =>
  recorded === undefined && journal.length === 0 && !missing.includes(Tables.journal)

const creationsOf = ({ versions }: SchemaSource): ReadonlyArray<string> =>
  versions.flatMap(({ statements }) =>
    statements.flatMap(({ checksum, target }) => (target._tag === "CreateTable" ? checksum : []))
  )

const Row = Schema.Struct({ db_name: Schema.String })
