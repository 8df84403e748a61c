/**
 * One migrator at a time: a row with an owner, an expiry, and a fence that every
 * new owner moves.
 *
 * Whatever is recorded is written under the lease: the write holds the lease row
 * (FOR KEY SHARE) and asks for its own fence and an expiry that is still to come,
 * and whoever takes the lease over takes the row FOR UPDATE. Of the two the later
 * committer conflicts and sees what the other did. So a migrator that was paused
 * for longer than its lease writes nothing when it wakes, whether or not somebody
 * has taken over.
 *
 * DDL cannot hold a row on Aurora DSQL, so its transaction asks for a heartbeat
 * on another connection after the statement and before COMMIT. If the lease is
 * taken after that, and the new owner changes the catalogue before the COMMIT of
 * the old one, that COMMIT answers OC001. If the COMMIT comes first, it was the
 * very statement that the new owner finds begun in the journal and looks for in
 * the catalogue. A paused owner can do one statement more, then, and only the one
 * that is next anyway.
 *
 * Time is the database's, read in each statement: a migrator whose clock jumps
 * neither loses its lease nor keeps it too long.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import { SharedLock } from "@effect-dsql/core/Fence"
import * as RetryPolicy from "@effect-dsql/core/RetryPolicy"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import type { LeaseOptions } from "../../Migration.ts"
import { LeaseHeld, LeaseLost, TooFewConnections } from "../../MigrationError.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"

/** A lease that is held. */
export interface Lease {
  /** The name that the version is recorded under. */
  readonly database: string
  /** Host, process and a number. */
  readonly owner: string
  readonly fence: number
  /** Proves that it is still held, and makes it last longer; on a connection of its own, also inside a transaction. */
  readonly renew: Effect.Effect<void, LeaseLost | TransactionError>
}

const Row = Schema.Struct({
  /** Empty where it was given back. */
  owner: Schema.String,
  fence: Schema.Int,
  expires: Schema.DateTimeUtcFromDate,
  /** Whether its time is over, so that anybody may take it. */
  expired: Schema.Boolean
})

/** What the lease row says. */
export type Row = typeof Row.Type

/** Reads the row, for a transaction that reads more; undefined where nobody has ever held the lease. */
export const select = (database: string): Effect.Effect<Row | undefined, SqlError, Transaction.Transaction> =>
  Effect.map(
    Rows.select(
      Row,
      (sql) => sql`SELECT owner, fence, expires_at AS expires, expires_at <= now() AS expired
        FROM schema_lease WHERE db_name = ${database}`
    ),
    ([row]) => row
  )

/** Who is migrating, or was when it died; undefined where the lease was given back. */
export const holderOf = (row: Row | undefined): Row | undefined => (row?.owner === "" ? undefined : row)

/**
 * Whether nobody can have written under the lease between a look at its row and this lease: it had been given back,
 * and this one is the next. A lease that only ran out is not enough: a COMMIT of its owner may have been under way.
 */
export const follows = ({ fence }: Pick<Lease, "fence">, seen: Row | undefined): boolean =>
  holderOf(seen) === undefined && fence === (seen?.fence ?? 0) + 1

/**
 * The rows of a lease that is still held, for the WITH of a statement that writes under it. The statement has to
 * read them, and fails to write where there are none.
 */
export const held = (
  lease: Pick<Lease, "database" | "fence" | "owner">
): Effect.Effect<Fragment, never, Transaction.Transaction> =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const lock = sql.literal(yield* SharedLock)
    return sql`SELECT fence FROM schema_lease WHERE db_name = ${lease.database} AND owner = ${lease.owner}
      AND fence = ${lease.fence} AND expires_at > now() ${lock}`
  })

/** The error of a write that found no such row. */
export const lost = ({ database, owner }: Pick<Lease, "database" | "owner">): LeaseLost =>
  new LeaseLost({ database, owner })

/**
 * Runs an effect under the lease of a database, and gives the lease back. What it still does when the lease is lost
 * is interrupted. While another migrator is at work it waits, and `onHeld` is told, or it fails.
 */
export const hold = <A, E, R>(
  database: string,
  options: LeaseOptions,
  onHeld: (holder: Row) => Effect.Effect<void>,
  use: (lease: Lease) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | LeaseHeld | LeaseLost | TooFewConnections | TransactionError, R | DsqlClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const duration = Duration.fromInputUnsafe(options.duration ?? "30 seconds")
      const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
      const fence = yield* Effect.acquireRelease(
        acquire(database, owner, duration, options.wait ?? true, onHeld),
        (fence) => Effect.ignore(release({ database, owner, fence })),
        { interruptible: true }
      )
      const gone = yield* Deferred.make<never, LeaseLost>()
      const renew = yield* keeper({ database, owner, fence }, duration, gone)
      const lease: Lease = { database, owner, fence, renew }
      yield* twoConnections(lease, duration)
      return yield* Effect.raceFirst(use(lease), Deferred.await(gone))
    })
  )

/** Ends the lease of whoever has it, who then cannot write any more. Gives who it was. */
export const revoke = (database: string): Effect.Effect<Row | undefined, TransactionError, DsqlClient> =>
  Transaction.run(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* sql`SELECT fence FROM schema_lease WHERE db_name = ${database} FOR UPDATE`
      const holder = holderOf(yield* select(database))
      if (holder === undefined) return undefined
      yield* sql`UPDATE schema_lease SET owner = '', fence = fence + 1, expires_at = now() WHERE db_name = ${database}`
      return holder
    }),
    { operation: "RevokeLease" }
  )

type Claim = { readonly fence: number } | { readonly holder: Row }

