/**
 * Entries of the event log as rows: their ids are UUIDs there, and of event and primary key there is a digest.
 */
import * as Size from "@effect-dsql/core/Size"
import { Entry, type EntryId, entryIdMillis, EntryIdOrder, makeEntryIdUnsafe } from "effect/eventlog/EventJournal"
import * as Schema from "effect/Schema"
import type { Room } from "../grouped.ts"
import { digestOf, entryIdOf } from "./uuid.ts"

/** The columns of an entry, as they are read. */
export const Columns = Schema.Struct({
  event: Schema.String,
  primary_key: Schema.String,
  payload: Schema.Uint8Array
})

/** The columns of an entry beside its id, as they are written. */
export const types = { event: "text", primary_key: "text", key_id: "uuid", payload: "bytea" } as const

/** What is written of an entry. */
export const rowOf = ({ event, payload, primaryKey }: Entry) => ({
  event,
  primary_key: primaryKey,
  key_id: keyOf({ event, primaryKey }),
  payload
})

/** Far below the 3,000 rows and 10 MiB of a transaction: what is made of the entries may be written in it as well. */
export const room: Room<Entry> = {
  count: 500,
  bytes: 4 * 2 ** 20,
  weight: ({ event, payload, primaryKey }) => Size.rowBytes({ event, payload, primaryKey }) + 100
}

/** Entries that have this in common are of the same thing. */
export const keyOf = ({ event, primaryKey }: Pick<Entry, "event" | "primaryKey">): string => digestOf(event, primaryKey)

/** An entry of a row. */
export const entryOf = (id: string, row: typeof Columns.Type): Entry =>
  new Entry(
    { id: entryIdOf(id), event: row.event, primaryKey: row.primary_key, payload: row.payload },
    { disableChecks: true }
  )

/** Gives ids for new entries: each after the one before, and the first after one that is there, whatever the clock says. */
export const idsAfter = (latest: EntryId | undefined): (() => EntryId) => {
  let last = latest
  return () => {
    const id = makeEntryIdUnsafe()
    last = last === undefined || EntryIdOrder(id, last) > 0 ? id : following(last)
    return last
  }
}

/** An id behind another one, by the twelve bits that order the ids of a millisecond. */
const following = (id: EntryId): EntryId => {
  const counter = (((id[6] ?? 0) & 0x0f) << 8) + (id[7] ?? 0) + 1
  const isFull = counter > 0xfff
  const next = makeEntryIdUnsafe({ msecs: entryIdMillis(id) + (isFull ? 1 : 0) })
  next[6] = isFull ? 0x70 : 0x70 | (counter >> 8)
  next[7] = isFull ? 0 : counter & 0xff
  return next
}
