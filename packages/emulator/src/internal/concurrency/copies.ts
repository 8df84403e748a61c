/**
 * Which private copies of tables a doomed transaction needs. What it only reads it reads where it stands, from its
 * snapshot; of what it changes by whole primary keys it needs those rows, of all else the whole table.
 */
import * as Shadows from "../database/shadows.ts"
import type { Access } from "../statement/reach.ts"
import { qualified } from "../statement/tables.ts"
import * as Locks from "./locks.ts"
import type { References } from "./state.ts"
import type { Call, Transaction } from "./transaction.ts"

/** What there are copies of: tables by their names, and what of them, in the words of `wanted`. */
export const of = ({ phase }: Transaction): ReadonlySet<string> | undefined =>
  phase._tag === "Doomed" ? phase.copies : undefined

/** What is missing, as SQL, and the words by which it is known from then on. */
export interface Wanted {
  readonly requests: ReadonlyArray<string>
  readonly marks: ReadonlyArray<string>
}

interface Need {
  /** The table with its schema, as SQL. */
  readonly target: string
  isWhole: boolean
  readonly conditions: Set<string>
}

/** How a call comes to the tables that it names, and of those whose name is theirs alone, to which rows. */
const accessesOf = ({ prepared: { plan, tables } }: Call): ReadonlyArray<Access> =>
  (plan._tag === "Plain" ? plan.accesses : undefined) ??
  tables.map(({ name }) => ({ table: name, verb: "change", fixed: [], sets: [] }))

/** What calls need besides what there is. */
export const wanted = (calls: ReadonlyArray<Call>, copies: ReadonlySet<string>, references: References): Wanted => {
  const needs = new Map<string, Need>()
  const needOf = (call: Call, table: string): Need => {
    const named = call.prepared.tables.find(({ name }) => name === table)
    const target = references.unique.get(table)?.[0]?.name ?? (named === undefined ? table : qualified(named))
    const need = needs.get(table) ?? { target, isWhole: false, conditions: new Set() }
    needs.set(table, need)
    return need
  }
  const isKnown = (table: string) => references.unique.has(table)
  for (const call of calls) {
    for (const access of accessesOf(call)) {
      const { sets, table, verb } = access
      if (verb === "read" && isKnown(table)) continue
      const need = needOf(call, table)
      if (verb === "insert" && isKnown(table)) continue
      const rekeys = sets.some((column) => references.keys.has(`${table}.${column}`))
      const row = rekeys ? undefined : Locks.rowOf(call, access.fixed, references, table)
      if (row === undefined) need.isWhole = true
      else need.conditions.add(row.condition)
    }
  }
  // What is only read, and of which there is a copy, is read there.
  for (const call of calls) {
    for (const { fixed, table, verb } of accessesOf(call)) {
      if (verb !== "read" || (!needs.has(table) && !copies.has(table))) continue
      const row = Locks.rowOf(call, fixed, references, table)
      const need = needOf(call, table)
      if (row === undefined) need.isWhole = true
      else need.conditions.add(row.condition)
    }
  }
  const requests: Array<string> = []
  const marks: Array<string> = []
  const whole: Array<string> = []
  for (const [table, { conditions, isWhole, target }] of needs) {
    if (copies.has(`${table} *`)) continue
    marks.push(table)
    if (isWhole) {
      whole.push(target)
      marks.push(`${table} *`)
      continue
    }
    const missing = [...conditions].filter((condition) => !copies.has(`${table} ${condition}`))
    if (copies.has(table) && missing.length === 0) continue
    requests.push(Shadows.fetch(target, missing))
    for (const condition of missing) marks.push(`${table} ${condition}`)
  }
  if (whole.length > 0) requests.push(Shadows.copy(whole))
  return { requests, marks }
}
