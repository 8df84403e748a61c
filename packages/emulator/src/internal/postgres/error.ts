/** What can go wrong with the server beneath: here, because each of its parts says it. */
import * as Data from "effect/Data"

/**
 * PostgreSQL could not be initialised, started or reached, or has ended.
 *
 * - `missing`: there are no programs that run on this machine, or no user to run them as.
 * - `foreign`: the directory is not one that this made, or is none: it is left as it is.
 *
 * @since 0.1.0
 * @category errors
 */
export class PostgresError extends Data.TaggedError("PostgresError")<{
  readonly message: string
  readonly reason: "missing" | "initialise" | "port" | "start" | "directory" | "foreign" | "ended"
}> {}

/** What an unknown cause says, in one line. */
export const text = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s*\n\s*/g, ": ")
