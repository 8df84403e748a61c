/**
 * The rows of all tables, column by column, and how two lots of them differ.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect } from "effect"
import * as Messages from "./Messages.ts"

export type Row = Readonly<Record<string, unknown>>

export type Tables = ReadonlyMap<string, ReadonlyArray<Row>>

/** What only one of the two systems defines: a clock's time, or a number that each gives out in its own way. */
const undefinedColumns: Readonly<Record<string, ReadonlyArray<string>>> = {
  buffered_events: ["id"],
  cluster_membership: ["last_heartbeat", "record_expiry"]
}

/** Messages that hold such things inside: when a branch was made, and its token, which says what the branch says. */
const messages: Readonly<Record<string, (row: Row) => Row>> = {
  history_tree: (row) => {
    const {
      branchToken: _,
      forkTime: __,
      ...info
    } = Messages.decode("TreeInfo", Buffer.from(String(row["data"]), "hex"))
    return { ...row, data: info }
  }
}

const names = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const rows = yield* sql<{ readonly name: string }>`
    SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_name NOT LIKE 'schema\\_%' ORDER BY table_name`
  return rows.map(({ name }) => name)
})

/** Bytes as hexadecimal digits, times and numbers as the database writes them. */
export const read: Effect.Effect<Tables, unknown, DsqlClient.DsqlClient> = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const all = yield* names
  const rows = yield* sql.unsafe<{ readonly name: string; readonly row: string }>(
    all.map((name) => `SELECT '${name}' AS name, to_jsonb(t)::text AS row FROM ${name} AS t`).join(" UNION ALL ")
  )
  const found = Map.groupBy(rows, ({ name }) => name)
  return new Map(
    all.map((name) => {
      const kept = (found.get(name) ?? []).map(({ row }) => defined(name, row))
      return [name, kept.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))] as const
    })
  )
})

/** What both systems define of a row. */
const defined = (name: string, row: string): Row => {
  const columns: Row = JSON.parse(row, (_, value) => (typeof value === "string" ? value.replace(/^\\x/, "") : value))
  const left = Object.entries(columns).filter(([column]) => undefinedColumns[name]?.includes(column) !== true)
  return (messages[name] ?? ((row: Row) => row))(Object.fromEntries(left))
}

/** Empties all tables but for what a migration puts there. */
export const clear = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  for (const name of yield* names) {
    if (name !== "namespace_metadata") yield* sql.unsafe(`DELETE FROM ${name}`)
  }
  yield* sql`UPDATE namespace_metadata SET notification_version = 1`
})

/** Each column that is not the same, and each row that is on one side only. */
export const differences = (one: Tables, other: Tables): ReadonlyArray<string> =>
  [...one].flatMap(([name, rows]) => {
    const others = other.get(name) ?? []
    if (rows.length !== others.length)
      return [`${name}: ${rows.length} rows through the stores, ${others.length} as plain SQL`]
    return rows.flatMap((row, index) =>
      Object.entries(row).flatMap(([column, value]) => {
        const [mine, its] = [value, others[index]?.[column]].map((each) => JSON.stringify(each))
        return mine === its ? [] : [`${name}.${column}: ${mine} through the stores, ${its} as plain SQL`]
      })
    )
  })
