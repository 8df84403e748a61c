/**
 * The entries of one store: JSON by its key, until it expires by the database's clock.
 */
import type { LimitExceeded } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Size from "@effect-dsql/core/Size"
import * as Write from "@effect-dsql/core/Write"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type BackingPersistenceStore, PersistenceError } from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import { drain } from "../statement/drain.ts"
import type { Failure, Statements } from "../statement/statement.ts"

/** Where the entries of a store are. */
export interface Place {
  readonly table: string
  /** What tells them from those of other stores in the table. */
  readonly store: Readonly<Record<string, string>>
  /** What the table keeps of an entry beside its value. */
  readonly beside: Readonly<Record<string, Expression.Expression>>
}

/** The store in a place. */
export const make = ({ beside, store, table }: Place, statements: Statements): BackingPersistenceStore => {
  const { read, write } = statements
  const name = Expression.name(table)
  const owner = Object.fromEntries(Object.entries(store).map(([column, value]) => [column, text(value)]))
  const key = [...Object.keys(store), "id"]
  const own = Expression.key(table, owner)

  const find = (operation: string, keys: ReadonlyArray<string>) =>
    read(
      operation,
      Stored,
      Expression.sql`SELECT id, value FROM ${name}
        WHERE ${own} AND id = ANY(${Expression.values("text", keys)}) AND (expires IS NULL OR expires > now())`
    )

  const put = (operation: string, entries: ReadonlyArray<Entry>) =>
    Effect.gen(function* () {
      for (const { id, value } of entries) yield* Size.check(table, { ...store, id, value }, key)
      const kept = { value: Expression.literal("entry.value"), expires, ...beside }
      const rows = Write.insert({
        into: table,
        columns: { ...owner, id: Expression.literal("entry.id"), ...kept },
        from: Expression.records("entry", { id: "text", value: "text", ttl: "double precision" }, entries),
        onConflict: Write.replacing(key, Object.keys(kept))
      })
      yield* write(operation, { guards: [], writes: [rows] })
    })

  return {
    get: (id) =>
      saying(
        `get ${id}`,
        Effect.flatMap(find("Persistence.get", [id]), ([row]) =>
          row === undefined ? Effect.undefined : decode(row.value)
        )
      ),
    getMany: (ids) =>
      saying(
        "get many",
        Effect.gen(function* () {
          const found = new Map<string, object>()
          for (const { id, value } of yield* find("Persistence.getMany", ids)) {
            // One that is no JSON is as good as none, as in Effect's own stores.
            yield* Effect.ignore(Effect.map(decode(value), (object) => found.set(id, object)))
          }
          return Arr.map(ids, (id) => found.get(id))
        })
      ),
    set: (id, value, ttl) =>
      saying(
        `set ${id}`,
        Effect.flatMap(encoded([id, value, ttl]), (entry) => put("Persistence.set", [entry]))
      ),
    setMany: (entries) =>
      saying(
        "set many",
        Effect.gen(function* () {
          // Of a key that is given twice, the last one counts: a statement writes a row once.
          const last = new Map(entries.map((entry) => [entry[0], entry]))
          const all = yield* Effect.forEach(last.values(), encoded)
          yield* Effect.forEach(pieces(all), (piece) => put("Persistence.setMany", piece), { discard: true })
        })
      ),
    remove: (id) => {
      const entry = Write.remove({ table, where: Expression.key(table, { ...owner, id: text(id) }) })
      return saying(`remove ${id}`, Effect.asVoid(write("Persistence.remove", { guards: [], writes: [entry] })))
    },
    clear: saying("clear", drain(statements, "Persistence.clear", { table, order: { id: "text" }, where: own }))
  }
}

/** A store that there is no table for. */
export const refusing = (cause: { readonly message: string }): BackingPersistenceStore => {
  const refused = Effect.suspend(() => Effect.fail(new PersistenceError({ message: cause.message, cause })))
  const refuse = () => refused
  return { get: refuse, getMany: refuse, set: refuse, setMany: refuse, remove: refuse, clear: refused }
}

const text = (value: string) => Expression.value("text", value)

const Stored = Schema.Struct({ id: Schema.String, value: Schema.String })

/** An entry as it is written; it lives for so many milliseconds, or until it is removed. */
interface Entry {
  readonly id: string
  readonly value: string
  readonly ttl: number | null
}

const expires = Expression.literal("now() + entry.ttl * interval '1 millisecond'")

/** What is no JSON object. */
type Unparsable = { readonly message: string }

const decode = (value: string): Effect.Effect<object, Unparsable> =>
  Effect.try({
    // What is written is what was encoded of an object.
    try: () => JSON.parse(value) as object,
    catch: (cause) => ({ message: `the value is not JSON: ${String(cause)}` })
  })

const encoded = ([id, value, ttl]: readonly [string, object, Duration.Duration | undefined]): Effect.Effect<
  Entry,
  Unparsable
> =>
  Effect.try({
    try: () => ({ id, value: JSON.stringify(value), ttl: ttl === undefined ? null : Duration.toMillis(ttl) }),
    catch: (cause) => ({ message: `the value has no JSON: ${String(cause)}` })
  })

/** Far below the 3,000 rows and the 10 MiB of a transaction. */
const most = { rows: 500, bytes: 4 * 1024 * 1024 }

/** Entries in statements of a bounded size. */
const pieces = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> => {
  const done: Array<Array<Entry>> = []
  let bytes = 0
  for (const entry of entries) {
    const size = Size.bytes(entry.value)
    const open = done.at(-1)
    if (open === undefined || open.length === most.rows || bytes + size > most.bytes) {
      done.push([entry])
      bytes = size
    } else {
      open.push(entry)
      bytes += size
    }
  }
  return done
}

/** Says of a failure what it ended. */
const saying = <A>(
  what: string,
  effect: Effect.Effect<A, Failure | LimitExceeded | Unparsable>
): Effect.Effect<A, PersistenceError> =>
  Effect.mapError(
    effect,
    (cause) => new PersistenceError({ message: `Persistence cannot ${what}: ${cause.message}`, cause })
  )
