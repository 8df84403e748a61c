/**
 * Statements as the Go system sends them: of one row each, every value a parameter.
 */
import { Transaction } from "@effect-dsql/core"
import { Effect } from "effect"

export type Value = Date | Uint8Array | bigint | boolean | number | string | null

export type Row = Readonly<Record<string, Value>>

export const insert = (table: string, row: Row) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO ${sql(table)} ${sql.insert(row)}`)

/** Writes a row over one of the same key. */
export const upsert = (table: string, key: Row, row: Row) =>
  Effect.flatMap(Transaction.sql, (sql) => {
    const set = Object.keys(row).map((column) => sql`${sql(column)} = EXCLUDED.${sql(column)}`)
    const then = set.length === 0 ? sql`NOTHING` : sql`UPDATE SET ${sql.csv(set)}`
    const keys = sql.csv(Object.keys(key).map((column) => sql`${sql(column)}`))
    return sql`INSERT INTO ${sql(table)} ${sql.insert({ ...key, ...row })} ON CONFLICT (${keys}) DO ${then}`
  })

export const update = (table: string, key: Row, set: Row) =>
  Effect.flatMap(
    Transaction.sql,
    (sql) => sql`UPDATE ${sql(table)} SET ${sql.update(set)} WHERE ${sql.and(equal(sql, key))}`
  )

export const remove = (table: string, key: Row) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`DELETE FROM ${sql(table)} WHERE ${sql.and(equal(sql, key))}`)

/** Deletes the rows of a key whose column is below a bound, or up to it. */
export const removeRange = (table: string, key: Row, column: string, operator: "<" | "<=", bound: Value) =>
  Effect.flatMap(
    Transaction.sql,
    (sql) =>
      sql`DELETE FROM ${sql(table)} WHERE ${sql.and([...equal(sql, key), sql`${sql(column)} ${sql.literal(operator)} ${bound}`])}`
  )

/** Reads a row and takes it, or does not. */
export const read = (table: string, key: Row, lock: "" | "FOR UPDATE" = "") =>
  Effect.flatMap(
    Transaction.sql,
    (sql) => sql`SELECT * FROM ${sql(table)} WHERE ${sql.and(equal(sql, key))} ${sql.literal(lock)}`
  )

const equal = (sql: Effect.Success<typeof Transaction.sql>, key: Row) =>
  Object.entries(key).map(([column, value]) => sql`${sql(column)} = ${value}`)
