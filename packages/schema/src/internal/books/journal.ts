/**
 * What has become of each statement: a row that is written before it runs and
 * again after, under the lease.
 *
 * A statement that changes rows commits together with its row. DDL cannot, so a
 * row that says begun and not finished leaves open what happened, and the
 * catalogue answers it.
 *
 * A row only moves forward: to the fence of a later lease, and under one fence
 * from begun to finished or refused. Each write compares what it moves on from,
 * so it is repeated after a lost answer, once the first one is void: of the two
 * only one changes anything. Only `commit` is looked for instead, because the
 * statement beside it would change its rows again.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as History from "../../History.ts"
import type { LeaseLost } from "../../MigrationError.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import { type Key, type Keyed, rowOf } from "./key.ts"
import * as Lease from "./lease.ts"
import * as Tables from "./tables.ts"

const Row = Schema.Struct({
  ...History.Statement.fields,
  started: Schema.DateTimeUtcFromDate,
  finished: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** Before a statement whose effect has no name, a digest of what it names: whether it changed tells whether it ran. */
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
    (sql) => sql`SELECT version, ordinal, statement, checksum, catalogue,
        ${sql.literal(Rows.instant("started_at"))} AS started,
        CASE WHEN finished_at IS NOT NULL THEN ${sql.literal(Rows.instant("finished_at"))} END AS finished,
        owner, fence, job_id AS job, error
      FROM schema_journal WHERE db_name = ${database} ORDER BY started_at, ordinal`
  )

/** Where the outcome of statements is written down. */
export interface Journal {
  /** Undefined where nothing is known of a statement. */
  readonly find: (key: Key) => Row | undefined
  /** Before it runs. */
  readonly begin: (statement: Keyed, catalogue: string | null) => Writing
  /** The job that does its work. */
  readonly attach: (key: Key, job: string) => Writing
  /** After it ran. */
  readonly finish: (key: Key) => Writing
  /** After it was refused. */
  readonly refuse: (key: Key, error: string) => Writing
  /** That the catalogue showed it to have run before. */
  readonly adopt: (statement: Keyed) => Writing
  /** That the files have it no longer. */
  readonly remove: (key: Key) => Writing
  /** After it ran, in its own transaction. */
  readonly commit: (key: Key) => Effect.Effect<void, LeaseLost | SqlError, Transaction.Transaction>
  /** Settles the outcome of that transaction; undefined where nothing is written down. */
  readonly committed: ((key: Key) => Effect.Effect<boolean, SqlError, Transaction.Transaction>) | undefined
  /** Proves that writing is still allowed. */
  readonly renew: Lease.Lease["renew"]
}

type Writing = Effect.Effect<void, LeaseLost | TransactionError, DsqlClient>

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
  const { database, owner } = lease
  const fence = value("integer", lease.fence)
  const at = (key: Key) => ({
    db_name: value("text", database),
    version: value("text", key.version),
    ordinal: value("integer", key.ordinal)
  })
  /** Writes a row while the lease is held, and the row is as `from` says. It changes what it compares, and locks nothing. */
  const moving = (key: Key, from: (row: Expression.Expression) => Expression.Expression, write: Write.Write) =>
    Effect.asVoid(
      Guarded.write({
        guards: [
          Lease.held(lease),
          Guard.make({
            name: "statement",
            row: Guard.row(table, at(key), ["fence", "finished_at", "job_id", "error"], undefined),
            columns: ["fence"],
            holds: from,
            refuse: () => Effect.fail(Lease.lost(lease))
          })
        ],
        writes: [write]
      })
    )
  const repeating = (body: Effect.Effect<void, LeaseLost | SqlError, Transaction.Transaction>): Writing =>
    reconnecting(Transaction.autocommit(body, { operation: "WriteJournal", repeat: true }))
  const put = ({ key, statement: { checksum, summary } }: Keyed, catalogue: string | null, isDone: boolean) => {
    const columns = {
      statement: value("text", summary.slice(0, 255)),
      checksum: value("text", checksum),
      catalogue: value("text", catalogue),
      started_at: now,
      finished_at: isDone ? now : value("timestamptz", null),
      owner: value("text", owner),
      fence,
      job_id: value("text", null),
      error: value("text", null)
    }
    const unended = isDone ? sql`error IS NULL` : sql`error IS NULL AND finished_at IS NULL AND job_id IS NULL`
    return repeating(
      moving(
        key,
        (row) => Guard.absent(row, sql`NOT (fence < ${fence} OR fence = ${fence} AND ${unended})`),
        Write.insert({
          into: table,
          columns: { ...at(key), ...columns },
          onConflict: Write.replacing(Object.keys(at(key)), Object.keys(columns))
        })
      )
    )
  }
  const set = (key: Key, change: Readonly<Record<string, Expression.Expression>>, from: Expression.Expression) =>
    moving(
      key,
      (row) => Guard.exists(row, sql`fence = ${fence} AND ${from}`),
      Write.update({ table, set: change, where: Expression.key(table, at(key)) })
    )
  return {
    find: (key) => rowOf(rows, key),
    begin: (statement, catalogue) => put(statement, catalogue, false),
    attach: (key, job) => {
      const id = value("text", job)
      return repeating(
        set(key, { job_id: id }, sql`finished_at IS NULL AND error IS NULL AND (job_id IS NULL OR job_id = ${id})`)
      )
    },
    finish: (key) => repeating(set(key, { finished_at: now }, sql`error IS NULL`)),
    refuse: (key, error) =>
      repeating(set(key, { error: value("text", error.slice(0, 1024)) }, sql`finished_at IS NULL`)),
    adopt: (statement) => put(statement, null, true),
    // Of an earlier lease alone: done again, it takes nothing that was written since.
    remove: (key) =>
      repeating(
        moving(
          key,
          (row) => Guard.absent(row, sql`fence >= ${fence}`),
          Write.remove({ table, where: Expression.key(table, at(key)) })
        )
      ),
    commit: (key) => set(key, { finished_at: now }, sql`finished_at IS NULL AND error IS NULL`),
    committed: ({ ordinal, version }) =>
      Effect.map(
        // Whatever it says: a COMMIT that is still under way has written this row, and conflicts with the lock.
        Rows.select(
          Committed,
          (sql) => sql`SELECT finished_at IS NOT NULL AND fence = ${lease.fence} AS committed FROM schema_journal
            WHERE db_name = ${database} AND version = ${version} AND ordinal = ${ordinal} FOR UPDATE`
        ),
        ([row]) => row?.committed === true
      ),
    renew: lease.renew
  }
}

const { literal, sql, value } = Expression

const table = Tables.journal.name

const now = literal("now()")

const Committed = Schema.Struct({ committed: Schema.Boolean })
