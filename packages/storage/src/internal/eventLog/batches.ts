/**
 * The statements on the encrypted batches of stores, each in its scope: what is written to it, and what is read.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { EntryId } from "effect/eventlog/EventJournal"
import type { EncryptedBatch, EncryptedRemoteBatch } from "effect/eventlog/EventLogEncryption"
import type { WriteAck } from "effect/eventlog/EventLogMessage"
import * as Schema from "effect/Schema"
import * as Grouped from "../grouped.ts"
import * as Statement from "../statement/statement.ts"
import { primaryKeyOf } from "../tables/primaryKey.ts"
import { entryIdOf, uuidOf } from "./uuid.ts"

/** What the tables are called. */
export interface Names {
  readonly scopes: string
  readonly batches: string
  readonly ids: string
}

/** The statements on some tables. */
export const make = (names: Names, statements: Statement.Statements) => {
  const batches = Expression.name(names.batches)
  const ids = Expression.name(names.ids)

  const commit = Effect.fnUntraced(function* (scope: string, written: ReadonlyArray<EncryptedBatch>) {
    const inScope = { scope: Expression.value("uuid", scope) }
    const contents = contentsOf(written)
    const entries = firstOfEach(written)
    yield* fits(names, scope, contents, entries)
    const entry = Expression.records("entry", Entries, entries)
    // Each is looked up: for a join, a planner that knows nothing of the table would read all ids of the scope.
    const isNew = Expression.sql`(
      SELECT ${ids}.sequence FROM ${ids}
      WHERE ${Expression.key(names.ids, inScope)} AND ${ids}.entry_id = entry.entry_id) IS NULL`
    const counter = Guard.make({
      name: "scope",
      row: Guard.row(names.scopes, inScope, ["next_sequence"], "exclusive"),
      columns: ["next_sequence"],
      holds: () => Expression.sql`EXISTS (SELECT 1 FROM ${entry} WHERE ${isNew})`,
      refuse: () => Effect.fail(new NothingNew())
    })
    const ordinals = written.map((_, ordinal) => BigInt(ordinal))
    const sizes = written.map(({ entryIds }) => BigInt(entryIds.length))
    // A batch with a new entry is stored whole, the others are not; the numbers of those that are have no gap.
    const first = Expression.sql`COALESCE(${Guard.column(counter, "next_sequence", "bigint")}, 1)`
    const sequences = Expression.sql`(
      SELECT array_to_string(array_agg(${first} + through - size ORDER BY ordinal), ',', '')
      FROM unnest(${Expression.values("bigint", ordinals)}) AS batch(ordinal) LEFT JOIN (
        SELECT ordinal, size, SUM(size) OVER (ORDER BY ordinal)::bigint AS through
        FROM unnest(${Expression.values("bigint", ordinals)}, ${Expression.values("bigint", sizes)}) AS sized(ordinal, size)
        WHERE ordinal IN (SELECT entry.ordinal FROM ${entry} WHERE ${isNew})) AS placed USING (ordinal))`
    const placed = Expression.sql`unnest(
      ${Expression.values("bigint", ordinals)}, ${Expression.values("bigint", sizes)},
      string_to_array(${Guarded.told("sequences", "text")}, ',', '')::bigint[]) AS placed(ordinal, size, sequence)`
    const isPlaced = Expression.literal("placed.sequence IS NOT NULL")
    const moved = Write.insert({
      into: names.scopes,
      columns: {
        ...inScope,
        next_sequence: Expression.sql`(SELECT MAX(placed.sequence + placed.size) FROM ${placed})`
      },
      onConflict: Write.replacing(["scope"], ["next_sequence"])
    })
    const added = Write.insert({
      into: names.batches,
      columns: {
        ...inScope,
        last_sequence: Expression.literal("placed.sequence + placed.size - 1"),
        sequence: Expression.literal("placed.sequence"),
        iv: Expression.literal("content.iv"),
        entry_ids: Expression.literal("content.entry_ids"),
        encrypted_batch: Expression.literal("content.encrypted_batch")
      },
      from: Expression.sql`${placed} JOIN ${Expression.records("content", Contents, contents)} USING (ordinal)`,
      where: isPlaced
    })
    const found = Write.insert({
      into: names.ids,
      columns: {
        ...inScope,
        entry_id: Expression.literal("entry.entry_id"),
        sequence: Expression.literal("placed.sequence + entry.place")
      },
      from: Expression.sql`${placed} JOIN ${entry} USING (ordinal)`,
      where: Expression.all([isPlaced, isNew])
    })
    const told = yield* statements.write(
      operation,
      {
        guards: [counter],
        writes: [moved, added, found],
        tells: { sequences },
        free: Object.values(names).map(primaryKeyOf)
      },
      () => Effect.map(stored(scope, written), outcome)
    )
    const at = (yield* Schema.decodeUnknownEffect(Sequences)(told)).sequences.split(",")
    return written.flatMap((batch, ordinal): ReadonlyArray<EncryptedRemoteBatch> => {
      const sequence = at[ordinal] ?? ""
      return sequence === "" ? [] : [{ sequence: Number(sequence), ...batch }]
    })
  })

  /** Where each batch has been stored, as it is: its initialization vector is no other's. */
  const stored = (scope: string, written: ReadonlyArray<EncryptedBatch>) => {
    const entry = Expression.records("entry", { ...Entries, size: "bigint", iv: "bytea" }, firstOfEach(written))
    return Effect.map(
      Statement.rows(
        Place,
        Expression.sql`SELECT DISTINCT entry.ordinal, batch.sequence
          FROM ${entry}
          CROSS JOIN LATERAL (
            SELECT known.sequence - entry.place + entry.size - 1 AS last_sequence FROM ${ids} AS known
            WHERE known.scope = ${Expression.value("uuid", scope)} AND known.entry_id = entry.entry_id LIMIT 1) AS known
          CROSS JOIN LATERAL (
            SELECT sequence, iv FROM ${batches}
            WHERE scope = ${Expression.value("uuid", scope)} AND last_sequence = known.last_sequence LIMIT 1) AS batch
          WHERE batch.iv = entry.iv`
      ),
      (places) => written.map((_, ordinal) => places.find((place) => place.ordinal === BigInt(ordinal))?.sequence ?? "")
    )
  }

  return {
    /**
     * Stores the batches that have a new entry, and gives these. As many as a transaction takes are one, and one round
     * trip; whatever a call breaks off after, it may be made again.
     */
    write: Effect.fnUntraced(function* (scope: string, written: ReadonlyArray<EncryptedBatch>) {
      const added: Array<EncryptedRemoteBatch> = []
      for (const part of Grouped.parts(written, room)) {
        added.push(...(yield* Effect.catchTag(commit(scope, part), "NothingNew", () => Effect.succeed([]))))
      }
      return added
    }),

    /** Where entries were stored first. */
    sequences: (scope: string, entryIds: ReadonlyArray<EntryId>) =>
      Effect.map(
        statements.read(
          "EventLogServer.entrySequences",
          Known,
          Expression.sql`SELECT entry_id, sequence FROM ${ids} WHERE scope = ${Expression.value("uuid", scope)}
            AND entry_id = ANY(${Expression.values("uuid", entryIds.map(uuidOf))})`
        ),
        (known): ReadonlyArray<WriteAck> =>
          known.map(({ entry_id, sequence }) => ({ entryId: entryIdOf(entry_id), sequence: Number(sequence) }))
      ),

    /** The first batches with entries from a number on, in order. */
    from: (scope: string, sequence: number, size: number) =>
      Effect.map(
        statements.read(
          "EventLogServer.changes",
          Batch,
          Expression.sql`SELECT sequence, iv, entry_ids, encrypted_batch FROM ${batches}
            WHERE scope = ${Expression.value("uuid", scope)}
              AND last_sequence >= ${Expression.value("bigint", BigInt(sequence))}
            ORDER BY last_sequence LIMIT ${Expression.hidden(size)}`
        ),
        (found) => found.map(batchOf)
      )
  }
}

