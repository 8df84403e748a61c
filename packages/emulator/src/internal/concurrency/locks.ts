/**
 * The rows that a transaction has locked and not changed. PostgreSQL forgets
 * them at COMMIT; an older snapshot that comes to them later must not.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { RowLocks } from "../database/rowLocks.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Parameter from "../protocol/parameter.ts"
import type { Value } from "../statement/reach.ts"
import type { LockRecord, Member, References } from "./state.ts"
import type { Call, Transaction } from "./transaction.ts"

/** A value as SQL, or undefined where it cannot be told what type it has. */
const literal = ({ parameter, text, type: cast }: Value, column: number, call: Call): string | undefined => {
  const type = cast === undefined ? undefined : Parameter.typeOf(cast)
  if (cast !== undefined && type === undefined) return undefined
  if (parameter === undefined) {
    const suffix = cast === undefined ? "" : `::${cast}`
    return text === undefined ? undefined : `${Quote.literal(text)}${suffix}`
  }
  const { bound } = call
  const value = bound === undefined ? undefined : ClientMessage.parameters(bound.rest)[parameter - 1]
  if (bound === undefined || value === undefined) return undefined
  const declared = Parameter.declared(bound.types, parameter)
  // PostgreSQL casts one that is declared otherwise.
  if (cast !== undefined && declared !== undefined && declared !== type) return undefined
  return Parameter.literal(value, declared ?? type ?? column)
}

/** The one row that a query has locked, if it names the whole primary key of its table. */
const keyed = (call: Call, references: References): RowLocks | undefined => {
  const { plan, tables } = call.prepared
  const locked = plan._tag === "Plain" ? plan.locked : undefined
  const key = references.unique.get(tables[0]?.name ?? "")?.find(({ primary }) => primary)
  if (locked === undefined || key === undefined) return undefined
  const conditions: Array<string> = []
  for (const { name, type } of key.columns) {
    const value = locked.fixed.find(({ column }) => column === name)?.value
    const text = value === undefined ? undefined : literal(value, type, call)
    if (text === undefined) return undefined
    conditions.push(`${Quote.identifier(name)} = ${text}`)
  }
  return { target: key.name, strength: locked.strength, condition: `(${conditions.join(" AND ")})` }
}

/** Remembers what a query has locked that was answered with this tag. */
export const note = (transaction: Transaction, call: Call, tag: string | undefined, references: References): void => {
  if (transaction.locks === "hidden" || tag === "SELECT 0") return
  const found = tag === "SELECT 1" ? keyed(call, references) : undefined
  transaction.locks = found === undefined ? "hidden" : [...transaction.locks, found]
}

/** What a transaction has locked, before it commits. */
export const of = Effect.fnUntraced(function* (
  member: Member,
  { locks }: Transaction
): Effect.fn.Return<LockRecord | undefined, BackendLost> {
  const found = locks === "hidden" ? yield* scanned(member) : locks
  return found.length === 0 ? undefined : { locks: found, sequence: Infinity }
})

/** Looks through every table that has a lock. */
const scanned = (member: Member): Effect.Effect<ReadonlyArray<RowLocks>, BackendLost> =>
  Effect.map(member.backend.query("SELECT * FROM pg_catalog.dsql_emulator_row_locks()"), (rows) =>
    rows.map(([target, strength, condition]) => ({
      target: target ?? "",
      strength: strength ?? "",
      condition: condition ?? "false"
    }))
  )
