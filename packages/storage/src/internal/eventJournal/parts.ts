/**
 * The parts of what a remote sends, each for a transaction of its own: behind each of them stands how far the remote has
 * been read, so that an import goes on where it was broken off.
 */
import * as Size from "@effect-dsql/core/Size"
import type { RemoteEntry } from "effect/eventlog/EventJournal"
import { fitting, type Room } from "../grouped.ts"

/** Far below the 3,000 rows and 10 MiB of a transaction: what is made of the entries is written in it as well. */
const room: Room<RemoteEntry> = {
  count: 500,
  bytes: 4 * 2 ** 20,
  weight: ({ entry: { event, payload, primaryKey } }) => Size.rowBytes({ event, payload, primaryKey }) + 100
}

/** The parts, in the order of the remote's numbers. */
export const partsOf = (entries: ReadonlyArray<RemoteEntry>): ReadonlyArray<ReadonlyArray<RemoteEntry>> => {
  const parts: Array<ReadonlyArray<RemoteEntry>> = []
  let rest = entries.toSorted((one, other) => one.remoteSequence - other.remoteSequence)
  while (rest.length > 0) {
    const count = fitting(rest, room)
    parts.push(rest.slice(0, count))
    rest = rest.slice(count)
  }
  return parts
}