const operation = "EventLogServer.write"

/** Whether the database takes these rows. */
const fits = (
  names: Names,
  scope: string,
  contents: ReturnType<typeof contentsOf>,
  entries: ReturnType<typeof firstOfEach>
) =>
  Size.checkAll(
    [
      { table: names.scopes, row: { scope, next_sequence: 0n }, key: ["scope"] },
      ...contents.map(({ ordinal, ...row }) => ({
        table: names.batches,
        row: { scope, last_sequence: ordinal, sequence: ordinal, ...row },
        key: ["scope", "last_sequence"]
      })),
      ...entries.map(({ entry_id, place }) => ({
        table: names.ids,
        row: { scope, entry_id, sequence: place },
        key: ["scope", "entry_id"]
      }))
    ],
    { operation }
  )

/** All that was to be written is there: a write by somebody else, or one whose answer was lost. */
class NothingNew extends Data.TaggedError("NothingNew") {}

const Entries = { entry_id: "uuid", ordinal: "bigint", place: "bigint" } as const

const Contents = { ordinal: "bigint", iv: "bytea", entry_ids: "bytea", encrypted_batch: "bytea" } as const

const Place = Schema.Struct({ ordinal: Schema.BigInt, sequence: Schema.BigInt })

const Known = Schema.Struct({ entry_id: Schema.String, sequence: Schema.BigInt })

