/**
 * Statements of one shape have one text, which is put together once: it takes longer than all else that is done to send
 * a statement. A shape is known by what its parts say, in the order in which they stand in the text.
 */
import { isFragment } from "effect/sql/Statement"
import * as Expression from "../../Expression.ts"
import { type Flat, textOf } from "./flat.ts"
import { Reference } from "./reference.ts"
import type { Clause, Parts } from "./text.ts"

/** The texts of the shapes that were sent. A program has as many as it has statements. */
const texts = new Map<string, string>()

/** One that makes shapes up for ever forgets them. */
const most = 10_000

/** A text, and the values of its parameters. */
export interface Written {
  readonly text: string
  readonly values: ReadonlyArray<unknown>
}

/** The text of a statement, put together by `write` where its shape is new. */
export const written = (parts: Parts, clause: Clause, write: () => Flat): Written | Flat => {
  const { key, values } = shape(parts, clause)
  const known = texts.get(key)
  if (known !== undefined) return { text: known, values }
  const flat = write()
  if (flat.hasFragments) return flat
  const text = textOf(flat)
  if (texts.size >= most) texts.clear()
  texts.set(key, text)
  return { text, values }
}

/** What tells a statement's text from any other, and its values in the order in which they stand there. */
const shape = (
  { guards, tells, writes }: Parts,
  clause: Clause
): { readonly key: string; readonly values: Array<unknown> } => {
  const values: Array<unknown> = []
  let key = ""
  const add = (part: Expression.Expression): void => {
    for (let index = 0; index < part.strings.length; index++) {
      key += part.strings[index] ?? ""
      if (index === part.values.length) continue
      const value = part.values[index]
      if (Expression.isExpression(value)) add(value)
      else if (value instanceof Reference) {
        const { name, of } = value.source
        key += `\u0001${of} ${name} ${of === "column" ? value.source.column : ""}`
      } else {
        values.push(value)
        key += isFragment(value) ? "#" : "$"
      }
    }
    key += "\u0000"
  }
  for (const { beside, columns, name, row, view } of guards) {
    key += `${name} ${columns.length} ${view === undefined ? columns.join(" ") : "view"} `
    for (const { lock, select } of beside === undefined ? [row] : [row, beside]) {
      key += lock === undefined ? "" : clause(lock)
      add(select)
    }
    view?.forEach((value, index) => {
      key += columns[index] ?? ""
      add(value)
    })
  }
  for (const { holds } of guards) add(holds)
  for (const name in tells) {
    key += name
    const tell = tells[name]
    if (tell !== undefined) add(tell)
  }
  for (const { from, head, reads, tail, where } of writes) {
    key += reads
    add(head)
    for (const part of [from, where, tail]) {
      if (part === undefined) key += "\u0000"
      else add(part)
    }
  }
  return { key, values }
}
