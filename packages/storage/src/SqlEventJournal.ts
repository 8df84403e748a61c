/**
 * Effect's `EventJournal` on Aurora DSQL.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import type * as Removal from "@effect-dsql/core/Removal"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as EventJournal from "effect/eventlog/EventJournal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import { atomically } from "./internal/eventLog/atomically.ts"
import { idsAfter } from "./internal/eventLog/entry.ts"
import { uuidOf } from "./internal/eventLog/uuid.ts"
import { partsOf } from "./internal/eventJournal/parts.ts"
import * as Tables from "./internal/eventJournal/tables.ts"
import * as Turns from "./internal/eventJournal/turns.ts"
import { drain } from "./internal/statement/drain.ts"
import * as Statement from "./internal/statement/statement.ts"
import { ensure } from "./internal/tables/ensure.ts"
import type { MissingTables } from "./MissingTables.ts"

/**
 * Where the entries are, and what is known of remotes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The table of the entries; beside it is `${entryTable}_head`. Default: `effect_event_journal`. */
  readonly entryTable?: string | undefined
  /** The table of what has been exchanged with which remote. Default: `effect_event_remotes`. */
  readonly remotesTable?: string | undefined
}

/**
 * Makes the journal.
 *
 * A write is a transaction around its effect, as in Effect's own journal: what the effect writes on this client commits
 * with the entries, or not at all. On Aurora DSQL it can conflict with the writes of other processes, and then begins
 * again: **the effect runs once for each attempt**, each time with entries of new ids, so it must do nothing that a
 * rollback does not undo. Those of one process wait for each other, unless they are part of a transaction already.
 * Entries are numbered in the order in which they commit, so an upload never goes past one that is yet to come.
 *
 * What a remote sends is imported in parts of up to 500 entries or 4 MiB, in the order of its numbers, each part a
 * transaction with its effect; an import that broke off goes on behind the last part. An entry that Aurora DSQL does not
 * take (1 MiB in a column) fails with `LimitExceeded` as the cause, and so does `writeMany` with more than 3,000.
 *
 * A write whose answer was lost is looked for by the id of its first entry. `withLock` keeps the other writers of the
 * process out, and is no transaction: each write in it is one, and stays when a later one fails.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<EventJournal.EventJournal["Service"], MissingTables | TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const { entryTable = "effect_event_journal", remotesTable = "effect_event_remotes" } = options
    const names = { entries: entryTable, head: `${entryTable}_head`, remotes: remotesTable }
    const isOwn = options.entryTable !== undefined || options.remotesTable !== undefined
    yield* ensure("EventJournal", Object.values(names), isOwn ? "own" : undefined)
    const statements = Statement.make(yield* DsqlClient)
    const tables = Tables.make(names, statements)
    const pubsub = yield* PubSub.unbounded<EventJournal.Entry>()
    const inTurn = Turns.make(statements.isInside)

    /** Looks whether an attempt's entries are there, in a transaction that whoever is yet to commit conflicts with. */
    const look = <A>(attempt: Attempt, value: Option.Option<A>) =>
      Effect.gen(function* () {
        const [first] = attempt.written
        if (first === undefined || Option.isNone(value)) return Transaction.unknown
        yield* tables.head
        const known = yield* tables.knownIn([first.id])
        return known.length > 0 ? Transaction.committed(value.value) : Transaction.notCommitted
      })

    /** All of an effect in one transaction, in turn; what it adds is published once it has committed. */
    const alone = <A, E, R, E2>(
      method: string,
      effect: Effect.Effect<A, E, R | Transaction.Transaction>,
      onFailure: (failure: Statement.Failure) => Effect.Effect<never, E2>
    ): Effect.Effect<A, E | E2, R> =>
      Effect.flatMap(Attempt, (outer) => {
        if (outer !== undefined) return atomically(statements, method, effect, onFailure)
        const attempt: Attempt = { written: [], own: [] }
        const begun = Effect.suspend(() => {
          attempt.written.length = 0
          attempt.own.length = 0
          return Effect.provideService(effect, Attempt, attempt)
        })
        const operation = `EventJournal.${method}`
        return inTurn(atomically(statements, operation, begun, onFailure, (value) => look(attempt, value))).pipe(
          Effect.tap(() => statements.committed(Effect.asVoid(PubSub.publishAll(pubsub, [...attempt.own]))))
        )
      })

    const writeMany: Journal["writeMany"] = ({ effect, entries }) =>
      alone(
        "writeMany",
        Effect.gen(function* () {
          const head = yield* saying("writeMany", tables.head)
          const nextId = idsAfter(head.latest)
          const written = Arr.map(
            entries,
            (entry) => new EventJournal.Entry({ id: nextId(), ...entry }, { disableChecks: true })
          )
          const result = yield* effect(written)
          yield* saying("writeMany", tables.append(head, written))
          const attempt = yield* Attempt
          attempt?.written.push(...written)
          attempt?.own.push(...written)
          return result
        }),
        failing("writeMany")
      )

    const importPart = (
      { compact, effect, remoteId }: Omit<Parameters<Journal["writeFromRemote"]>[0], "entries">,
      entries: ReadonlyArray<EventJournal.RemoteEntry>
    ) => {
      const method = "writeFromRemote"
      return alone<Imported, EventJournal.EventJournalError, never, EventJournal.EventJournalError>(
        method,
        Effect.gen(function* () {
          const transaction = yield* Transaction.Transaction
          const head = yield* saying(method, tables.head)
          const known = yield* saying(method, tables.knownIn(entries.map(({ entry }) => entry.id)))
          // What conflicts with what is for Effect's own journal to say: it is given what is stored of the same things.
          const memory = yield* EventJournal.makeMemory
          const stored = (entries: ReadonlyArray<EventJournal.Entry>) =>
            memory.writeFromRemote({ remoteId: elsewhere, entries: entries.map(received), effect: () => Effect.void })
          yield* stored(known)
          const { duplicateEntries } = yield* memory.writeFromRemote({
            remoteId,
            entries,
            compact: (uncommitted) =>
              Effect.gen(function* () {
                const compacted =
                  compact === undefined ? uncommitted.map(({ entry }) => entry) : yield* compact(uncommitted)
                const alike = Effect.provideService(tables.alikeIn(compacted), Transaction.Transaction, transaction)
                yield* stored(yield* saying(method, alike))
                return compacted
              }),
            effect
          })
          const isKnown = new Set(known.map(({ idString }) => idString))
          // Of an entry that comes twice, the first copy counts.
          const imported = entries.flatMap(({ entry }) => {
            if (isKnown.has(entry.idString)) return []
            isKnown.add(entry.idString)
            return [entry]
          })
          // The last of a part has its highest number.
          const next = (entries.at(-1)?.remoteSequence ?? -1) + 1
          yield* saying(method, tables.append(head, imported, { remoteId, next }))
          const attempt = yield* Attempt
          attempt?.written.push(...imported)
          return { duplicateEntries }
        }),
        failing(method)
      )
    }

    return EventJournal.EventJournal.of({
      entries: saying("entries", tables.all),
      entriesById: (ids) =>
        saying(
          "entriesById",
          Effect.map(tables.byIds(ids), (found) => {
            const byId = new Map(found.map((entry) => [entry.idString, entry]))
            return ids.map((id) => byId.get(uuidOf(id)))
          })
        ),
      write: ({ effect, ...entry }) => writeMany({ entries: [entry], effect: ([written]) => effect(written) }),
      writeMany,
      writeFromRemote: ({ entries, ...options }) =>
        Effect.map(
          Effect.forEach(partsOf(entries), (part) => importPart(options, part)),
          (parts) => ({ duplicateEntries: parts.flatMap(({ duplicateEntries }) => duplicateEntries) })
        ),
      withRemoteUncommited: (remoteId, f) =>
        Effect.gen(function* () {
          const { entries, latest } = yield* saying("withRemoteUncommited", tables.pending(remoteId))
          if (latest === undefined) return Option.none()
          return yield* Effect.uninterruptibleMask((restore) =>
            Effect.tap(
              restore(Arr.isReadonlyArrayNonEmpty(entries) ? Effect.asSome(f(entries)) : Effect.succeedNone),
              saying("withRemoteUncommited", tables.uploaded(remoteId, latest))
            )
          )
        }),
      writeRemoteAcks: ({ acks, firstSequence, remoteId }) =>
        acks.length === 0
          ? Effect.void
          : saying(
              "writeRemoteAcks",
              Effect.flatMap(tables.next(remoteId), (next) =>
                Effect.asVoid(tables.downloaded(remoteId, advanced(Math.max(next, firstSequence ?? 0), acks)))
              )
            ),
      nextRemoteSequence: (remoteId) => saying("nextRemoteSequence", tables.next(remoteId)),
      changes: PubSub.subscribe(pubsub),
      destroy: saying(
        "destroy",
        Effect.forEach(everything(names), (rows) => drain(statements, "EventJournal.destroy", rows), { discard: true })
      ),
      withLock: () => inTurn
    })
  })

