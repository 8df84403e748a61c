/**
 * Who met whom: the transaction that had committed first, and the row.
 *
 * Where both sides name their rows by primary key, the log knows. Else PostgreSQL is asked which rows of the loser's
 * tables have been written by transactions that committed after its snapshot.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Locks from "../concurrency/locks.ts"
import type { Member, UniqueKey } from "../concurrency/state.ts"
import type { Call } from "../concurrency/transaction.ts"
import type { Encounter } from "../concurrency/witness.ts"
import type { Log } from "./log.ts"
import type { Trace } from "./trace.ts"

/** What is known of a conflict. */
export interface Met {
  readonly rival?: Trace | undefined
  /** The rival's statement, and the loser's. */
  readonly theirs?: string | undefined
  readonly own?: string | undefined
  readonly table?: string | undefined
  readonly key?: Readonly<Record<string, string>> | undefined
  readonly more?: boolean | undefined
}

/** Rows of a table that PostgreSQL is asked for. */
const rowsAtMost = 8

const decodeKey = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.NullOr(Schema.String)))
)

/** A key that is spelled canonically, column by column. */
const keyOf = (primary: UniqueKey, canonical: string): Readonly<Record<string, string>> => {
  // `rowOf` writes an array of texts, one for each column.
  const values = JSON.parse(canonical) as ReadonlyArray<string>
  const uuid = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/
  return Object.fromEntries(
    primary.columns.map(({ name, type }, i) => [
      name,
      type === 2950 ? (values[i] ?? "").replace(uuid, "$1-$2-$3-$4-$5") : (values[i] ?? "")
    ])
  )
}

const primaryOf = (member: Member, target: string): UniqueKey | undefined => {
  for (const keys of member.database.references.unique.values()) {
    const primary = keys.find((key) => key.primary && key.name === target)
    if (primary !== undefined) return primary
  }
  return undefined
}

/** A table's name as people write it. */
const plain = (target: string): string => (target.startsWith("public.") ? target.slice("public.".length) : target)

/** The calls that may have met somebody, the likeliest first. */
const callsOf = ({ call, transaction }: Encounter): ReadonlyArray<Call> => {
  const done = (transaction?.journal ?? []).flatMap((entry) => (entry._tag === "Call" ? [entry.call] : []))
  return call === undefined ? done : [call, ...done.filter((each) => each !== call)]
}

/** The statement of a rival that touched a table: the one that wrote it rather than one that names it. */
const statementOn = ({ statements }: Trace, table: string): string | undefined =>
  (statements.find(({ writes }) => writes.includes(table)) ?? statements.find(({ tables }) => tables.includes(table)))
    ?.sql

/** Finds out whom a transaction has met that began to see after a place in the order of commits. */
export const find = Effect.fnUntraced(function* (
  log: Log,
  member: Member,
  since: number,
  encounter: Encounter
): Effect.fn.Return<Met> {
  const { database } = member
  const calls = callsOf(encounter)
  const rivals = log.committedAfter(database.name, since)
  const byLock = yield* ofLock(member, rivals, calls, encounter)
  if (byLock !== undefined) return byLock
  for (const call of calls) {
    const row = Locks.rowOf(call, Locks.fixedBy(call), database.references)
    if (row === undefined) continue
    const primary = primaryOf(member, row.target)
    const met = rivals.flatMap((rival) =>
      rival.touched.flatMap((each) => (each.key === row.key && each.target === row.target ? [{ rival, ...each }] : []))
    )
    const found = met.find(({ isWeak }) => !isWeak) ?? met[0]
    if (found === undefined || primary === undefined) continue
    const { key, rival, sql, target } = found
    return { rival, theirs: sql, own: call.prepared.text, table: plain(target), key: keyOf(primary, key) }
  }
  for (const call of calls) {
    const met = yield* asked(member, rivals, call, encounter.transaction?.phase._tag === "Doomed")
    if (met !== undefined) return met
  }
  return byTouch(member, rivals, calls) ?? byTable(rivals, calls) ?? { own: calls[0]?.prepared.text }
})

/** A row that the rival had locked. */
const ofLock = Effect.fnUntraced(function* (
  member: Member,
  rivals: ReadonlyArray<Trace>,
  calls: ReadonlyArray<Call>,
  { lock }: Encounter
): Effect.fn.Return<Met | undefined> {
  const rival = lock && rivals.find(({ sequence }) => sequence === lock.sequence)
  if (lock === undefined || rival === undefined) return undefined
  const { ask, references } = member.database
  const name = plain(lock.target)
  const primary = primaryOf(member, lock.target)
  const rows = calls.flatMap((call) => {
    const row = Locks.rowOf(call, Locks.fixedBy(call), references)
    return row?.target === lock.target && (lock.key === undefined || lock.key === row.key) ? [{ call, ...row }] : []
  })
  const canonical = lock.key ?? rows[0]?.key
  const own = rows[0]?.call ?? calls.find(({ prepared }) => prepared.tables.some((table) => table.name === name))
  const met: Met = {
    rival,
    theirs: rival.touched.find(({ key }) => key === canonical)?.sql ?? statementOn(rival, name),
    own: own?.prepared.text,
    table: name
  }
  if (primary === undefined) return met
  if (canonical !== undefined) return { ...met, key: keyOf(primary, canonical) }
  const sql = `SELECT ${jsonOf(primary)} FROM ONLY ${lock.target} WHERE ${lock.condition} LIMIT 2`
  const [first, ...others] = yield* Effect.orElseSucceed(ask(sql), () => [])
  return first?.[0] === undefined ? met : { ...met, key: readKey(first[0]), more: others.length > 0 }
})

