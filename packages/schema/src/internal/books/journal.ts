/**
 * What has become of each statement: a row that is written before it runs and
 * again after, under the lease.
 *
 * A statement that changes rows commits together with its row. DDL cannot, so a
 * row that says begun and not finished leaves open what happened, and the
 * catalogue answers it.
 *
 * A row only moves forward: to the fence of a later lease, and under one fence
 * from begun to finished or refused. Each write asks for what it moves on from,
 * so one that is repeated after a lost answer changes nothing, and neither does
 * the first one if it arrives after all.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as History from "../../History.ts"
import type { LeaseLost } from "../../MigrationError.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import { type Key, type Keyed, rowOf } from "./key.ts"
import * as Lease from "./lease.ts"

const Row = Schema.Struct({
  ...History.Statement.fields,
  started: Schema.DateTimeUtcFromDate,
  finished: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** Before a statement whose effect has no name, a digest of the catalogue: whether it changed tells whether it ran. */
  catalogue: Schema.NullOr(Schema.String)
})

/** What the journal says of a statement. */
export type Row = typeof Row.Type

/** Whether it is open what became of a statement: it was begun, and nothing is known of its end. */
export const isOpen = (row: Row): boolean => row.finished === null && row.error === null

/**
 * Reads the journal of a database, in the order in which the statements began. For a transaction that reads more.
 */
export const select = (database: string): Effect.Effect<ReadonlyArray<Row>, SqlError, Transaction.Transaction> =>
  Rows.select(
    Row,
    (sql) => sql`SELECT version, ordinal, statement, checksum, catalogue, started_at AS started,
        finished_at AS finished, owner, fence, job_id AS job, error
      FROM schema_journal WHERE db_name = ${database} ORDER BY started_at, ordinal`
  )

/** Where the outcome of statements is written down. */
export interface Journal {
  /** Undefined where nothing is known of a statement. */
  readonly find: (key: Key) => Row | undefined
  /** Before it runs. */
  readonly begin: (statement: Keyed, catalogue: string | null) => Write
  /** The job that does its work. */
  readonly attach: (key: Key, job: string) => Write
  /** After it ran. */
  readonly finish: (key: Key) => Write
  /** After it was refused. */
  readonly refuse: (key: Key, error: string) => Write
  /** That the catalogue showed it to have run before. */
  readonly adopt: (statement: Keyed) => Write
  /** That the files have it no longer. */
  readonly remove: (key: Key) => Write
  /** After it ran, in its own transaction. */
  readonly commit: (key: Key) => Effect.Effect<void, LeaseLost | SqlError, Transaction.Transaction>
  /** Settles the outcome of that transaction; undefined where nothing is written down. */
  readonly committed: ((key: Key) => Effect.Effect<boolean, SqlError, Transaction.Transaction>) | undefined
  /** Proves that writing is still allowed. */
  readonly renew: Lease.Lease["renew"]
}

type Write = Effect.Effect<void, LeaseLost | TransactionError, DsqlClient>

/** Keeps no journal: every statement is decided by the catalogue alone, and nobody else is kept out. */
export const none: Journal = {
  find: () => undefined,
  begin: () => Effect.void,
  attach: () => Effect.void,
  finish: () => Effect.void,
  refuse: () => Effect.void,
  adopt: () => Effect.void,
  remove: () => Effect.void,
  commit: () => Effect.void,
  committed: undefined,
  renew: Effect.void
}

