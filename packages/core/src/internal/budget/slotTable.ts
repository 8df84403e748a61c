/**
 * What is done to the rows of `dsql_connection_slots`. Times are the database's.
 *
 * Each statement judges the rows that it writes and no others, so that whoever else writes them makes it conflict: it
 * locks nothing. A row's holder is one claim, and no claim has the name of another: a statement whose answer was lost
 * is sent again once the first one is void, and finds what that had left.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { DsqlClient } from "../../DsqlClient.ts"
import type { TransactionError } from "../../DsqlError.ts"
import * as Expression from "../../Expression.ts"
import * as Guard from "../../Guard.ts"
import * as Guarded from "../../Guarded.ts"
import * as Transaction from "../../Transaction.ts"
import * as Write from "../../Write.ts"

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
): Effect.Effect<number | undefined, TransactionError, DsqlClient> => {
  const count = value("integer", slots.count)
  const holder = value("uuid", name)
  const free = Guard.make({
    name: "free",
    row: {
      select: sql`
        SELECT wanted.slot
        FROM (
          SELECT n, (n + ${value("integer", offset)}) % ${count} AS slot FROM generate_series(0, ${count} - 1) AS n
        ) AS wanted
        LEFT JOIN dsql_connection_slots AS other ON other.slot = wanted.slot AND other.expires_at > now()
        WHERE other.slot IS NULL OR other.holder = ${holder}
        ORDER BY other.slot IS NULL, wanted.n LIMIT 1`,
      lock: undefined
    },
    columns: ["slot"],
    refuse: () => Effect.fail(full)
  })
  const slot = Guard.column(free, "slot", "integer")
  return Transaction.autocommit(
    Guarded.write({
      guards: [free],
      writes: [
        Write.insert({
          into: table,
          columns: { slot, holder, expires_at: expiry(slots) },
          onConflict: Write.replacing(
            ["slot"],
            ["holder", "expires_at"],
            sql`dsql_connection_slots.expires_at <= now() OR dsql_connection_slots.holder = excluded.holder`
          )
        })
      ],
      tells: { slot }
    }).pipe(
      // The column is an INTEGER NOT NULL.
      Effect.map((told) => told["slot"] as number),
      Effect.catchTag("Full", () => Effect.succeed(undefined))
    ),
    { operation: "ClaimConnectionSlot", repeat: true }
  )
}

/** Renews what is held, and says what is held still. */
export const renew = (slots: Slots, held: Leases): Effect.Effect<Leases, TransactionError, DsqlClient> => {
  const own = sql`${isOne} AND dsql_connection_slots.slot < ${value("integer", slots.count)}`
  const renewed = Guarded.write({
    guards: [],
    writes: [Write.update({ table, set: { expires_at: expiry(slots) }, from: records(held), where: own })],
    tells: {
      slots: sql`(SELECT array_agg(dsql_connection_slots.slot) FROM dsql_connection_slots, ${records(held)} WHERE ${own})`
    }
  })
  return Effect.map(Transaction.autocommit(renewed, { operation: "RenewConnectionSlots", repeat: true }), (told) => {
    // An array of INTEGER, or null where it would be empty.
    const slots = new Set((told["slots"] ?? []) as ReadonlyArray<number>)
    return new Map([...held].filter(([slot]) => slots.has(slot)))
  })
}

/** Gives slots back. What is held by another claim by now, were it the same process's, is left alone. */
export const release = (held: Leases): Effect.Effect<void, TransactionError, DsqlClient> =>
  held.size === 0
    ? Effect.void
    : Effect.asVoid(
        Transaction.autocommit(
          Guarded.write({ guards: [], writes: [Write.remove({ table, using: records(held), where: isOne })] }),
          { operation: "ReleaseConnectionSlots", repeat: true }
        )
      )

class Full extends Data.TaggedError("Full") {}

const full = new Full()

const { sql, value } = Expression

const table = "dsql_connection_slots"

/** When a slot that is leased now runs out. */
const expiry = ({ ttlMillis }: Slots): Expression.Expression =>
  sql`now() + ${value("double precision", ttlMillis)} * interval '1 millisecond'`

/** What is held, as a list in FROM. */
const records = (held: Leases): Expression.Expression =>
  Expression.records(
    "leased",
    { slot: "integer", holder: "uuid" },
    [...held].map(([slot, holder]) => ({ slot, holder }))
  )

/** The condition that a row is one of those. */
const isOne = sql`dsql_connection_slots.slot = leased.slot AND dsql_connection_slots.holder = leased.holder`
