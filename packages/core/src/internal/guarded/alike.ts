/**
 * What the two forms of a guarded statement would do differently. All writes of one statement see what was there before
 * it, and writes that are sent in turn see those before them: so it is refused before anything is sent, in either form.
 */
import { type Fragment, isFragment } from "effect/sql/Statement"
import * as Expression from "../../Expression.ts"
import type { Write } from "../../Write.ts"
import { flatten } from "./flat.ts"
import type { Source } from "./reference.ts"

interface Writes {
  readonly writes: ReadonlyArray<Write>
  /** Whether whoever sends them knows that they may come in any order. */
  readonly independent: boolean
}

/** Throws where a write reads what an earlier one changes, or changes rows that it may have changed. */
export const check = ({ independent, writes }: Writes): void => {
  const changed = new Map<string, RegExp>()
  for (const write of writes) {
    const text = read(write)
    if (independent) continue
    if (changed.has(write.table)) throw new Error(unlike(`two writes change ${write.table}`))
    for (const [table, mention] of changed) {
      if (mention.test(text))
        throw new Error(unlike(`the write of ${write.table} names ${table}, which an earlier one changes`))
    }
    changed.set(write.table, mentionOf(write.table))
  }
}

const unlike = (what: string): string =>
  `${what}: one statement and a transaction may differ in that. Say that the writes are independent, if none reads or ` +
  "changes a row that another one changes, or write it in a guarded statement of its own"

/** A table's name, but not where it stands before a column's. */
const mentionOf = (table: string): RegExp => {
  const last = table.slice(table.lastIndexOf(".") + 1).replaceAll(/\W/g, "\\$&")
  return new RegExp(`(?<![\\w$])${last}(?![\\w$]|"?\\s*\\.)`, "i")
}

/** What stands in a write beside the names of its own table and columns. */
const read = ({ from, tail, values, where }: Write): string => {
  const parts = [...values, from, where, tail].filter((part) => part !== undefined)
  const flat = flatten(Expression.join(parts, " "), nothing)
  return [...flat.strings, ...flat.values.flatMap((value) => (isFragment(value) ? textsOf(value) : []))].join(" ")
}

const nothing = (source: Source): Expression.Expression => {
  if (source.of === "guard") throw new Error("a write reads the rows of a guard: it may read single columns of it")
  return Expression.literal("")
}

const textsOf = ({ segments }: Fragment): ReadonlyArray<string> =>
  segments.flatMap((segment) => (segment._tag === "Literal" || segment._tag === "Identifier" ? [segment.value] : []))
