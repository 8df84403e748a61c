/**
 * Writes an expression down: one text with numbered parameters.
 */
import { isFragment } from "effect/sql/Statement"
import * as Expression from "../../Expression.ts"
import { Reference, type Source } from "./reference.ts"

/** A text, and the values of its parameters. */
export interface Flat {
  /** The text before, between and after the values. */
  readonly strings: ReadonlyArray<string>
  readonly values: ReadonlyArray<unknown>
  /** Whether a value is a fragment of Effect SQL, which is the client's to write down. */
  readonly hasFragments: boolean
}

/** Writes an expression down, with what each of its references refers to. */
export const flatten = (expression: Expression.Expression, to: (source: Source) => Expression.Expression): Flat => {
  const strings: Array<string> = []
  const values: Array<unknown> = []
  let text = ""
  let hasFragments = false
  const add = (part: Expression.Expression): void => {
    for (let index = 0; index < part.strings.length; index++) {
      text += part.strings[index] ?? ""
      if (index === part.values.length) continue
      const value = part.values[index]
      if (Expression.isExpression(value)) add(value)
      else if (value instanceof Reference) add(to(value.source))
      else {
        hasFragments ||= isFragment(value)
        values.push(value)
        strings.push(text)
        text = ""
      }
    }
  }
  add(expression)
  strings.push(text)
  return { strings, values, hasFragments }
}

/** The text as a server takes it. */
export const textOf = ({ strings }: Flat): string => {
  let text = strings[0] ?? ""
  for (let index = 1; index < strings.length; index++) text += `$${index}${strings[index] ?? ""}`
  return text
}