const claim = Effect.fnUntraced(function* (database: string, owner: string, duration: Duration.Duration) {
  const sql = yield* Transaction.sql
  const span = sql`${Duration.toMillis(duration)}::double precision * interval '1 millisecond'`
  const [row] = yield* Rows.select(
    Row,
    (sql) => sql`SELECT owner, fence, expires_at AS expires, expires_at <= now() AS expired
      FROM schema_lease WHERE db_name = ${database} FOR UPDATE`
  )
  if (row === undefined) {
    yield* sql`INSERT INTO schema_lease (db_name, owner, fence, heartbeat_at, expires_at)
      VALUES (${database}, ${owner}, 1, now(), now() + ${span})`
    return { fence: 1 } satisfies Claim
  }
  if (row.owner !== "" && !row.expired && row.owner !== owner) return { holder: row } satisfies Claim
  yield* sql`UPDATE schema_lease SET owner = ${owner}, fence = ${row.fence + 1}, heartbeat_at = now(),
    expires_at = now() + ${span} WHERE db_name = ${database}`
  return { fence: row.fence + 1 } satisfies Claim
})

/** A claim conflicts with whoever else claims, so it is made only where the lease looks free, and lost to them at once. */
const acquire = (
  database: string,
  owner: string,
  duration: Duration.Duration,
  wait: boolean,
  onHeld: (holder: Row) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    let told = false
    while (true) {
      const found = yield* reconnecting(
        Transaction.autocommit(Effect.map(select(database), holderOf), { operation: "LookAtLease", readOnly: true })
      )
      const isFree = found === undefined || found.expired || found.owner === owner
      const claimed: Claim | undefined = isFree
        ? yield* reconnecting(
            Transaction.run(claim(database, owner, duration), { operation: "TakeLease", policy: RetryPolicy.none })
          ).pipe(Effect.catchTags({ ConflictRetriesExhausted: () => lostClaim, UniqueViolation: () => lostClaim }))
        : { holder: found }
      if (claimed !== undefined && "fence" in claimed) return claimed.fence
      if (claimed !== undefined) {
        const { expires, owner: other } = claimed.holder
        if (!wait) return yield* new LeaseHeld({ database, owner: other, expires })
        if (!told) yield* onHeld(claimed.holder)
        told = true
      }
      yield* Effect.sleep(Duration.millis(pause * (0.5 + (yield* Random.next))))
    }
  })

/** Another one claimed at the same time, the very first row perhaps. */
const lostClaim = Effect.succeed(undefined)

// Milliseconds: often enough that a program that starts is not kept waiting, seldom enough that many do no harm.
const pause = 250

/** Beats three times as often as it must, and whenever it is asked to. */
const keeper = Effect.fnUntraced(function* (
  lease: Pick<Lease, "database" | "fence" | "owner">,
  duration: Duration.Duration,
  gone: Deferred.Deferred<never, LeaseLost>
) {
  const requests = yield* Queue.unbounded<Deferred.Deferred<void, LeaseLost | TransactionError>>()
  yield* Effect.gen(function* () {
    while (true) {
      const request = yield* Effect.timeoutOption(Queue.take(requests), Duration.divideUnsafe(duration, 3))
      const exit = yield* Effect.exit(beat(lease, duration))
      if (Option.isSome(request)) yield* Deferred.done(request.value, exit)
      // What else may fail, a connection that is lost for a while, is tried again with the next beat.
      if (exit._tag === "Failure") {
        const lost = exit.cause.reasons.flatMap((reason) =>
          reason._tag === "Fail" && reason.error._tag === "LeaseLost" ? reason.error : []
        )[0]
        if (lost !== undefined) yield* Deferred.fail(gone, lost)
      }
    }
  }).pipe(Effect.forkScoped)
  return Effect.flatMap(Deferred.make<void, LeaseLost | TransactionError>(), (request) =>
    Effect.andThen(Queue.offer(requests, request), Deferred.await(request))
  )
})

const beat = (lease: Pick<Lease, "database" | "fence" | "owner">, duration: Duration.Duration) =>
  reconnecting(
    Transaction.autocommit(
      Effect.flatMap(
        Transaction.sql,
        (sql) => sql`UPDATE schema_lease SET heartbeat_at = now(),
            expires_at = now() + ${Duration.toMillis(duration)}::double precision * interval '1 millisecond'
          WHERE db_name = ${lease.database} AND owner = ${lease.owner} AND fence = ${lease.fence}
            AND expires_at > now()
          RETURNING fence`
      ),
      { operation: "RenewLease" }
    )
  ).pipe(Effect.flatMap((rows) => (rows.length > 0 ? Effect.void : Effect.fail(lost(lease)))))

/** Gives it back. FOR UPDATE, so that a COMMIT of this owner which is still under way conflicts, and never comes. */
const release = (lease: Pick<Lease, "database" | "fence" | "owner">) =>
  Transaction.autocommit(
    Effect.flatMap(
      Transaction.sql,
      (sql) => sql`WITH held AS (
          SELECT db_name FROM schema_lease
          WHERE db_name = ${lease.database} AND owner = ${lease.owner} AND fence = ${lease.fence} FOR UPDATE
        )
        UPDATE schema_lease SET owner = '', expires_at = now() FROM held WHERE schema_lease.db_name = held.db_name`
    ),
    { operation: "ReleaseLease" }
  )

/** DDL holds one connection while the lease is renewed on another: with one alone it would wait for itself. */
const twoConnections = (lease: Lease, duration: Duration.Duration) =>
  Transaction.run(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* sql`SELECT 1`
      yield* Effect.timeoutOrElse(lease.renew, {
        duration: Duration.divideUnsafe(duration, 3),
        orElse: () => Effect.fail(new TooFewConnections())
      })
    }),
    { operation: "CheckConnections", readOnly: true }
  )
