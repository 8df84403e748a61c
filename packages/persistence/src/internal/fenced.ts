/**
 * One statement that writes only while its guards hold.
 *
 * A guard is a row that is read with a lock, so that it is in the conflict set, and a condition on it. All guards are
 * judged in one snapshot; the writes take their rows from `held`, which is empty unless every guard holds; and the
 * answer says which one did not, with the row that it found. So a write of many rows below several fences is one
 * round trip, and all of it commits or none.
 *
 *     WITH shard AS MATERIALIZED (SELECT range_id FROM shards WHERE shard_id = $1::integer FOR KEY SHARE),
 *     judged AS MATERIALIZED (SELECT EXISTS (SELECT 1 FROM shard WHERE range_id = $2::bigint) AS shard_holds),
 *     held AS MATERIALIZED (SELECT 1 FROM judged WHERE shard_holds),
 *     write_1 AS (INSERT INTO transfer_tasks SELECT ... FROM held, unnest(...) ...)
 *     SELECT judged.*, shard.range_id AS shard_range_id FROM judged LEFT JOIN shard ON NOT EXISTS (SELECT 1 FROM held)
 *
 * PostgreSQL evaluates a CTE that reads only if somebody reads it, hence `judged` reads every guard. Every part of the
 * statement sees the snapshot from before it, and may change a row that no other part changes.
 *
 * The text depends on the shape of what is written, never on how much: it is prepared once.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Parameters } from "./parameters.ts"

/** A row of the answer, column by column. */
export type Found = Readonly<Record<string, unknown>>

/** What must hold for a statement to write. */
export interface Guard<E> {
  /** Names the guard in the statement; conditions and writes may read it by this name. */
  readonly name: string
  /** Reads the guard's row and locks it. */
  readonly select: string
  /** The columns of `select`, the first of which is never null. */
  readonly columns: ReadonlyArray<string>
  /** What must hold, in SQL. */
  readonly holds: string
  /** Says why not, given the row that was found, if there is one. */
  readonly refuse: (found: Found | undefined) => Effect.Effect<never, E>
}

/** Reads columns of the row with a key and locks it; undefined leaves it unlocked. */
export const select = (
  table: string,
  key: Readonly<Record<string, string>>,
  columns: ReadonlyArray<string>,
  lock: "FOR KEY SHARE" | "FOR UPDATE"
): string => `SELECT ${columns.join(", ")} FROM ${table} WHERE ${matches(table, key)} ${lock}`

/** The condition that a table's row has the key. */
export const matches = (table: string, key: Readonly<Record<string, string>>): string =>
  Object.entries(key)
    .map(([column, value]) => `${table}.${column} = ${value}`)
    .join(" AND ")

/** Inserts one row; `resolve` is an ON CONFLICT clause. */
export const insert = (table: string, row: Readonly<Record<string, string>>, resolve = ""): string =>
  `INSERT INTO ${table} (${Object.keys(row).join(", ")}) SELECT ${Object.values(row).join(", ")} FROM held ${resolve}`

/** Sets columns of the row with a key, which must still have its token. */
export const update = (
  table: string,
  key: Readonly<Record<string, string>>,
  set: Readonly<Record<string, string>>,
  token: string
): string => {
  const values = Object.entries(set).map(([column, value]) => `${column} = ${value}`)
  return `UPDATE ${table} SET ${values.join(", ")} FROM held WHERE ${matches(table, key)} AND ${token}`
}

/** A statement as it is collected. */
export interface Statement<E> {
  readonly parameters: Parameters
  /** In the order in which they are reported. */
  readonly guards: ReadonlyArray<Guard<E>>
  readonly writes: ReadonlyArray<string>
  /** What the answer tells beside, by name, in SQL over the snapshot from before the writes. */
  readonly tells?: Readonly<Record<string, string>>
}

/** Sends the statement and gives what it tells. Nothing was written if it fails. */
export const write = <E>(sql: SqlClient, statement: Statement<E>): Effect.Effect<Found, E | SqlError> =>
  Effect.flatMap(sql.unsafe<Found>(text(statement), statement.parameters.values), ([answer = {}]) => {
    const failed = statement.guards.find((guard) => answer[`${guard.name}_holds`] !== true)
    if (failed === undefined) return Effect.succeed(answer)
    const row = Object.fromEntries(failed.columns.map((column) => [column, answer[`${failed.name}_${column}`]]))
    const [first = ""] = failed.columns
    return failed.refuse(row[first] === null ? undefined : row)
  })

const text = ({ guards, tells = {}, writes }: Statement<unknown>): string => {
  const parts = [
    ...guards.map(({ name, select }) => `${name} AS MATERIALIZED (${select})`),
    `judged AS MATERIALIZED (SELECT ${guards.map(({ holds, name }) => `(${holds}) AS ${name}_holds`).join(", ")})`,
    `held AS MATERIALIZED (SELECT 1 FROM judged WHERE ${guards.map(({ name }) => `${name}_holds`).join(" AND ")})`,
    ...writes.map((write, index) => `write_${index + 1} AS (${write})`)
  ]
  const answers = [
    "judged.*",
    ...Object.entries(tells).map(([name, value]) => `${value} AS ${name}`),
    ...guards.flatMap(({ columns, name }) => columns.map((column) => `${name}.${column} AS ${name}_${column}`))
  ]
  const joins = guards.map(({ name }) => `LEFT JOIN ${name} ON NOT EXISTS (SELECT 1 FROM held)`)
  return `WITH ${parts.join(",\n")}\nSELECT ${answers.join(", ")} FROM judged ${joins.join(" ")}`
}