/**
 * Provides the journal.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { SqlEventJournal } from "@effect-dsql/storage"
 * import { Effect, Layer } from "effect"
 * import { EventJournal } from "effect/eventlog"
 *
 * const program = Effect.gen(function*() {
 *   const journal = yield* EventJournal.EventJournal
 *   yield* journal.write({
 *     event: "UserCreated",
 *     primaryKey: "user-1",
 *     payload: new Uint8Array([1]),
 *     effect: (entry) => Effect.log(entry.idString)
 *   })
 * })
 *
 * const live = SqlEventJournal.layer().pipe(Layer.provide(DsqlClient.layerConfig()))
 * const main = Effect.provide(program, live)
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Options
): Layer.Layer<EventJournal.EventJournal, MissingTables | TransactionError, DsqlClient> =>
  Layer.effect(EventJournal.EventJournal, make(options))

type Journal = EventJournal.EventJournal["Service"]

interface Imported {
  readonly duplicateEntries: ReadonlyArray<EventJournal.Entry>
}

/** What the attempt that is under way has written so far, and what of it is this process's own. */
interface Attempt {
  readonly written: Array<EventJournal.Entry>
  readonly own: Array<EventJournal.Entry>
}

const Attempt = Context.Reference<Attempt | undefined>("@effect-dsql/storage/SqlEventJournal/Attempt", {
  defaultValue: () => undefined
})

