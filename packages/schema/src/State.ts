/**
 * All that is written down about a database, read together: what every run decides from.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Bookkeeping from "./Bookkeeping.ts"
import * as Catalogue from "./Catalogue.ts"
import type * as History from "./History.ts"
import { rereading } from "./internal/reconnecting.ts"
import * as Tables from "./internal/tables.ts"
import * as Journal from "./Journal.ts"
import * as Lease from "./Lease.ts"
import type { InvalidBookkeeping } from "./SchemaError.ts"
import type { SqlStatement } from "./SqlFile.ts"

/**
 * What is written down.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly engine: Catalogue.Engine
  /** The tables of the books that are not there yet. */
  readonly missing: ReadonlyArray<SqlStatement>
  /** Undefined where no version is recorded. */
  readonly recorded: Bookkeeping.Recorded | undefined
  /** Empty for a database of the earlier tool. */
  readonly journal: ReadonlyArray<Journal.Row>
  /** Who is migrating, or was when it died. */
  readonly holder: Lease.Holder | undefined
}

/**
 * Reads it, for a transaction that reads more.
 *
 * @since 0.1.0
 * @category accessors
 */
export const select = (
  database: string
): Effect.Effect<State, InvalidBookkeeping | SqlError, Transaction.Transaction> =>
  Effect.gen(function* () {
    const engine = yield* Catalogue.selectEngine
    const missing = yield* Bookkeeping.missing
    const has = (table: Tables.Book) => !missing.includes(table)
    return {
      engine,
      missing,
      recorded: has(Tables.version) ? yield* Bookkeeping.select(database) : undefined,
      journal: has(Tables.journal) ? yield* Journal.select(database) : [],
      holder: has(Tables.lease) ? yield* Lease.select(database) : undefined
    }
  })

/**
 * Reads it, in a READ ONLY transaction.
 *
 * @since 0.1.0
 * @category accessors
 */
export const read = (database: string): Effect.Effect<State, InvalidBookkeeping | TransactionError, DsqlClient> =>
  rereading(Transaction.run(select(database), { operation: "ReadState", readOnly: true }))

/**
 * Reads everything that has run, in a READ ONLY transaction.
 *
 * @since 0.1.0
 * @category accessors
 */
export const history = (
  database: string
): Effect.Effect<History.History, InvalidBookkeeping | TransactionError, DsqlClient> =>
  rereading(
    Transaction.run(
      Effect.gen(function* () {
        const { journal, missing } = yield* select(database)
        return {
          database,
          statements: journal,
          changes: missing.includes(Tables.history) ? [] : yield* Bookkeeping.selectChanges
        }
      }),
      { operation: "ReadHistory", readOnly: true }
    )
  )
