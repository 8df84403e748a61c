/**
 * What is done to the rows of `dsql_connection_slots`. Times are the database's.
 *
 * Each statement judges the rows that it writes and no others, so that whoever else writes them makes it conflict: it
 * needs no guard and no lock. A row's holder is one claim, and no claim has the name of another: a statement whose
 * answer was lost is sent again, and whenever the first one comes, it finds what the second one left, or nothing.
 */
import * as Effect from "effect/Effect"
import type { DsqlClient } from "../../DsqlClient.ts"
import type { TransactionError } from "../../DsqlError.ts"
import * as Transaction from "../../Transaction.ts"

/** The slots that there are, and for how long one is leased. */
export interface Slots {
  readonly count: number
  readonly ttlMillis: number
}

/** Slots that are held, and by which claim. */
export type Leases = ReadonlyMap<number, string>

/**
 * Leases a slot that nobody holds; undefined where there is none. A claim that has one already is given the same. The
 * search begins at `offset`, which differs from process to process, so that they do not all want the same one.
 */
export const claim = (
  slots: Slots,
  name: string,
  offset: number
): Effect.Effect<number | undefined, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const rows = yield* sql<{ readonly slot: number }>`
        INSERT INTO dsql_connection_slots AS held (slot, holder, expires_at)
        SELECT wanted.slot, ${name}::uuid, now() + ${slots.ttlMillis}::double precision * interval '1 millisecond'
        FROM (
          SELECT n, (n + ${offset}::integer) % ${slots.count}::integer AS slot
          FROM generate_series(0, ${slots.count}::integer - 1) AS n
        ) AS wanted
        LEFT JOIN dsql_connection_slots AS other ON other.slot = wanted.slot AND other.expires_at > now()
        WHERE other.slot IS NULL OR other.holder = ${name}::uuid
        ORDER BY other.slot IS NULL, wanted.n LIMIT 1
        ON CONFLICT (slot) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
        WHERE held.expires_at <= now() OR held.holder = excluded.holder
        RETURNING slot`
      return rows[0]?.slot
    }),
    { operation: "ClaimConnectionSlot", repeat: true }
  )

/** Renews what is held, and says what is held still. */
export const renew = (slots: Slots, held: Leases): Effect.Effect<Leases, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const rows = yield* sql<{ readonly slot: number; readonly holder: string }>`
        UPDATE dsql_connection_slots
        SET expires_at = now() + ${slots.ttlMillis}::double precision * interval '1 millisecond'
        WHERE ${sql.in("holder", names(held))} AND slot < ${slots.count}
        RETURNING slot, holder`
      return new Map(rows.map(({ holder, slot }) => [slot, holder]))
    }),
    { operation: "RenewConnectionSlots", repeat: true }
  )

/** Gives slots back. What is held by another claim by now, were it the same process's, is left alone. */
export const release = (held: Leases): Effect.Effect<void, TransactionError, DsqlClient> =>
  held.size === 0
    ? Effect.void
    : Transaction.autocommit(
        Effect.gen(function* () {
          const sql = yield* Transaction.sql
          yield* sql`
            DELETE FROM dsql_connection_slots
            WHERE ${sql.in("holder", names(held))} AND ${sql.in("slot", [...held.keys()])}`
        }),
        { operation: "ReleaseConnectionSlots", repeat: true }
      )

const names = (held: Leases): ReadonlyArray<string> => [...new Set(held.values())]
