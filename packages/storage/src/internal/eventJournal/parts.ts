/**
 * The parts of what a remote sends, each for a transaction of its own: behind each of them stands how far the remote has
 * been read, so that an import goes on where it was broken off.
 */
import type { RemoteEntry } from "effect/eventlog/EventJournal"
import * as Stored from "../eventLog/entry.ts"
import * as Grouped from "../grouped.ts"

/** The parts, in the order of the remote's numbers. */
export const partsOf = (entries: ReadonlyArray<RemoteEntry>): ReadonlyArray<ReadonlyArray<RemoteEntry>> =>
  Grouped.parts(
    entries.toSorted((one, other) => one.remoteSequence - other.remoteSequence),
    { ...Stored.room, weight: ({ entry }) => Stored.room.weight(entry) }
  )
