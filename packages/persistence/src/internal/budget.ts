/**
 * What one statement writes, checked before it is sent.
 */
import type { LimitExceeded } from "@effect-dsql/core/DsqlError"
import * as Size from "@effect-dsql/core/Size"
import * as Effect from "effect/Effect"
import type { Value } from "./records.ts"

/** A row that is written. */
export interface SizedRow {
  readonly table: string
  readonly columns: Readonly<Record<string, Value>>
  /** The columns of the primary key. */
  readonly key: ReadonlyArray<string>
}

/** Checks each row, and that a transaction takes all of them and so many deleted ones. */
export const check = Effect.fnUntraced(function* (
  operation: string,
  rows: ReadonlyArray<SizedRow>,
  deleted: number
): Effect.fn.Return<void, LimitExceeded> {
  let bytes = 0
  for (const { columns, key, table } of rows) {
    yield* Size.check(table, columns, key)
    bytes += Size.rowBytes(columns)
  }
  yield* Size.checkTransaction(operation, { rows: rows.length + deleted, bytes })
})
