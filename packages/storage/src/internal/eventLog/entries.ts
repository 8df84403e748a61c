/**
 * The statements on the entries of unencrypted stores: what is written to them, and what is read.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type Entry, RemoteEntry } from "effect/eventlog/EventJournal"
import * as Schema from "effect/Schema"
import * as Grouped from "../grouped.ts"
import * as Statement from "../statement/statement.ts"
import { primaryKeyOf } from "../tables/primaryKey.ts"
import * as Stored from "./entry.ts"

/** What the tables are called. */
export interface Names {
  readonly entries: string
  readonly stores: string
}

/** Entries that were written together: the numbers of a store from one on. */
export interface Run {
  readonly storeId: string
  readonly ids: ReadonlyArray<string>
  readonly first: bigint
}

/** The statements on some tables. */
export const make = (names: Names, statements: Statement.Statements) => {
  const entries = Expression.name(names.entries)

  const commit = Effect.fnUntraced(function* (storeId: string, added: ReadonlyArray<Entry>) {
    const ids = added.map(({ idString }) => idString)
    const rows = added.map((entry, ordinal) => ({
      entry_id: entry.idString,
      ...Stored.rowOf(entry),
      ordinal: BigInt(ordinal)
    }))
    yield* Size.checkAll(
      rows.map(({ ordinal, ...row }) => ({
        table: names.entries,
        row: { store_id: storeId, sequence: ordinal, ...row },
        key: ["store_id", "sequence"]
      })),
      { operation }
    )
    const store = { store_id: Expression.value("text", storeId) }
    const fresh = Guard.make({
      name: "entries",
      row: {
        select: Expression.sql`SELECT entry_id FROM ${entries} WHERE ${among(storeId, ids)} LIMIT 1`,
        lock: undefined
      },
      columns: ["entry_id"],
      holds: (row) => Guard.absent(row),
      refuse: () => Effect.fail(new KnownAlready())
    })
    const counter = Guard.make({
      name: "store",
      row: Guard.row(names.stores, store, ["next_sequence"], "exclusive"),
      columns: ["next_sequence"],
      holds: () => Expression.literal("TRUE"),
      refuse: () => Effect.die(new Error("nothing is asked of the store"))
    })
    const first = Expression.sql`COALESCE(${Guard.column(counter, "next_sequence", "bigint")}, 1)`
    const behind = Expression.sql`${first} + ${Expression.value("bigint", BigInt(rows.length))}`
    const moved = Write.insert({
      into: names.stores,
      columns: { ...store, next_sequence: behind },
      onConflict: Write.replacing(["store_id"], ["next_sequence"])
    })
    const columns = { entry_id: "uuid", ...Stored.types } as const
    const written = Write.insert({
      into: names.entries,
      columns: {
        ...store,
        sequence: Expression.sql`${first} + entry.ordinal`,
        ...Object.fromEntries(
          Object.keys(columns).map((column) => [column, Expression.sql`entry.${Expression.column(column)}`])
        )
      },
      from: Expression.records("entry", { ...columns, ordinal: "bigint" }, rows)
    })
    const told = yield* statements.write(
      operation,
      {
        guards: [fresh, counter],
        writes: [moved, written],
        tells: { first },
        free: [names.stores, names.entries].map(primaryKeyOf).concat(uniqueOf(names.entries))
      },
      () =>
        Effect.map(run(storeId, ids), (found): Transaction.Outcome<Guarded.Told> =>
          found === undefined ? Transaction.notCommitted : Transaction.committed({ first: found })
        )
    )
    return { storeId, ids, first: (yield* Schema.decodeUnknownEffect(First)(told)).first }
  })

  const known = (storeId: string, ids: ReadonlyArray<string>) =>
    Expression.sql`SELECT entry_id, sequence FROM ${entries} WHERE ${among(storeId, ids)}`

  /** Where entries stand one behind the other, as one write leaves them; undefined where they do not. */
  const run = (storeId: string, ids: ReadonlyArray<string>) =>
    Effect.map(Statement.rows(Place, known(storeId, ids)), (places) => {
      const sequences = new Map(places.map(({ entry_id, sequence }) => [entry_id, sequence]))
      const first = sequences.get(ids[0] ?? "")
      return first !== undefined && ids.every((id, ordinal) => sequences.get(id) === first + BigInt(ordinal))
        ? first
        : undefined
    })

  /** Writes what is new in one statement, and gives where each of the entries stands. */
  const place = (
    storeId: string,
    added: ReadonlyArray<Entry>,
    onRun: (run: Run) => void
  ): Effect.Effect<ReadonlyArray<readonly [id: string, sequence: bigint]>, Statement.Failure> =>
    commit(storeId, added).pipe(
      Effect.map((run) => {
        onRun(run)
        return run.ids.map((id, ordinal) => [id, run.first + BigInt(ordinal)] as const)
      }),
      Effect.catchTag("KnownAlready", () =>
        Effect.gen(function* () {
          const ids = added.map(({ idString }) => idString)
          const places = yield* statements.read(operation, Place, known(storeId, ids))
          const found = new Map(places.map(({ entry_id, sequence }) => [entry_id, sequence]))
          const rest = added.filter(({ idString }) => !found.has(idString))
          return [...found, ...(rest.length === 0 ? [] : yield* place(storeId, rest, onRun))]
        })
      )
    )

  const columns = Expression.literal("sequence, entry_id, event, primary_key, payload")

  const select = (name: string, rest: Expression.Expression) =>
    Effect.map(statements.read(name, Row, Expression.sql`SELECT ${columns} FROM ${rest}`), (rows) =>
      rows.map(remoteEntryOf)
    )

  /** All entries from an id on. */
  const later = Effect.fnUntraced(function* (storeId: string, oldest: string) {
    const found: Array<RemoteEntry> = []
    let from = Expression.sql`entry_id >= ${uuid(oldest)}`
    while (true) {
      const page = yield* select(
        "EventLogServer.entriesAfter",
        Expression.sql`${entries} WHERE ${inStore(storeId)} AND ${from} ORDER BY entry_id LIMIT ${Expression.hidden(laterAtOnce)}`
      )
      found.push(...page)
      const last = page.at(-1)
      if (last === undefined || page.length < laterAtOnce) return found
      from = Expression.sql`entry_id > ${uuid(last.entry.idString)}`
    }
  })

  return {
    /**
     * Writes entries, and gives them with their numbers: those that are there already, or come twice, with the one that
     * they have. Outside of a transaction it is one for each part of them; `onRun` is told of each.
     */
    write: Effect.fnUntraced(function* (storeId: string, written: ReadonlyArray<Entry>, onRun: (run: Run) => void) {
      const unique = [...new Map(written.map((entry) => [entry.idString, entry])).values()]
      const parts = (yield* statements.isInside) ? [unique] : Grouped.parts(unique, Stored.room)
      const places = yield* Effect.forEach(parts, (part) => place(storeId, part, onRun))
      const sequences = new Map(places.flat())
      return written.map(
        (entry) =>
          // Each of them has a place.
          new RemoteEntry({ remoteSequence: Number(sequences.get(entry.idString)), entry }, { disableChecks: true })
      )
    }),

    /** Looks whether a run was committed, in a transaction that whoever is yet to commit it conflicts with. */
    isCommitted: ({ first, ids, storeId }: Run) =>
      Effect.gen(function* () {
        yield* Statement.rows(
          Next,
          Expression.sql`SELECT next_sequence FROM ${Expression.name(names.stores)}
            WHERE store_id = ${Expression.value("text", storeId)} FOR UPDATE`
        )
        return (yield* run(storeId, ids)) === first
      }),

    /** What a batch has to be compared with: the same ids, and later entries of the same keys; all later ones without it. */
    concerned: (storeId: string, oldest: Entry, batch: ReadonlyArray<Entry> | undefined) => {
      if (batch === undefined) return Effect.map(later(storeId, oldest.idString), inOrder)
      const ids = batch.map(({ idString }) => idString)
      const keys = [...new Set(batch.map(Stored.keyOf))]
      // Each is looked up by an index of its own: of one condition for both, a plan for any ids reads all of the store.
      const found = select(
        "EventLogServer.entriesAfter",
        Expression.sql`(
          SELECT stored.* FROM unnest(${Expression.values("uuid", ids)}) AS wanted(id) CROSS JOIN LATERAL (
            SELECT ${columns} FROM ${entries} WHERE ${inStore(storeId)} AND entry_id = wanted.id LIMIT 1) AS stored
          UNION ALL
          SELECT stored.* FROM unnest(${Expression.values("uuid", keys)}) AS wanted(key) CROSS JOIN LATERAL (
            SELECT ${columns} FROM ${entries} WHERE ${inStore(storeId)} AND key_id = wanted.key
              AND entry_id >= ${uuid(oldest.idString)} OFFSET 0) AS stored) AS stored`
      )
      return Effect.map(found, inOrder)
    },

    /** The first entries from a number on, in order. */
    from: (storeId: string, sequence: number, size: number) =>
      select(
        "EventLogServer.changes",
        Expression.sql`${entries} WHERE ${inStore(storeId)} AND sequence >= ${Expression.value("bigint", BigInt(sequence))}
          ORDER BY sequence LIMIT ${Expression.hidden(size)}`
      )
  }
}

