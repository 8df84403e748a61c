/**
 * Sizes, checked before anything is sent.
 *
 * DSQL refuses a value, row or key that is too large only after it has
 * travelled, and does not say which one it was.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import * as Effect from "effect/Effect"
import { Buffer } from "node:buffer"
import { LimitExceeded } from "./DsqlError.ts"

/**
 * A value whose size matters.
 *
 * @since 0.1.0
 * @category models
 */
export type Value = Uint8Array | string | bigint | number | boolean | Date | null | undefined

/**
 * Bytes that a value takes at most: text in UTF-8 (a UUID too, though its column needs only 16), numbers and times as
 * eight.
 *
 * @since 0.1.0
 * @category accessors
 */
export const bytes = (value: Value): number => {
  if (value === null || value === undefined) return 0
  if (typeof value === "string") return Buffer.byteLength(value)
  return value instanceof Uint8Array ? value.length : 8
}

/**
 * Bytes that a row takes.
 *
 * @since 0.1.0
 * @category accessors
 */
export const rowBytes = (row: Readonly<Record<string, Value>>): number =>
  Object.values(row).reduce<number>((total, value) => total + bytes(value), 0)

/**
 * Checks each value (1 MiB), the row (2 MiB) and its key (1 KiB).
 *
 * @example
 * ```ts
 * import { Size } from "@effect-dsql/core"
 *
 * const checked = Size.check("shards", { shard_id: 7, data: new Uint8Array(10) }, ["shard_id"])
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const check = (
  table: string,
  row: Readonly<Record<string, Value>>,
  key: ReadonlyArray<string>
): Effect.Effect<void, LimitExceeded> =>
  Effect.suspend(() => {
    for (const [column, value] of Object.entries(row)) {
      const size = bytes(value)
      if (size > Limits.columnBytes) return exceeded("column_bytes", `${table}.${column}`, size, Limits.columnBytes)
    }
    const total = rowBytes(row)
    if (total > Limits.rowBytes) return exceeded("row_bytes", `a row of ${table}`, total, Limits.rowBytes)
    const keyed = key.reduce((sum, column) => sum + bytes(row[column]), 0)
    return keyed > Limits.keyBytes
      ? exceeded("key_bytes", `the key (${key.join(", ")}) of ${table}`, keyed, Limits.keyBytes)
      : Effect.void
  })

/**
 * Checks what a transaction changes in all: rows (3,000) and bytes (10 MiB, to which DSQL adds what indexes take).
 *
 * @example
 * ```ts
 * import { Size } from "@effect-dsql/core"
 *
 * const checked = Size.checkTransaction("AddTasks", { rows: 100, bytes: 4096 })
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const checkTransaction = (
  operation: string,
  changed: { readonly rows: number; readonly bytes: number }
): Effect.Effect<void, LimitExceeded> => {
  const over = (limit: "transaction_rows" | "transaction_bytes", size: number, maximum: number) =>
    Effect.fail(
      new LimitExceeded({
        limit,
        message: `${operation} changes ${size} ${limit === "transaction_rows" ? "rows" : "bytes"}; an Aurora DSQL transaction takes at most ${maximum}`
      })
    )
  if (changed.rows > Limits.transactionRows) return over("transaction_rows", changed.rows, Limits.transactionRows)
  if (changed.bytes > Limits.transactionBytes) return over("transaction_bytes", changed.bytes, Limits.transactionBytes)
  return Effect.void
}

/**
 * A row that is going to be written.
 *
 * @since 0.1.0
 * @category models
 */
export interface Write {
  readonly table: string
  readonly row: Readonly<Record<string, Value>>
  /** The columns of the primary key. */
  readonly key: ReadonlyArray<string>
}

/**
 * Checks the rows that one transaction writes: each as `check` does, and all together (3,000 rows, 10 MiB). The
 * server adds a little to the bytes for each row and each index, so what passes by a hair may still be refused.
 *
 * `deleted` counts rows that the transaction deletes beside; `operation` names it in the error.
 *
 * @since 0.1.0
 * @category checks
 */
export const checkAll = (
  writes: ReadonlyArray<Write>,
  { deleted = 0, operation = "a transaction" }: { readonly deleted?: number; readonly operation?: string } = {}
): Effect.Effect<void, LimitExceeded> =>
  Effect.gen(function* () {
    let bytes = 0
    for (const { key, row, table } of writes) {
      yield* check(table, row, key)
      bytes += rowBytes(row)
    }
    yield* checkTransaction(operation, { rows: writes.length + deleted, bytes })
  })

const exceeded = (limit: LimitExceeded["limit"], what: string, size: number, maximum: number) =>
  Effect.fail(new LimitExceeded({ limit, message: `${what} has ${size} bytes; Aurora DSQL takes at most ${maximum}` }))
