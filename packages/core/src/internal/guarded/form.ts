/**
 * Statements of one form, which differ in the values that are given for them and in nothing else. A form is written down
 * once; from then on the values are put where they stand in its text, and the expressions that say so are not made.
 */
import { isFragment } from "effect/sql/Statement"
import * as Expression from "../../Expression.ts"
import { textOf } from "./flat.ts"
import { Reference } from "./reference.ts"
import type { Written } from "./shape.ts"
import type { Statement } from "./statement.ts"
import * as Text from "./text.ts"

export interface Form {
  readonly text: string
  /** Which of the given values each parameter is. */
  readonly places: ReadonlyArray<number>
}

/** The form of a statement in which the places of the given values stand instead of them, and which holds what it locks for itself. */
export const of = ({ guards, writes }: Pick<Statement<unknown>, "guards" | "writes">): Form => {
  const flat = Text.statement({ guards, writes, tells: {} }, () => "FOR UPDATE")
  return { text: textOf(flat), places: flat.values.map(Number) }
}

/** The statement with these values. */
export const filled = ({ places, text }: Form, given: ReadonlyArray<unknown>): Written => ({
  text,
  values: places.map((place) => given[place])
})

/** Whether a value is a parameter: neither SQL, nor known only where it runs. */
export const isPlain = (value: unknown): boolean =>
  (typeof value !== "object" && typeof value !== "function") ||
  !(Expression.isExpression(value) || isFragment(value) || value instanceof Reference)