const operation = "EventLogServer.write"

/** Entries that one statement reads of all that are later than another one. */
const laterAtOnce = 1000

const uuid = (id: string) => Expression.value("uuid", id)

/** Each entry once, in the order of their numbers. */
const inOrder = (found: ReadonlyArray<RemoteEntry>): ReadonlyArray<RemoteEntry> =>
  [...new Map(found.map((entry) => [entry.remoteSequence, entry])).values()].toSorted(
    (one, other) => one.remoteSequence - other.remoteSequence
  )

/** An entry is there already: one that somebody else wrote, or a write whose answer was lost. */
class KnownAlready extends Data.TaggedError("KnownAlready") {}

const Row = Schema.Struct({ sequence: Schema.BigInt, entry_id: Schema.String, ...Stored.Columns.fields })

const Place = Schema.Struct({ entry_id: Schema.String, sequence: Schema.BigInt })

const First = Schema.Struct({ first: Schema.BigInt })

const Next = Schema.Struct({ next_sequence: Schema.BigInt })

/** What the index of an entry's id is called: the schema's, and by it that of a table of one's own. */
const uniqueOf = (table: string): string => `${table.slice(table.lastIndexOf(".") + 1)}_entry`

const remoteEntryOf = ({ entry_id, sequence, ...row }: typeof Row.Type): RemoteEntry =>
  new RemoteEntry({ remoteSequence: Number(sequence), entry: Stored.entryOf(entry_id, row) }, { disableChecks: true })

const inStore = (storeId: string) => Expression.sql`store_id = ${Expression.value("text", storeId)}`

const among = (storeId: string, ids: ReadonlyArray<string>) =>
  Expression.sql`${inStore(storeId)} AND entry_id = ANY(${Expression.values("uuid", ids)})`
