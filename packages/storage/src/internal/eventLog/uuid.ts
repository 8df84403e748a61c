/**
 * Ids of the event log, which are bytes there and UUIDs in the database: so that they can stand in a key.
 */
import { createHash } from "node:crypto"
import type { EntryId } from "effect/eventlog/EventJournal"
import * as Hex from "effect/encoding/Hex"

/** Sixteen bytes as a UUID. */
export const uuidOf = (bytes: Uint8Array): string =>
  Hex.encode(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

/** The entry's id that a UUID stands for. */
export const entryIdOf = (uuid: string): EntryId =>
  // The database holds ids of entries in this column, and nothing else.
  Uint8Array.from(Buffer.from(uuid.replaceAll("-", ""), "hex")) as EntryId

/** The UUID that stands for some texts, of any length. */
export const digestOf = (...texts: ReadonlyArray<string>): string => {
  const hash = createHash("sha256")
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:${text}`)
  return uuidOf(hash.digest().subarray(0, 16))
}
