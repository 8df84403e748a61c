/**
 * What an SQLSTATE means on Aurora DSQL.
 *
 * DSQL reports several different things under one code (40001 is a conflict on
 * data or on the catalogue, 54000 is any of a dozen limits), so a meaning is
 * read from the code and, where the service gives nothing better, from the
 * marker or the fixed phrase that the service puts into its message.
 *
 * @since 0.1.0
 * @stability stable
 */

/**
 * Which catalogue of conflicts a 40001 belongs to: data (OC000), schema (OC001), or not said. They are markers in the
 * message, never an SQLSTATE.
 *
 * Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html
 *
 * @since 0.1.0
 * @category models
 */
export type ConflictCode = "OC000" | "OC001" | "unmarked"

/**
 * The limit that an error is about; `other` where a 54xxx has none of the known phrases in its message. `Limits` has the
 * numbers.
 *
 * @since 0.1.0
 * @category models
 */
export type Limit =
  | "transaction_rows"
  | "transaction_bytes"
  | "transaction_age"
  | "query_memory"
  | "column_bytes"
  | "column_characters"
  | "row_bytes"
  | "key_bytes"
  | "index_columns"
  | "indexes"
  | "other"

/**
 * The constraint that a 23xxx error is about. Exclusion constraints have none here: the service refuses to make them.
 *
 * @since 0.1.0
 * @category models
 */
export type Constraint = "unique" | "foreign_key" | "check" | "not_null"

/**
 * The meaning of an error reported by the server.
 *
 * - `conflict` (40001): another transaction was first, and all of this one may run again.
 * - `constraint` (23xxx), `unsupported` (0A000, 42704, 42809) and `limit` (54xxx, 53200, 22001): it would fail again.
 * - `throttled` (53400) and `too_many_connections` (53300): no connection now, see `Limits`.
 * - `authentication` (28xxx): among others, a token that expired before it was used.
 * - `connection` (08xxx, 57Pxx): the connection is lost, and with it the answer.
 * - `unavailable` (XX000): the connection is still good; nothing took effect, unless COMMIT was answered so.
 * - `completion_unknown` (40003): the server itself does not know whether the statement was completed.
 *
 * Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html for what is the service's own,
 * https://www.postgresql.org/docs/16/errcodes-appendix.html for the rest.
 *
 * @since 0.1.0
 * @category models
 */
export type Meaning =
  | { readonly kind: "conflict"; readonly code: ConflictCode }
  | { readonly kind: "constraint"; readonly constraint: Constraint }
  | { readonly kind: "unsupported" }
  | { readonly kind: "limit"; readonly limit: Limit }
  | { readonly kind: "throttled" }
  | { readonly kind: "too_many_connections" }
  | { readonly kind: "authentication" }
  | { readonly kind: "connection" }
  | { readonly kind: "unavailable" }
  | { readonly kind: "completion_unknown" }
  | { readonly kind: "other" }

/**
 * The fields of a server error that a meaning is read from.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerError {
  /** The five characters of the SQLSTATE, for example `40001`. */
  readonly code: string
  /** The server's message. Only fixed phrases of the service are looked for in it, never codes or digits. */
  readonly message: string
}

/**
 * Whether a COMMIT, or a statement that commits by itself, may have taken effect although it was answered so. What a
 * server says of the statement or of its transaction refuses both. What it says of itself leaves that open: that its
 * connections (08), its memory of who asks (28), its resources (53), its operator (57), its machine (58), its settings
 * (F0) or it itself (XX) failed, on the way to the commit or after it; or that it does not know (40003). A query that
 * takes more memory than it may (53200) is refused.
 *
 * PostgreSQL would answer an error of all but 08 and 57P only before it commits. On Aurora DSQL the session that
 * answers is not what commits, and the service says of XX000 that it leaves the outcome open.
 *
 * Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html,
 * https://www.postgresql.org/docs/16/errcodes-appendix.html
 *
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { SqlState } from "@effect-dsql/dialect"
 *
 * assert.strictEqual(SqlState.leavesOutcomeOpen("58030"), true)
 * assert.strictEqual(SqlState.leavesOutcomeOpen("40001"), false)
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const leavesOutcomeOpen = (code: string): boolean =>
  code === "40003" || (ofServer.has(code.slice(0, 2)) && code !== "53200")

const ofServer: ReadonlySet<string> = new Set(["08", "28", "53", "57", "58", "F0", "XX"])

const marker = /\((OC00[01])\)/

const limits: ReadonlyArray<readonly [phrase: string, limit: Limit]> = [
  ["transaction row limit exceeded", "transaction_rows"],
  ["transaction size limit", "transaction_bytes"],
  ["transaction age limit", "transaction_age"],
  ["allowed temp space", "query_memory"],
  ["datatype limit greater than", "column_bytes"],
  ["column keys in an index", "index_columns"]
]

const constraints: Readonly<Record<string, Constraint>> = {
  "23502": "not_null",
  "23503": "foreign_key",
  "23505": "unique",
  "23514": "check"
}

const conflictCode = (message: string): ConflictCode => {
  const found = marker.exec(message)?.[1]
  return found === "OC000" || found === "OC001" ? found : "unmarked"
}

/**
 * Reads what a server error means.
 *
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { SqlState } from "@effect-dsql/dialect"
 *
 * assert.deepStrictEqual(
 *   SqlState.meaning({ code: "40001", message: "change conflicts with another transaction (OC000)" }),
 *   { kind: "conflict", code: "OC000" }
 * )
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const meaning = (error: ServerError): Meaning => {
  const { code, message } = error
  if (code === "40001") return { kind: "conflict", code: conflictCode(message) }
  // Another session has changed the table of a prepared statement: a stale catalogue, in PostgreSQL's words.
  if (code === "0A000" && message.includes("cached plan must not change")) return { kind: "conflict", code: "OC001" }
  const constraint = constraints[code]
  if (constraint !== undefined) return { kind: "constraint", constraint }
  // A value over the column limit is refused as an unsupported datatype size.
  const limit = limits.find(([phrase]) => message.includes(phrase))?.[1]
  // A text with more characters than its column was declared to take.
  if (code === "22001") return { kind: "limit", limit: "column_characters" }
  if (code.startsWith("54") || code === "53200") return { kind: "limit", limit: limit ?? "other" }
  if (code === "0A000" || code === "42704" || code === "42809") {
    return code === "0A000" && limit === "column_bytes" ? { kind: "limit", limit } : { kind: "unsupported" }
  }
  if (code === "53400") return { kind: "throttled" }
  if (code === "53300") return { kind: "too_many_connections" }
  if (code.startsWith("28")) return { kind: "authentication" }
  if (code === "40003") return { kind: "completion_unknown" }
  if (code.startsWith("08") || code.startsWith("57P")) return { kind: "connection" }
  if (code === "XX000") return { kind: "unavailable" }
  return { kind: "other" }
}
