/**
 * Statements of one shape have one text, which is put together once: it takes longer than all else that is done to send
 * a statement. A shape is known by what its parts say, in the order in which they stand in the text.
 */
import { isFragment } from "effect/sql/Statement"
import * as Expression from "../../Expression.ts"
import { type Flat, textOf } from "./flat.ts"
import { Reference, spoken } from "./reference.ts"
import type * as Text from "./text.ts"
import { type Place, Tree } from "./tree.ts"

/** What is written down, and whether its writes are known to be independent: if not, it may be refused. */
type Parts = Text.Parts & { readonly independent: boolean }

const shapes = new Tree<string>()

// No text of an expression is one of these.
const parameter = Symbol("parameter")
const fragment = Symbol("fragment")
const reference = Symbol("reference")

/** A text, and the values of its parameters. */
export interface Written {
  readonly text: string
  readonly values: ReadonlyArray<unknown>
}

/** The text of a statement, put together by `write` where its shape is new. */
export const written = (parts: Parts, clause: Text.Clause, write: () => Flat): Written | Flat => {
  const { end, values } = shape(parts, clause)
  if (end.kept !== undefined) return { text: end.kept, values }
  const flat = write()
  if (flat.hasFragments) return flat
  end.kept = textOf(flat)
  return { text: end.kept, values }
}

/** Where a statement's text is kept, and its values in the order in which they stand there. */
const shape = (
  { guards, independent, tells, writes }: Parts,
  clause: Text.Clause
): { readonly end: Place<string>; readonly values: Array<unknown> } => {
  const values: Array<unknown> = []
  let here = shapes.begin()
  const say = (what: unknown): void => {
    here = shapes.after(here, what)
  }
  const add = (part: Expression.Expression | undefined): void => {
    if (part === undefined) return say(undefined)
    // The strings of a template are one array wherever it is evaluated, and say how many values follow.
    say(part.strings.length === 1 ? part.strings[0] : part.strings)
    for (const value of part.values) {
      if (Expression.isExpression(value)) add(value)
      else if (value instanceof Reference) {
        say(reference)
        say(spoken(guards, value.source))
      } else {
        values.push(value)
        say(isFragment(value) ? fragment : parameter)
      }
    }
  }
  const take = (part: Expression.Expression): void => {
    for (const value of part.values) {
      if (Expression.isExpression(value)) take(value)
      else if (!(value instanceof Reference)) values.push(value)
    }
  }
  const told = Object.keys(tells)
  // Lists say first how long they are, so that none runs into the next.
  for (const length of [guards.length, told.length, writes.length]) say(length)
  say(independent)
  for (const { beside, columns, id, row, view } of guards) {
    say(id.description)
    for (const read of [row, beside]) {
      say(read?.lock === undefined ? undefined : clause(read.lock))
      say(read?.key === undefined)
      add(read?.select)
    }
    say(columns.length)
    for (const column of columns) say(column)
    if (view === undefined) say(undefined)
    else for (const value of view) add(value)
  }
  for (const { holds } of guards) add(holds)
  for (const name of told) {
    say(name)
    add(tells[name])
  }
  // Rows that are locked are read once more, which needs no more words, but their values.
  for (const { beside, row } of guards) {
    for (const read of [row, beside]) if (read?.lock !== undefined) take(read.select)
  }
  for (const { counted, from, head, reads, tail, where } of writes) {
    say(reads)
    say(counted !== undefined)
    add(head)
    add(from)
    add(where)
    add(tail)
  }
  return { end: here, values }
}
