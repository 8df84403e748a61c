/**
 * What is done to the rows of `dsql_connection_slots`. Times are the database's.
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

/**
 * Leases a slot that nobody holds; undefined where there is none. The search begins at `offset`, which differs from
 * holder to holder, so that they do not all want the same one.
 */
export const claim = (
  slots: Slots,
  holder: string,
  offset: number
): Effect.Effect<number | undefined, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const rows = yield* sql<{ readonly slot: number }>`
        INSERT INTO dsql_connection_slots AS held (slot, holder, expires_at)
        SELECT free.slot, ${holder}::uuid, now() + ${slots.ttlMillis}::double precision * interval '1 millisecond'
        FROM (
          SELECT n, (n + ${offset}::integer) % ${slots.count}::integer AS slot
          FROM generate_series(0, ${slots.count}::integer - 1) AS n
        ) AS free
        WHERE NOT EXISTS (
          SELECT 1 FROM dsql_connection_slots AS other WHERE other.slot = free.slot AND other.expires_at > now()
        )
        ORDER BY free.n LIMIT 1
        ON CONFLICT (slot) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
        WHERE held.expires_at <= now()
        RETURNING slot`
      return rows[0]?.slot
    }),
    { operation: "ClaimConnectionSlot" }
  )

/** Renews all slots of a holder, and says which they are. */
export const renew = (
  slots: Slots,
  holder: string
): Effect.Effect<ReadonlyArray<number>, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const rows = yield* sql<{ readonly slot: number }>`
        UPDATE dsql_connection_slots SET expires_at = now() + ${slots.ttlMillis}::double precision * interval '1 millisecond'
        WHERE holder = ${holder}::uuid AND slot < ${slots.count}
        RETURNING slot`
      return rows.map((row) => row.slot)
    }),
    { operation: "RenewConnectionSlots" }
  )

/**
 * Gives slots back. Those that are not the holder's any more are left alone, so that giving back twice, or late, changes
 * nothing.
 */
export const release = (
  holder: string,
  slots: ReadonlyArray<number>
): Effect.Effect<void, TransactionError, DsqlClient> =>
  slots.length === 0
    ? Effect.void
    : Transaction.autocommit(
        Effect.gen(function* () {
          const sql = yield* Transaction.sql
          yield* sql`DELETE FROM dsql_connection_slots WHERE holder = ${holder}::uuid AND ${sql.in("slot", slots)}`
        }),
        { operation: "ReleaseConnectionSlots" }
      )
