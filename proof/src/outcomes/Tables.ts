/**
 * The rows of all stores, to be compared and to be taken away.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect } from "effect"

/** All tables but those of the migrator. */
const names = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const rows = yield* sql<{ readonly name: string }>`
    SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_name NOT LIKE 'schema\\_%' ORDER BY table_name`
  return rows.map(({ name }) => name)
})

/** What is of the moment at which it was written, and would differ from one write to the next. */
const moments: Readonly<Record<string, ReadonlyArray<string>>> = {
  cluster_membership: ["last_heartbeat", "record_expiry"],
  history_tree: ["data"]
}

/** Reads and empties the tables. */
export const make = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const tables = yield* names
  const selects = tables.map((name) => {
    const less = (moments[name] ?? []).map((column) => ` - '${column}'`).join("")
    return `SELECT '${name} ' || (to_jsonb(t)${less})::text AS row FROM ${name} AS t`
  })
  const all = `${selects.join(" UNION ALL ")} ORDER BY 1`
  const clearing = (names: Iterable<string>) => {
    const deletes = [...names].map((name, index) => `d${index} AS (DELETE FROM ${name})`)
    const reset = "UPDATE namespace_metadata SET notification_version = 1"
    return deletes.length === 0 ? reset : `WITH ${deletes.join(", ")} ${reset}`
  }
  const emptied = tables.filter((name) => name !== "namespace_metadata")
  /** Those that held rows when they were last read, unless they have been cleared since. */
  let filled: ReadonlyArray<string> | undefined
  return {
    /** Every row, as text. Whoever writes afterwards reads them once more before they are cleared. */
    rows: Effect.map(sql.unsafe<{ readonly row: string }>(all), (rows) => {
      filled = emptied.filter((name) => rows.some(({ row }) => row.startsWith(`${name} `)))
      return rows.map(({ row }) => row).join("\n")
    }),
    /** As after the migration. */
    clear: Effect.suspend(() => {
      const statement = clearing(filled ?? emptied)
      filled = undefined
      return Effect.asVoid(sql.unsafe(statement))
    })
  }
})
