/**
 * The statements of a journal: what is read, and what is written in the transaction that has taken its head.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import { Entry, type EntryId, type RemoteId } from "effect/eventlog/EventJournal"
import * as Schema from "effect/Schema"
import * as Stored from "../eventLog/entry.ts"
import { entryIdOf, uuidOf } from "../eventLog/uuid.ts"
import * as Statement from "../statement/statement.ts"

/** What the tables are called. */
export interface Names {
  readonly entries: string
  readonly head: string
  readonly remotes: string
}

/** Where a journal stands: the number of the next entry, and the id that it has to come after. */
export interface Head {
  readonly next: bigint
  readonly latest: EntryId | undefined
}

/** The statements on some tables. */
export const make = (names: Names, statements: Statement.Statements) => {
  const entries = Expression.name(names.entries)
  const remotes = Expression.name(names.remotes)
  const head = Expression.name(names.head)
  const columns = Expression.literal("entry.id, entry.event, entry.primary_key, entry.payload")

  const read = (operation: string, rest: Expression.Expression) =>
    Effect.map(
      statements.read(operation, Row, Expression.sql`SELECT ${columns} FROM ${entries} AS entry ${rest}`),
      sorted
    )

  const within = (rest: Expression.Expression) =>
    Effect.map(Statement.rows(Row, Expression.sql`SELECT ${columns} FROM ${entries} AS entry ${rest}`), sorted)

  const withIds = (ids: ReadonlyArray<EntryId>) =>
    Expression.sql`JOIN ${Expression.records(
      "wanted",
      { slot: "integer", id: "uuid" },
      ids.map((id) => ({ slot: slotOf(id), id: uuidOf(id) }))
    )} ON entry.slot = wanted.slot AND entry.id = wanted.id`

  /** The row of a remote, in which one number only rises. */
  const risen = (remoteId: RemoteId, column: "checkpoint" | "next_sequence", value: bigint) =>
    Write.insert({
      into: names.remotes,
      columns: { remote_id: uuid(remoteId), [column]: Expression.value("bigint", value) },
      onConflict: Write.replacing(
        ["remote_id"],
        [column],
        Expression.sql`${remotes}.${Expression.column(column)} < excluded.${Expression.column(column)}`
      )
    })

  return {
    all: read("EventJournal.entries", Expression.literal("")),
    byIds: (ids: ReadonlyArray<EntryId>) => read("EventJournal.entriesById", withIds(ids)),
    knownIn: (ids: ReadonlyArray<EntryId>) => within(withIds(ids)),
    /** The entries that are of the same things as some others. */
    alikeIn: (others: ReadonlyArray<Entry>) =>
      within(
        Expression.sql`WHERE entry.key_id = ANY(${Expression.values("uuid", [...new Set(others.map(Stored.keyOf))])})`
      ),

    /** Takes the head: whoever else does conflicts with this transaction. */
    head: Effect.map(
      Statement.rows(
        HeadRow,
        Expression.sql`SELECT next_sequence, latest_id FROM ${head} WHERE singleton = 1 FOR UPDATE`
      ),
      ([row]): Head =>
        row === undefined
          ? { next: 1n, latest: undefined }
          : { next: row.next_sequence, latest: entryIdOf(row.latest_id) }
    ),

    /** Writes entries behind the head, and how far a remote they came from has been read. */
    append: (at: Head, added: ReadonlyArray<Entry>, from?: { readonly remoteId: RemoteId; readonly next: number }) => {
      const rows = added.map((entry, place) => ({
        slot: slotOf(entry.id),
        id: entry.idString,
        sequence: at.next + BigInt(place),
        ...Stored.rowOf(entry)
      }))
      const types = { slot: "integer", id: "uuid", sequence: "bigint", ...Stored.types } as const
      const latest = added
        .map(({ idString }) => idString)
        .toSorted()
        .at(-1)
      const written = Write.insert({
        into: names.entries,
        columns: {
          ...Object.fromEntries(
            Object.keys(types).map((column) => [column, Expression.sql`entry.${Expression.column(column)}`])
          ),
          remote_id: Expression.value("uuid", from === undefined ? null : uuidOf(from.remoteId))
        },
        from: Expression.records("entry", types, rows)
      })
      const moved = Write.insert({
        into: names.head,
        columns: {
          singleton: Expression.literal("1"),
          next_sequence: Expression.value("bigint", at.next + BigInt(rows.length)),
          latest_id: Expression.sql`GREATEST(${Expression.value("uuid", latest ?? null)}, ${Expression.value("uuid", at.latest === undefined ? null : uuidOf(at.latest))})`
        },
        onConflict: Write.replacing(["singleton"], ["next_sequence", "latest_id"])
      })
      const seen = from === undefined ? [] : [risen(from.remoteId, "next_sequence", BigInt(from.next))]
      return Effect.andThen(
        Size.checkAll(
          rows.map((row) => ({ table: names.entries, row, key: ["slot", "id"] })),
          { operation: "EventJournal.write" }
        ),
        Guarded.write({ guards: [], writes: [...(rows.length === 0 ? [] : [written, moved]), ...seen] })
      )
    },

    /** The entries that a remote has not been given, and the number up to which these are all. */
    pending: (remoteId: RemoteId) =>
      Effect.map(
        statements.read(
          "EventJournal.withRemoteUncommited",
          Pending,
          Expression.sql`SELECT bounds.latest, ${columns}
            FROM (SELECT ${head}.next_sequence - 1 AS latest, COALESCE(${remotes}.checkpoint, 0) AS checkpoint
              FROM ${head} LEFT JOIN ${remotes} ON ${remotes}.remote_id = ${uuid(remoteId)}
              WHERE ${head}.singleton = 1) AS bounds
            LEFT JOIN ${entries} AS entry ON entry.slot IN (${Expression.literal(slots.join(", "))})
              AND entry.sequence > bounds.checkpoint AND entry.sequence <= bounds.latest
              AND entry.remote_id IS DISTINCT FROM ${uuid(remoteId)}
            WHERE bounds.latest > bounds.checkpoint`
        ),
        (rows) => ({
          latest: rows[0]?.latest,
          entries: sorted(rows.flatMap((row) => (isEntry(row) ? [row] : [])))
        })
      ),

    uploaded: (remoteId: RemoteId, checkpoint: bigint) =>
      statements.write("EventJournal.uploaded", { guards: [], writes: [risen(remoteId, "checkpoint", checkpoint)] }),

    downloaded: (remoteId: RemoteId, next: number) =>
      statements.write("EventJournal.writeRemoteAcks", {
        guards: [],
        writes: [risen(remoteId, "next_sequence", BigInt(next))]
      }),

    next: (remoteId: RemoteId) =>
      Effect.map(
        statements.read(
          "EventJournal.nextRemoteSequence",
          Next,
          Expression.sql`SELECT next_sequence FROM ${remotes} WHERE remote_id = ${uuid(remoteId)}`
        ),
        ([row]) => Number(row?.next_sequence ?? 0n)
      )
  }
}

const uuid = (bytes: Uint8Array) => Expression.value("uuid", uuidOf(bytes))

const slots = Array.from({ length: 16 }, (_, slot) => slot)

/** The last bits of an id are random. */
const slotOf = (id: EntryId): number => (id.at(-1) ?? 0) % slots.length

const Row = Schema.Struct({ id: Schema.String, ...Stored.Columns.fields })

const HeadRow = Schema.Struct({ next_sequence: Schema.BigInt, latest_id: Schema.String })

const Next = Schema.Struct({ next_sequence: Schema.BigInt })

const Pending = Schema.Struct({
  latest: Schema.BigInt,
  id: Schema.NullOr(Schema.String),
  event: Schema.NullOr(Schema.String),
  primary_key: Schema.NullOr(Schema.String),
  payload: Schema.NullOr(Schema.Uint8Array)
})

const isEntry = Schema.is(Row)

const sorted = (rows: ReadonlyArray<typeof Row.Type>): ReadonlyArray<Entry> =>
  rows.map(({ id, ...row }) => Stored.entryOf(id, row)).toSorted(Entry.Order)