/** A remote that what is stored comes from, where nobody asks from which. */
const elsewhere = EventJournal.makeRemoteIdUnsafe()

const received = (entry: EventJournal.Entry, remoteSequence: number) =>
  new EventJournal.RemoteEntry({ remoteSequence, entry }, { disableChecks: true })

const failing = (method: string) => (cause: unknown) =>
  Effect.fail(new EventJournal.EventJournalError({ method, cause }))

const saying = <A, E, R>(method: string, effect: Effect.Effect<A, E, R>) => Effect.catch(effect, failing(method))

/** All rows of a journal. */
const everything = ({ entries, head, remotes }: Tables.Names): ReadonlyArray<Removal.Rows> => {
  const where = Expression.literal("TRUE")
  return [
    {
      table: entries,
      order: { slot: "smallint", id: "uuid" },
      where
    },
    { table: head, order: { singleton: "smallint" }, where },
    { table: remotes, order: { remote_id: "uuid" }, where }
  ]
}

/** The number behind all that are acknowledged without a gap. */
const advanced = (from: number, acks: ReadonlyArray<EventJournal.RemoteAck>): number => {
  const acknowledged = new Set(acks.map(({ sequence }) => sequence))
  let next = from
  while (acknowledged.has(next)) next += 1
  return next
}
