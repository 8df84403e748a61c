/**
 * Room for connections as rows of a table in the cluster itself.
 *
 * The limit is cut into slots of a few connections each, and a slot is a row
 * with at most one holder and a time until which it holds. So processes meet
 * on a row only where two want the same slot, one of them loses to a conflict,
 * and the sum cannot exceed the limit; no row counts for all of them. Who dies
 * stops renewing, and its slots are free when the database's clock says so.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DsqlClient } from "./DsqlClient.ts"
import type { TransactionError } from "./DsqlError.ts"
import * as Transaction from "./Transaction.ts"

/**
 * The statement that makes the table.
 *
 * @since 0.1.0
 * @category schema
 */
export const ddl = `CREATE TABLE dsql_connection_slots (
  slot integer PRIMARY KEY,
  holder uuid NOT NULL,
  expires_at timestamptz NOT NULL
)`

/**
 * The slots that there are, and for how long one is leased.
 *
 * @since 0.1.0
 * @category models
 */
export interface Slots {
  readonly count: number
  readonly ttlMillis: number
}

/**
 * Leases a slot that nobody holds; undefined where there is none. The search begins at `offset`, which differs from
 * holder to holder, so that they do not all want the same one.
 *
 * @since 0.1.0
 * @category operations
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
        SELECT free.slot, ${holder}::uuid, now() + ${slots.ttlMillis}::integer * interval '1 millisecond'
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

/**
 * Renews all slots of a holder, and says which they are.
 *
 * @since 0.1.0
 * @category operations
 */
export const renew = (
  slots: Slots,
  holder: string
): Effect.Effect<ReadonlyArray<number>, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const rows = yield* sql<{ readonly slot: number }>`
        UPDATE dsql_connection_slots SET expires_at = now() + ${slots.ttlMillis}::integer * interval '1 millisecond'
        WHERE holder = ${holder}::uuid AND slot < ${slots.count}
        RETURNING slot`
      return rows.map((row) => row.slot)
    }),
    { operation: "RenewConnectionSlots" }
  )

/**
 * Gives slots back. Those that are not the holder's any more are left alone, so that giving back twice, or late, changes
 * nothing.
 *
 * @since 0.1.0
 * @category operations
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
