/**
 * All that is written down about a database, read together: what every run decides from.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Engine from "../../Engine.ts"
import type { History } from "../../History.ts"
import { InvalidBookkeeping } from "../../MigrationError.ts"
import { rereading } from "../transaction/reconnecting.ts"
import * as Bookkeeping from "./bookkeeping.ts"
import * as Identity from "./identity.ts"
import * as Journal from "./journal.ts"
import * as Lease from "./lease.ts"
import * as Tables from "./tables.ts"

/** What is written down. */
export interface Books {
  readonly engine: Engine.Engine
  /** The tables of the books that are not there yet. */
  readonly missing: ReadonlyArray<Tables.Book>
  /** Undefined where no version is recorded. */
  readonly recorded: Bookkeeping.Recorded | undefined
  /** Empty for a database of the earlier tool. */
  readonly journal: ReadonlyArray<Journal.Row>
  /** Undefined where nobody has ever held it. */
  readonly lease: Lease.Row | undefined
  /** Undefined for a database of the earlier tool, and for one from before it was recorded. */
  readonly identity: Identity.Identity | undefined
}

/** The last INTEGER. A fence counts runs, so that only somebody's hand brings it there. */
const lastFence = 2_147_483_647

/** Reads it, for a transaction that reads more. */
export const select = (
  database: string
): Effect.Effect<Books, InvalidBookkeeping | SqlError, Transaction.Transaction> =>
  Effect.gen(function* () {
    const engine = yield* Engine.select
    const missing = yield* Bookkeeping.missing
    const has = (table: Tables.Book) => !missing.includes(table)
    const lease = has(Tables.lease) ? yield* Lease.select(database) : undefined
    if (lease !== undefined && lease.fence >= lastFence) {
      return yield* new InvalidBookkeeping({
        table: Tables.lease.name,
        problem: `its fence is ${lease.fence}, and no number follows: set it to the highest fence in ${Tables.journal.name}`
      })
    }
    return {
      engine,
      missing,
      recorded: has(Tables.version) ? yield* Bookkeeping.select(database) : undefined,
      journal: has(Tables.journal) ? yield* Journal.select(database) : [],
      lease,
      identity: has(Tables.identity) ? yield* Identity.select(database) : undefined
    }
  })

/** Reads it, in a READ ONLY transaction. */
export const read = (database: string): Effect.Effect<Books, InvalidBookkeeping | TransactionError, DsqlClient> =>
  rereading(Transaction.run(select(database), { operation: "ReadBooks", readOnly: true }))

/** Reads everything that has run, in a READ ONLY transaction. */
export const history = (database: string): Effect.Effect<History, InvalidBookkeeping | TransactionError, DsqlClient> =>
  rereading(
    Transaction.run(
      Effect.gen(function* () {
        const { identity, journal, missing } = yield* select(database)
        return {
          database,
          schema: identity?.name ?? null,
          statements: journal,
          changes: missing.includes(Tables.history) ? [] : yield* Bookkeeping.selectChanges
        }
      }),
      { operation: "ReadHistory", readOnly: true }
    )
  )
