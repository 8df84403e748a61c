/**
 * What a key is called: the same for all that name the same row, in whatever order and type they say its columns.
 */
import { isParameter } from "@effect/sql-pg/PgTypes"
import * as Hex from "effect/encoding/Hex"
import * as Expression from "../../Expression.ts"

/**
 * A row that many may want at once; a `Fence.Guard` is one. Where it is a name for something else, such as a folder, the
 * table may be any word, which stands in metrics.
 *
 * @since 0.2.0
 * @category models
 */
export interface Key {
  readonly table: string
  /** Its primary key, column by column. */
  readonly key: Readonly<Record<string, string | number | bigint | Uint8Array>>
}

/** A key, and what it is called. */
export interface Named {
  readonly key: Key
  readonly name: string
}

/** Calls a key by its name. */
export const named = (key: Key): Named => {
  const columns = Object.keys(key.key)
  const first = columns[0]
  // Nearly all keys have one column, and are named for each fenced write.
  if (columns.length === 1 && first !== undefined)
    return { key, name: `${key.table}(${first} = ${text(key.key[first])})` }
  const pairs = columns.toSorted().map((column) => `${column} = ${JSON.stringify(text(key.key[column]))}`)
  return { key, name: `${key.table}(${pairs.join(", ")})` }
}

const text = (value: string | number | bigint | Uint8Array | undefined): string =>
  value instanceof Uint8Array ? `\\x${Hex.encode(value)}` : String(value)

/** The key that a guard's row names by parameters alone; undefined where it is found out by the server. */
export const ofRow = (
  table: string,
  columns: ReadonlyArray<string>,
  values: ReadonlyArray<unknown>
): Key | undefined => {
  const key: Record<string, string | number | bigint | Uint8Array> = {}
  for (const [index, column] of columns.entries()) {
    const value = single(values[index])
    if (value === undefined) return undefined
    key[column] = value
  }
  return { table, key }
}

/** The one value of an expression that is a parameter and nothing else but its type. */
const single = (value: unknown): string | number | bigint | Uint8Array | undefined => {
  if (Expression.isExpression(value)) {
    const [before, after = ""] = value.strings
    const isBare = value.values.length === 1 && before === "" && (after === "" || after.startsWith("::"))
    return isBare ? single(value.values[0]) : undefined
  }
  if (isParameter(value)) return single(value.value)
  return typeof value === "string" ||
    typeof value === "number" ||
    typeof value === "bigint" ||
    value instanceof Uint8Array
    ? value
    : undefined
}
