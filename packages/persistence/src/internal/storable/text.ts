/**
 * Text that a column takes as it is: PostgreSQL's has no NUL, and half of a surrogate pair has no UTF-8, so it would
 * be stored as U+FFFD.
 */
import * as Schema from "effect/Schema"

/** What is wrong with a text, if anything is. */
export const flaw = (text: string): string | undefined => {
  if (text.includes("\0")) return "it has a NUL, which no text of PostgreSQL has"
  return text.isWellFormed() ? undefined : "it has half of a surrogate pair, which is no character"
}

/** A text without flaw. */
export const isStorable = Schema.makeFilter<string>(flaw, { expected: "a text without NUL and lone surrogates" })
