/**
 * Keys of tables: what PostgreSQL's unique indexes know of them, and what a
 * snapshot knows that they do not.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Catalogue from "../database/catalogue.ts"
import * as Draws from "../database/draws.ts"
import type { BackendLost } from "../postgres/backend.ts"
import type { Prepared } from "../statement/prepared.ts"
import { snapshotOf } from "./phase.ts"
import type { Database, Member, References, UniqueKey } from "./state.ts"
import type { Transaction } from "./transaction.ts"

const Found = Schema.fromJsonString(
  Schema.Struct({
    table: Schema.String,
    name: Schema.String,
    columns: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.Int }))
  })
)
const Index = Schema.fromJsonString(Schema.Struct({ table: Schema.String, columns: Schema.Array(Schema.String) }))
const decodeIndex = Schema.decodeUnknownSync(Index)
const decodeKey = Schema.decodeUnknownSync(Found)

/** What is known of a database's keys; undefined where its catalogue has changed since. */
export const known = ({ database }: Member): References | undefined =>
  database.references.version === database.version ? database.references : undefined

/** What is known of a database's keys, asked anew where its catalogue has changed. */
export const referencesOf = (member: Member): Effect.Effect<References, BackendLost> => {
  const references = known(member)
  return references === undefined ? ask(member.database) : Effect.succeed(references)
}

/** Asks for what is known of a database's keys. */
export const ask = Effect.fnUntraced(function* (database: Database): Effect.fn.Return<References, BackendLost> {
  const { version } = database
  // Not in the member's own session: its snapshot may be older than the version.
  const rows = yield* database.ask(Catalogue.references)
  const named = (kind: string) => new Set(rows.flatMap(([found, table]) => (found === kind ? (table ?? []) : [])))
  const unique = new Map<string, Array<UniqueKey>>()
  const indexes = new Map<string, Array<ReadonlyArray<string>>>()
  for (const [kind, text] of rows) {
    if (kind === "index") {
      const { columns, table } = decodeIndex(text)
      indexes.set(table, [...(indexes.get(table) ?? []), columns])
    }
    if (kind !== "primary" && kind !== "unique") continue
    const { columns, name, table } = decodeKey(text)
    unique.set(table, [...(unique.get(table) ?? []), { name, columns, primary: kind === "primary" }])
  }
  database.references = {
    version,
    keys: named("key"),
    children: named("child"),
    acting: named("acting"),
    acts: named("acts"),
    draws: new Set([...Draws.functions, ...named("draws")]),
    unique,
    indexes
  }
  return database.references
})

const mentions = (prepared: Prepared, names: ReadonlySet<string>): boolean => {
  for (const name of prepared.names) if (names.has(name)) return true
  return false
}

/** Whether a statement may change or lock rows that it does not speak of. */
export const mayAct = (prepared: Prepared, references: References): boolean =>
  (prepared.plan._tag === "Plain" && prepared.plan.opaque) || mentions(prepared, references.acts)

/** Whether a statement may be given values that it would not be given again. */
export const mayDraw = (prepared: Prepared, references: References): boolean =>
  mayAct(prepared, references) || mentions(prepared, references.draws)

/** Whether a statement updates one row at most, and none of its keys. */
export const isOneRow = ({ plan, writes }: Prepared, references: References): boolean => {
  const [write] = writes
  if (plan._tag !== "Plain" || write === undefined || writes.length > 1 || write.verb !== "update") return false
  const { columns, table } = write
  return (
    !references.acting.has(table) &&
    !columns.some((column) => references.keys.has(`${table}.${column}`)) &&
    references.unique
      .get(table)
      ?.some((key) => key.columns.every(({ name }) => plan.fixed.some(({ column }) => column === name))) === true
  )
}

const everyTable = "*"

/** Any table may lose and gain keys by a statement that acts. */
export const noteActs = (transaction: Transaction): void => {
  transaction.removes.add(everyTable)
  transaction.adds.add(everyTable)
}

/** Which tables lose keys by a statement, and which gain some. */
export const noteKeys = (transaction: Transaction, prepared: Prepared, references: References): void => {
  for (const { columns, table: name, verb } of prepared.writes) {
    // Behind a name that has no keys there may be a view.
    const table = references.unique.has(name) ? name : everyTable
    const rekeys = table === everyTable || columns.some((column) => references.keys.has(`${name}.${column}`))
    if (verb === "delete" || rekeys) {
      transaction.removes.add(table)
      if (references.acting.has(name)) transaction.removes.add(everyTable)
    }
    if (verb === "insert" || rekeys) transaction.adds.add(table)
  }
}

/**
 * Whether the transaction put a key into a table that its snapshot has there already, or took one out that a row of its
 * snapshot still refers to. PostgreSQL looks for both in what is committed, so it lets pass what somebody else has
 * taken away since.
 */
export const isTorn = (member: Member, transaction: Transaction): Effect.Effect<boolean, BackendLost> => {
  const { references, removals } = member.database
  const { adds, phase, removes } = transaction
  if (removals.size === 0 || (adds.size === 0 && removes.size === 0)) return Effect.succeed(false)
  const snapshot = snapshotOf(phase) ?? 0
  const any = removals.get(everyTable) ?? 0
  const isLate = (table: string) => Math.max(any, removals.get(table) ?? 0) > snapshot
  const all = adds.has(everyTable)
  const gained = [...(all ? references.unique.keys() : adds)].filter(isLate)
  const orphaned = removes.size > 0 && [...references.children].some(isLate)
  const lost = orphaned ? [...(all ? references.unique.keys() : removes)].filter((table) => table !== everyTable) : []
  if (gained.length === 0 && lost.length === 0) return Effect.succeed(false)
  return Effect.map(member.backend.query(Catalogue.isTorn(gained, lost)), ([row]) => row?.[0] === "t")
}
