/**
 * What an SQLSTATE means on Aurora DSQL.
 *
 * DSQL reports several different things under one code (40001 is a conflict on
 * data or on the catalogue, 54000 is any of a dozen limits), so a meaning is
 * read from the code and, where the service gives nothing better, from the
 * marker or the fixed phrase that the service puts into its message.
 *
 * @since 0.1.0
 */

/** Which catalogue of conflicts a 40001 belongs to: data (OC000), schema (OC001), or not said. */
export type ConflictCode = "OC000" | "OC001" | "unmarked"

/** The limit that a 54xxx error is about. `other` is one that the service added since. */
export type Limit =
  | "transaction_rows"
  | "transaction_bytes"
  | "transaction_age"
  | "query_memory"
  | "column_bytes"
  | "row_bytes"
  | "key_bytes"
  | "index_columns"
  | "indexes"
  | "other"

/** The constraint that a 23xxx error is about. */
export type Constraint = "unique" | "foreign_key" | "check" | "not_null"

/** The meaning of an error reported by the server. */
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
  /** The server itself does not know whether the statement was completed. */
  | { readonly kind: "completion_unknown" }
  | { readonly kind: "other" }

/** The fields of a server error that a meaning is read from. */
export interface ServerError {
  /** The five characters of the SQLSTATE, for example `40001`. */
  readonly code: string
  /** The server's message. Only fixed phrases of the service are looked for in it, never codes or digits. */
  readonly message: string
}

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