/** A row's key as PostgreSQL writes it, and as it is read. */
const jsonOf = ({ columns }: UniqueKey): string =>
  `json_build_object(${columns.map(({ name }) => `${Quote.literal(name)}, ${Quote.identifier(name)}::text`).join(", ")})::text`

const readKey = (json: string | null): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(decodeKey(json ?? "{}")).map(([column, value]) => [column, value ?? ""]))

/** Asks PostgreSQL which rows of a statement's tables the rivals have written. */
const asked = Effect.fnUntraced(function* (
  member: Member,
  rivals: ReadonlyArray<Trace>,
  call: Call,
  hasSnapshot: boolean
): Effect.fn.Return<Met | undefined> {
  const { ask, references } = member.database
  const own = new Map(rivals.flatMap((rival) => rival.ids.map((id) => [id, rival] as const)))
  if (own.size === 0) return undefined
  const row = Locks.rowOf(call, Locks.fixedBy(call), references)
  const theirs = `::text = ANY ('{${[...own.keys()].join(",")}}')`
  const tables = call.prepared.tables.flatMap(({ name }) => {
    const primary = references.unique.get(name)?.find((key) => key.primary)
    return primary === undefined ? [] : [{ primary, condition: row?.target === primary.name ? row.condition : "true" }]
  })
  const rowsOf = (question: typeof ask, mark: "xmin" | "xmax", which: (key: string) => string) => {
    if (tables.length === 0) return Effect.succeed([])
    const sql = tables.map(({ condition, primary }) => {
      const key = jsonOf(primary)
      return `(SELECT ${Quote.literal(primary.name)}, ${mark}::text, ${key} FROM ONLY ${primary.name} WHERE ${condition} AND ${which(key)} LIMIT ${rowsAtMost})`
    })
    // Whoever cannot be asked has told nothing.
    return Effect.orElseSucceed(question(sql.join(" UNION ALL ")), () => [])
  }
  // What the loser's snapshot has, and another has changed, taken away, or only locked since; then what is there now.
  const old = hasSnapshot ? yield* rowsOf(member.backend.query, "xmax", () => `xmax${theirs}`) : []
  const keys = old.map(([, , key]) => Quote.literal(key ?? "")).join(", ")
  const kept = old.length === 0 ? [] : yield* rowsOf(ask, "xmin", (key) => `${key} IN (${keys}) AND NOT xmin${theirs}`)
  const isKept = new Set(kept.map(([target, , key]) => `${target} ${key}`))
  const gone = old.filter(([target, , key]) => !isKept.has(`${target} ${key}`))
  const written = gone.length > 0 ? gone : yield* rowsOf(ask, "xmin", () => `xmin${theirs}`)
  const rows = written.length > 0 ? written : old
  const [target, id, key] = rows[0] ?? []
  const rival = own.get(id ?? "")
  if (target === undefined || target === null || rival === undefined) return undefined
  const name = plain(target)
  return {
    rival,
    theirs: statementOn(rival, name),
    own: call.prepared.text,
    table: name,
    key: readKey(key ?? null),
    more: rows.length > 1
  }
})

/** A row that a rival named and that is in a table of the loser's, whose own rows nobody can name. */
const byTouch = (member: Member, rivals: ReadonlyArray<Trace>, calls: ReadonlyArray<Call>): Met | undefined => {
  for (const { prepared } of calls) {
    for (const { name } of prepared.tables) {
      const primary = member.database.references.unique.get(name)?.find((key) => key.primary)
      const met = rivals.flatMap((rival) =>
        rival.touched.flatMap((each) => (each.target === primary?.name ? [{ rival, ...each }] : []))
      )
      const [first] = met
      if (first === undefined || primary === undefined) continue
      const more = met.some(({ key }) => key !== first.key)
      const { key, rival, sql } = first
      return { rival, theirs: sql, own: prepared.text, table: plain(primary.name), key: keyOf(primary, key), more }
    }
  }
  return undefined
}

/** The last rival that wrote a table which the loser names. */
const byTable = (rivals: ReadonlyArray<Trace>, calls: ReadonlyArray<Call>): Met | undefined => {
  for (const call of calls) {
    for (const { name } of call.prepared.tables) {
      const rival = rivals.findLast(({ statements }) => statements.some(({ writes }) => writes.includes(name)))
      if (rival !== undefined) return { rival, theirs: statementOn(rival, name), own: call.prepared.text, table: name }
    }
  }
  return undefined
}
