import { SqlState } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"

const cases: ReadonlyArray<readonly [code: string, message: string, meaning: SqlState.Meaning]> = [
  ["40001", "change conflicts with another transaction (OC000)", { kind: "conflict", code: "OC000" }],
  ["40001", "schema has been updated by another transaction (OC001)", { kind: "conflict", code: "OC001" }],
  ["40001", "could not serialize access due to concurrent update", { kind: "conflict", code: "unmarked" }],
  ["23505", "duplicate key value violates unique constraint", { kind: "constraint", constraint: "unique" }],
  ["23503", "violates foreign key constraint", { kind: "constraint", constraint: "foreign_key" }],
  ["23514", "violates check constraint", { kind: "constraint", constraint: "check" }],
  ["23502", "null value in column", { kind: "constraint", constraint: "not_null" }],
  ["0A000", "unsupported statement: Truncate", { kind: "unsupported" }],
  ["0A000", "cached plan must not change result type", { kind: "conflict", code: "OC001" }],
  ["54000", "transaction row limit exceeded", { kind: "limit", limit: "transaction_rows" }],
  ["54000", "transaction size limit 10mb exceeded", { kind: "limit", limit: "transaction_bytes" }],
  ["54000", "transaction age limit of 300s exceeded", { kind: "limit", limit: "transaction_age" }],
  ["54011", "more than 8 column keys in an index are not supported", { kind: "limit", limit: "index_columns" }],
  [
    "0A000",
    "datatype limit greater than 1048576 bytes not supported for bytea",
    { kind: "limit", limit: "column_bytes" }
  ],
  ["22001", "value too long for type character varying(255)", { kind: "limit", limit: "column_characters" }],
  ["54000", "a limit that is new", { kind: "limit", limit: "other" }],
  ["53300", "Unable to accept connection, too many open connections.", { kind: "too_many_connections" }],
  ["53400", "Unable to accept connection, rate exceeded.", { kind: "throttled" }],
  ["28P01", "password authentication failed", { kind: "authentication" }],
  ["08006", "unable to accept connection, access denied", { kind: "connection" }],
  ["08006", "connection failure", { kind: "connection" }],
  ["57P01", "terminating connection due to administrator command", { kind: "connection" }],
  ["XX000", "server unavailable", { kind: "unavailable" }],
  ["42P01", "relation does not exist", { kind: "other" }]
]

describe("SqlState.leavesOutcomeOpen", () => {
  it("is true of what a server says of itself, and of nothing that it says of a transaction", () => {
    const codes = ["08006", "28000", "40003", "53100", "53400", "57014", "57P01", "58030", "F0000", "XX000", "XX002"]
    const refusals = ["0A000", "22001", "23505", "25P02", "40001", "40002", "42P01", "53200", "54000", "55P03"]
    assert.deepStrictEqual(codes.concat(refusals).filter(SqlState.leavesOutcomeOpen), codes)
  })
})

describe("SqlState.meaning", () => {
  it.each(cases)("%s %s", (code, message, meaning) => {
    assert.deepStrictEqual(SqlState.meaning({ code, message }), meaning)
  })

  it("does not read codes out of the message", () => {
    assert.deepStrictEqual(SqlState.meaning({ code: "22P02", message: "value 40001 OC000 54000 is none" }), {
      kind: "other"
    })
  })
})
