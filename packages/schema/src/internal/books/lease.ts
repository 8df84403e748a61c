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
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as RetryPolicy from "@effect-dsql/core/RetryPolicy"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import type { LeaseOptions } from "../../Migration.ts"
import { LeaseHeld, LeaseLost, TooFewConnections } from "../../MigrationError.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import * as Tables from "./tables.ts"

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

const expires = Rows.instant("expires_at")

/** Reads the row, for a transaction that reads more; undefined where nobody has ever held the lease. */
export const select = (database: string): Effect.Effect<Row | undefined, SqlError, Transaction.Transaction> =>
  Effect.map(
    Rows.select(
      Row,
      (sql) => sql`SELECT owner, fence, ${sql.literal(expires)} AS expires, expires_at <= now() AS expired
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

const { literal, sql, value } = Expression

/** What a lease is known by. */
type Held = Pick<Lease, "database" | "fence" | "owner">

/** The guard of whatever is written under a lease: it is still held, and stays so until COMMIT. */
export const held = (lease: Held): Guard.Guard<LeaseLost> => own(lease, "shared", unexpired)

const unexpired = sql` AND expires_at > now()`

/** The guard that the row is this lease's, and that `moreover` holds of it. */
const own = (lease: Held, lock: Guard.Lock | undefined, moreover = literal("")): Guard.Guard<LeaseLost> =>
  Guard.make({
    name: "lease",
    row: rowOf(lease.database, lock),
    columns,
    holds: (row) =>
      Guard.exists(
        row,
        sql`owner = ${value("text", lease.owner)} AND fence = ${value("integer", lease.fence)}${moreover}`
      ),
    refuse: () => Effect.fail(lost(lease))
  })

const columns = ["owner", "fence", "expires_at"]

const rowOf = (database: string, lock: Guard.Lock | undefined) =>
  Guard.row(Tables.lease.name, { db_name: value("text", database) }, columns, lock)

const whereOf = (database: string) => Expression.key(Tables.lease.name, { db_name: value("text", database) })

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
      return yield* Effect.raceFirst(
        Effect.tapError(use(lease), () => stillHeld(lease)),
        Deferred.await(gone)
      )
    })
  )

/**
 * Fails where a lease is lost. What a run fails with may be the doing of whoever has the lease now: whether it is must
 * be asked before anybody is told to mend it. Where the answer is lost, nothing is known.
 */
const stillHeld = (lease: Held): Effect.Effect<void, LeaseLost, DsqlClient> =>
  Transaction.autocommit(select(lease.database), { operation: "LookAtLease", readOnly: "proven" }).pipe(
    Effect.flatMap((row) =>
      row !== undefined && row.owner === lease.owner && row.fence === lease.fence && !row.expired
        ? Effect.void
        : Effect.fail(lost(lease))
    ),
    Effect.catchIf(
      (error) => error._tag !== "LeaseLost",
      () => Effect.void
    )
  )

/**
 * Ends the lease of this holder, who then cannot write any more; not of one who has taken it since.
 *
 * It compares the fence and moves it, so it is repeated after a lost answer.
 */
export const revoke = (database: string, { fence }: Row): Effect.Effect<void, TransactionError, DsqlClient> =>
  reconnecting(
    Transaction.autocommit(
      Guarded.write({
        guards: [
          Guard.make({
            name: "lease",
            row: rowOf(database, "exclusive"),
            columns,
            holds: (row) => Guard.exists(row, sql`owner <> '' AND fence = ${value("integer", fence)}`),
            refuse: () => Effect.fail(moved)
          })
        ],
        writes: [
          Write.update({
            table: Tables.lease.name,
            set: {
              owner: literal("''"),
              fence: sql`schema_lease.fence + 1`,
              expires_at: literal("now()")
            },
            where: whereOf(database)
          })
        ]
      }).pipe(
        Effect.asVoid,
        Effect.catchTag("LeaseMoved", () => Effect.void)
      ),
      { operation: "RevokeLease", repeat: true }
    )
  )

/** The row is not as it was seen: somebody has claimed the lease, or given it back. */
class LeaseMoved extends Data.TaggedError("LeaseMoved") {}

const moved = new LeaseMoved()

/**
 * Takes a lease that was seen free, and gives its fence; undefined where it is not as it was seen any more.
 *
 * It compares the fence and moves it, so it is repeated after a lost answer. Whose it is then, the next look says:
 * perhaps the first one had taken it.
 */
const claim = (database: string, owner: string, duration: Duration.Duration, seen: Row | undefined) => {
  const fence = (seen?.fence ?? 0) + 1
  const free = Guard.make({
    name: "lease",
    row: rowOf(database, "exclusive"),
    columns,
    holds: (row) =>
      seen === undefined
        ? Guard.absent(row)
        : Guard.exists(row, sql`fence = ${value("integer", seen.fence)} AND (owner = '' OR expires_at <= now())`),
    refuse: () => Effect.fail(moved)
  })
  const set = {
    db_name: value("text", database),
    owner: value("text", owner),
    fence: value("integer", fence),
    heartbeat_at: literal("now()"),
    expires_at: after(duration)
  }
  return Transaction.autocommit(
    Guarded.write({
      guards: [free],
      writes: [
        Write.insert({
          into: Tables.lease.name,
          columns: set,
          onConflict: Write.replacing(["db_name"], ["owner", "fence", "heartbeat_at", "expires_at"])
        })
      ]
    }).pipe(
      Effect.as(fence),
      Effect.catchTag("LeaseMoved", () => Effect.succeed(undefined))
    ),
    { operation: "TakeLease", policy: RetryPolicy.none, repeat: true }
  )
}

const after = (duration: Duration.Duration) =>
  sql`now() + ${value("double precision", Duration.toMillis(duration))} * interval '1 millisecond'`

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
      const seen = yield* reconnecting(
        Transaction.autocommit(select(database), { operation: "LookAtLease", readOnly: "proven" })
      )
      const holder = holderOf(seen)
      if (holder === undefined || holder.expired) {
        const fence = yield* reconnecting(claim(database, owner, duration, seen)).pipe(
          Effect.catchTag("ConflictRetriesExhausted", () => lostClaim)
        )
        if (fence !== undefined) return fence
      } else if (holder.owner === owner) {
        // A claim whose answer was lost had taken it.
        return holder.fence
      } else {
        const { expires, owner: other } = holder
        if (!wait) return yield* new LeaseHeld({ database, owner: other, expires })
        if (!told) yield* onHeld(holder)
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
  lease: Held,
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

/**
 * Makes it last longer, by the server's clock. It is repeated after a lost answer, and does nothing unless the lease
 * is still held: then it lasts until a duration after that. It changes the row that it compares, so it locks none:
 * whoever writes under the lease holds it shared.
 */
const beat = (lease: Held, duration: Duration.Duration) =>
  reconnecting(
    Transaction.autocommit(
      Guarded.write({
        guards: [own(lease, undefined, unexpired)],
        writes: [
          Write.update({
            table: Tables.lease.name,
            set: { heartbeat_at: literal("now()"), expires_at: after(duration) },
            where: whereOf(lease.database)
          })
        ]
      }),
      { operation: "RenewLease", repeat: true }
    )
  ).pipe(Effect.asVoid)

/**
 * Gives it back. FOR UPDATE, so that a COMMIT of this owner which is still under way conflicts, and never comes. It
 * compares the owner and changes it, so it is repeated after a lost answer.
 */
const release = (lease: Held) =>
  Transaction.autocommit(
    Guarded.write({
      guards: [own(lease, "exclusive")],
      writes: [
        Write.update({
          table: Tables.lease.name,
          set: { owner: literal("''"), expires_at: literal("now()") },
          where: whereOf(lease.database)
        })
      ]
    }),
    { operation: "ReleaseLease", repeat: true }
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
