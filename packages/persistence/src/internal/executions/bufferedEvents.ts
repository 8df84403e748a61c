/**
 * Buffered events, and the ids that order them.
 *
 * The ids of a run must grow with each event, and by the schema's unique index no two runs may share one. They are
 * given out by the database, in the statement that writes them: one more than the greatest of the run's *lane*, a
 * range of ids that the run shares with few others. So
 *
 * - an id is greater than all that the run has: they are in its lane, and the statement sees them, because a write of
 *   the run that it does not see conflicts with it on the run's row;
 * - no two events get one id: lanes do not overlap, and of two runs that take the same one of a lane at once, one
 *   commits and the other conflicts on the unique index, runs again, and sees the other's;
 * - no clock, no process's memory and no host's name is asked, so none can step back, restart or be shared.
 *
 * A lane is 20 bits, the last ones of the run id, which are random in every kind of UUID that is used; it only spreads
 * the conflicts, and nothing hangs on its being evenly used. 42 bits count within it. The bit above puts them behind
 * ids that the earlier system gave out, which begin with a time and end in 2054.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Write from "@effect-dsql/core/Write"
import type { DataBlob } from "../../DataBlob.ts"
import type { RunId } from "../../Identifiers.ts"
import type { Key } from "./guards.ts"

export const table = "buffered_events"

/** The column that orders the events of a run. */
export const id = "id"

/** The index that no two events pass with one id. */
export const uniqueIndex = "idx_buffered_events_id"

/** The first id of a run's lane, which is not given out, and the last. */
export const lane = (runId: RunId): readonly [first: bigint, last: bigint] => {
  const first = (1n << 62n) | (BigInt(`0x${runId.slice(-5)}`) << 42n)
  return [first, first + (1n << 42n) - 1n]
}

/** Adds events behind those that are there. */
export const append = (key: Key, runId: RunId, events: ReadonlyArray<DataBlob>): Write.Write => {
  const [first, last] = lane(runId).map((id) => Expression.value("bigint", id))
  const rows = events.map(({ data, encoding }, index) => ({ ordinal: BigInt(index + 1), data, encoding }))
  return Write.insert({
    into: table,
    columns: {
      ...key,
      id: Expression.sql`COALESCE(
        (SELECT id FROM buffered_events WHERE id BETWEEN ${first} AND ${last} ORDER BY id DESC LIMIT 1), ${first})
        + event.ordinal`,
      data: Expression.literal("event.data"),
      data_encoding: Expression.literal("event.encoding")
    },
    from: Expression.records("event", { ordinal: "bigint", data: "bytea", encoding: "text" }, rows)
  })
}

/** Deletes the events that are there. */
export const clear = (key: Key): Write.Write => Write.remove({ table, where: Expression.key(table, key) })