const Batch = Schema.Struct({
  sequence: Schema.BigInt,
  iv: Schema.Uint8Array,
  entry_ids: Schema.Uint8Array,
  encrypted_batch: Schema.Uint8Array
})

/** The number of each batch, nothing where it is not stored, with commas between them. */
const Sequences = Schema.Struct({ sequences: Schema.String })

const outcome = (sequences: ReadonlyArray<bigint | "">): Transaction.Outcome<Guarded.Told> =>
  sequences.every((sequence) => sequence === "")
    ? Transaction.notCommitted
    : Transaction.committed({ sequences: sequences.join(",") })

/** The batches as rows, by their place among these. */
const contentsOf = (written: ReadonlyArray<EncryptedBatch>) =>
  written.map(({ encryptedBatch, entryIds, iv }, ordinal) => ({
    ordinal: BigInt(ordinal),
    iv,
    entry_ids: joined(entryIds),
    encrypted_batch: encryptedBatch
  }))

/** Each entry in the batch that it comes in first, which alone can store it, and its place there. */
const firstOfEach = (written: ReadonlyArray<EncryptedBatch>) => {
  const known = new Set<string>()
  return written.flatMap(({ entryIds, iv }, batch) =>
    entryIds.flatMap((id, index) => {
      const entry_id = uuidOf(id)
      if (known.has(entry_id)) return []
      known.add(entry_id)
      return [{ entry_id, ordinal: BigInt(batch), place: BigInt(index), size: BigInt(entryIds.length), iv }]
    })
  )
}

/** What goes into one transaction: a batch of Effect's has up to 100 entries, so these are far below 3,000 rows, and 10 MiB. */
const room = {
  count: 20,
  bytes: 5 * 1024 * 1024,
  weight: ({ encryptedBatch }: EncryptedBatch) => encryptedBatch.length
}

const idBytes = 16

const joined = (entryIds: ReadonlyArray<EntryId>): Uint8Array => Uint8Array.from(entryIds.flatMap((id) => [...id]))

const batchOf = ({ encrypted_batch, entry_ids, iv, sequence }: typeof Batch.Type): EncryptedRemoteBatch => ({
  sequence: Number(sequence),
  entryIds: Arr.map(
    // A batch has an entry at least, and the column holds ids, one behind the other.
    Arr.range(0, entry_ids.length / idBytes - 1),
    (place) => Uint8Array.from(entry_ids.subarray(place * idBytes, (place + 1) * idBytes)) as EntryId
  ),
  iv: Uint8Array.from(iv),
  encryptedBatch: Uint8Array.from(encrypted_batch)
})
