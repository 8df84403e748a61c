/**
 * The rows that a transaction has locked and not changed. PostgreSQL forgets
 * them at COMMIT; an older snapshot that comes to them later must not. Where
 * both sides name their rows by primary key, nobody else has to be asked.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import { areHeld, type RowLocks } from "../database/rowLocks.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Parameter from "../protocol/parameter.ts"
import type { Fixed, Value } from "../statement/reach.ts"
import * as Keys from "./keys.ts"
import type { LockRecord, Member, References } from "./state.ts"
import type { Call, Touch, Transaction } from "./transaction.ts"

/** A value of a column, or undefined where it cannot be told without PostgreSQL. */
const valueOf = ({ parameter, text, type: cast }: Value, column: number, call: Call): Parameter.Keyed | undefined => {
  const type = cast === undefined ? undefined : Parameter.typeOf(cast)
  if (cast !== undefined && type === undefined) return undefined
  if (parameter === undefined) return text === undefined ? undefined : Parameter.keyed(text, type ?? column)
  const { bound } = call
  const value = bound === undefined ? undefined : ClientMessage.parameters(bound.rest)[parameter - 1]
  if (bound === undefined || value === undefined) return undefined
  const declared = Parameter.declared(bound.types, parameter)
  // PostgreSQL casts one that is declared otherwise.
  if (cast !== undefined && declared !== undefined && declared !== type) return undefined
  const own = declared ?? type ?? column
  const written = Parameter.textOf(value, own)
  return written === undefined ? undefined : Parameter.keyed(written, own)
}

/** One row of a table. */
export interface Row {
  readonly target: string
  readonly condition: string
  readonly key: string
}

/** The one row of a table, or of the first that a statement names, with these values, if they are the whole primary key. */
export const rowOf = (
  call: Call,
  fixed: ReadonlyArray<Fixed>,
  references: References,
  table = call.prepared.tables[0]?.name ?? ""
): Row | undefined => {
  const primary = references.unique.get(table)?.find(({ primary }) => primary)
  if (primary === undefined) return undefined
  const values: Array<Parameter.Keyed & { readonly name: string }> = []
  for (const { name, type } of primary.columns) {
    const value = fixed.find(({ column }) => column === name)?.value
    const found = value === undefined ? undefined : valueOf(value, type, call)
    if (found === undefined) return undefined
    values.push({ name, ...found })
  }
  return {
    target: primary.name,
    condition: `(${values.map(({ name, sql }) => `${Quote.identifier(name)} = ${sql}`).join(" AND ")})`,
    key: JSON.stringify(values.map(({ canonical }) => canonical))
  }
}

/** The columns that a call sets equal to a value where it changes or locks rows. */
export const fixedBy = ({ prepared: { plan } }: Call): ReadonlyArray<Fixed> =>
  plan._tag === "Plain" ? (plan.locked?.fixed ?? plan.fixed) : []

const touch = (transaction: Transaction, touched: Touch | undefined): void => {
  if (transaction.touched === "hidden") return
  transaction.touched = touched === undefined ? "hidden" : [...transaction.touched, touched]
}

/** Remembers what a query has locked that was answered with this tag. */
export const note = (transaction: Transaction, call: Call, tag: string | undefined, references: References): void => {
  const { plan } = call.prepared
  const locked = plan._tag === "Plain" ? plan.locked : undefined
  if (locked !== undefined && tag === "SELECT 0") return
  const row = locked !== undefined && tag === "SELECT 1" ? rowOf(call, locked.fixed, references) : undefined
  touch(transaction, row && locked && { ...row, takesKey: locked.strength === "Update" })
  if (transaction.locks === "hidden") return
  const more = row && locked ? [{ ...row, strength: locked.strength }] : supposed(call, references)
  transaction.locks = more === "hidden" ? "hidden" : [...transaction.locks, ...more]
}

/** The rows that a call's locking clauses may have locked, if each of them names one by its whole primary key. */
const supposed = (call: Call, references: References): Transaction["locks"] => {
  const { plan } = call.prepared
  const found: Array<RowLocks> = []
  const lockable = plan._tag === "Plain" ? plan.lockable : undefined
  for (const { fixed, strength, table } of lockable ?? []) {
    const row = rowOf(call, fixed, references, table)
    if (row === undefined) return "hidden"
    found.push({ ...row, strength, isSupposed: true })
  }
  return lockable === undefined ? "hidden" : found
}

/** Remembers which rows a statement has changed. */
export const noteWrite = (transaction: Transaction, call: Call, references: References): void => {
  const { plan, tables, writes } = call.prepared
  const [write] = writes
  if (plan._tag !== "Plain" || transaction.touched === "hidden") return
  const isAlone = writes.length === 1 && !tables.some(({ name }) => references.children.has(name))
  // A new row is nobody's yet.
  if (isAlone && write?.verb === "insert" && plan.bound !== Infinity) return
  const isDeletion = write?.verb === "delete" && !references.acting.has(write.table)
  const isPlain = isAlone && (isDeletion || Keys.isOneRow(call.prepared, references))
  const row = isPlain ? rowOf(call, plan.fixed, references) : undefined
  touch(transaction, row && { ...row, takesKey: isDeletion })
}

/** Remembers that a transaction may have changed or locked any rows. */
export const noteAny = (transaction: Transaction): void => {
  transaction.locks = "hidden"
  transaction.touched = "hidden"
}

/** The first of these locks, which others held and have committed, against which a transaction has touched a row. */
export const broken = (
  member: Member,
  { touched }: Transaction,
  locks: ReadonlyArray<RowLocks>
): Effect.Effect<RowLocks | undefined, BackendLost> => {
  const rest = touched === "hidden" ? locks : locks.filter(({ key }) => key === undefined)
  const isBroken = ({ key, strength, target }: RowLocks) =>
    touched !== "hidden" &&
    touched.some((each) => each.key === key && each.target === target && (strength === "Update" || each.takesKey))
  const found = locks.find(isBroken)
  if (found !== undefined || rest.length === 0) return Effect.succeed(found)
  return Effect.map(member.database.judge(member, rest), (isBroken) => (isBroken ? rest[0] : undefined))
}

/** What a transaction has locked, before it commits. */
export const of = (member: Member, { locks }: Transaction): Effect.Effect<LockRecord | undefined, BackendLost> => {
  if (locks === "hidden") return Effect.map(scanned(member), recordOf)
  const unsure = locks.filter(({ isSupposed }) => isSupposed === true)
  if (unsure.length === 0) return Effect.succeed(recordOf(locks))
  return Effect.map(member.backend.query(areHeld(unsure)), ([held = []]) =>
    recordOf(locks.filter((lock) => lock.isSupposed !== true || held[unsure.indexOf(lock)] === "t"))
  )
}

const recordOf = (locks: ReadonlyArray<RowLocks>): LockRecord | undefined =>
  locks.length === 0 ? undefined : { locks, sequence: Infinity }

/** Looks through every table that has a lock. */
const scanned = (member: Member): Effect.Effect<ReadonlyArray<RowLocks>, BackendLost> =>
  Effect.map(member.backend.query("SELECT * FROM pg_catalog.dsql_emulator_row_locks()"), (rows) =>
    rows.map(([target, strength, condition]) => ({
      target: target ?? "",
      strength: strength ?? "",
      condition: condition ?? "false"
    }))
  )
