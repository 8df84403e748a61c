/**
 * Which statement an error of the driver is about: the error itself does not say. A text has places for its parameters,
 * and none of their values.
 */
import type { SqlError } from "effect/sql/SqlError"

const texts = new WeakMap<SqlError, string>()

// Enough to find the statement by, also where it writes a thousand rows.
const shown = 1_000

/** Notes which statement an error is about first, unless that may hold a secret, as `CREATE ROLE … PASSWORD …` does. */
export const about = (error: SqlError, text: string): void => {
  if (!texts.has(error) && !text.toLowerCase().includes("password")) texts.set(error, text.slice(0, shown))
}

/** The statement that an error is about; undefined where it is not known. */
export const statementOf = (error: SqlError): string | undefined => texts.get(error)