/** Keeps a journal under a lease. `rows` is what it held when the lease was taken. */
export const make = (lease: Lease.Lease, rows: ReadonlyArray<Row>): Journal => {
  const { database, fence, owner } = lease
  // Fixed values under a fence: the same write again, after a lost answer, changes nothing.
  const write = (body: Effect.Effect<void, LeaseLost | SqlError, Transaction.Transaction>): Write =>
    reconnecting(Transaction.autocommit(body, { operation: "WriteJournal" }))
  const put = ({ key, statement: { checksum, summary } }: Keyed, catalogue: string | null, isDone: boolean) =>
    write(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* checked(
          lease,
          (held) => sql`WITH held AS (${held}), written AS (
              INSERT INTO schema_journal (db_name, version, ordinal, statement, checksum, catalogue, started_at,
                finished_at, owner, fence)
              SELECT ${database}, ${key.version}, ${key.ordinal}::integer, ${summary.slice(0, 255)}, ${checksum},
                ${catalogue}, now(), ${isDone ? sql`now()` : sql`NULL::timestamptz`}, ${owner}, held.fence FROM held
              ON CONFLICT (db_name, version, ordinal) DO UPDATE SET statement = excluded.statement,
                checksum = excluded.checksum, catalogue = excluded.catalogue, started_at = excluded.started_at,
                finished_at = excluded.finished_at, owner = excluded.owner, fence = excluded.fence,
                job_id = NULL, error = NULL
              WHERE schema_journal.fence < excluded.fence
                OR schema_journal.fence = excluded.fence AND schema_journal.error IS NULL
                  AND (${isDone} OR schema_journal.finished_at IS NULL AND schema_journal.job_id IS NULL)
              RETURNING 1
            ) SELECT EXISTS (SELECT 1 FROM written) AS written`
        )
      })
    )
  const set = (key: Key, change: (sql: SqlClient) => Fragment, from: (sql: SqlClient) => Fragment) =>
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* checked(
        lease,
        (held) => sql`WITH held AS (${held}), written AS (
            UPDATE schema_journal j SET ${change(sql)} FROM held
            WHERE j.db_name = ${database} AND j.version = ${key.version} AND j.ordinal = ${key.ordinal}
              AND j.owner = ${owner} AND j.fence = ${fence} AND ${from(sql)}
            RETURNING 1
          ) SELECT EXISTS (SELECT 1 FROM written) AS written`
      )
    })
  const finished = (key: Key, from: (sql: SqlClient) => Fragment) => set(key, (sql) => sql`finished_at = now()`, from)
  return {
    find: (key) => rowOf(rows, key),
    begin: (statement, catalogue) => put(statement, catalogue, false),
    attach: (key, job) =>
      write(
        set(
          key,
          (sql) => sql`job_id = ${job}`,
          (sql) => sql`j.finished_at IS NULL AND j.error IS NULL AND (j.job_id IS NULL OR j.job_id = ${job})`
        )
      ),
    finish: (key) => write(finished(key, (sql) => sql`j.error IS NULL`)),
    refuse: (key, error) =>
      write(
        set(
          key,
          (sql) => sql`error = ${error.slice(0, 1024)}`,
          (sql) => sql`j.finished_at IS NULL`
        )
      ),
    adopt: (statement) => put(statement, null, true),
    remove: (key) =>
      write(
        Effect.gen(function* () {
          const sql = yield* Transaction.sql
          yield* checked(
            lease,
            (held) => sql`WITH held AS (${held}), written AS (
                DELETE FROM schema_journal j USING held WHERE j.db_name = ${database} AND j.version = ${key.version}
                  AND j.ordinal = ${key.ordinal}
              ) SELECT EXISTS (SELECT 1 FROM held) AS written`
          )
        })
      ),
    // Not twice: the statement beside it would change its rows again.
    commit: (key) => finished(key, (sql) => sql`j.finished_at IS NULL AND j.error IS NULL`),
    committed: ({ ordinal, version }) =>
      Effect.map(
        // Whatever it says: a COMMIT that is still under way has written this row, and conflicts with the lock.
        Rows.select(
          Committed,
          (sql) => sql`SELECT finished_at IS NOT NULL AND fence = ${fence} AS committed FROM schema_journal
            WHERE db_name = ${database} AND version = ${version} AND ordinal = ${ordinal} FOR UPDATE`
        ),
        ([row]) => row?.committed === true
      ),
    renew: lease.renew
  }
}

const Committed = Schema.Struct({ committed: Schema.Boolean })

const Written = Schema.Struct({ written: Schema.Boolean })

/** Runs a statement that writes under the lease, and fails where it wrote nothing. */
const checked = Effect.fnUntraced(function* (
  lease: Lease.Lease,
  statement: (held: Fragment) => Effect.Effect<ReadonlyArray<object>, SqlError>
): Effect.fn.Return<void, LeaseLost | SqlError, Transaction.Transaction> {
  const held = yield* Lease.held(lease)
  const [row] = yield* Rows.select(Written, () => statement(held))
  if (row?.written !== true) return yield* Lease.lost(lease)
})
