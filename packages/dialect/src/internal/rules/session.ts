/**
 * What DSQL refuses of sessions and of the server: settings, messages between sessions, maintenance.
 */
import type { Definition } from "./definition.ts"
import { define, found, foundIf, inferred, measured, page, recorded, statement } from "./definition.ts"

const noMessages = "Poll a table, or use a message service."

/** Settings that a cluster was seen to refuse. Others are passed: planner switches and search_path can be set. */
const refused: ReadonlySet<string> = new Set([
  "default_statistics_target",
  "default_transaction_read_only",
  "statement_timeout",
  "work_mem"
])

export const session: ReadonlyArray<Definition> = [
  statement("TruncateStmt", {
    id: "truncate",
    construct: "TRUNCATE",
    hint: "DELETE in batches of at most 3,000 rows, or drop and create the table.",
    ...recorded
  }),
  define({
    id: "vacuum",
    construct: "VACUUM",
    message: "unsupported VACUUM statement",
    hint: "Leave it out: there is nothing to vacuum; ANALYZE is accepted.",
    ...recorded,
    when: { VacuumStmt: ({ is_vacuumcmd }) => foundIf(is_vacuumcmd) }
  }),
  statement("ClusterStmt", {
    id: "cluster",
    construct: "CLUSTER",
    hint: "Leave it out: a table is stored by its primary key.",
    ...inferred(page.subset)
  }),
  statement("ReindexStmt", {
    id: "reindex",
    construct: "REINDEX",
    hint: "Drop the index and CREATE INDEX ASYNC again.",
    ...inferred(page.subset)
  }),
  statement("CheckPointStmt", {
    id: "checkpoint",
    construct: "CHECKPOINT",
    hint: "Leave it out: the service runs the server.",
    ...inferred(page.subset)
  }),
  statement("LoadStmt", {
    id: "load",
    construct: "LOAD",
    hint: "Leave it out: the service runs the server.",
    ...inferred(page.subset)
  }),
  define({
    id: "show-lc-collate",
    construct: "SHOW lc_collate",
    sqlstate: "42704",
    message: 'unrecognized configuration parameter "lc_collate"',
    hint: "The collation is always C.",
    ...recorded,
    when: { VariableShowStmt: ({ name }) => foundIf(name === "lc_collate") }
  }),
  statement("ListenStmt", { id: "listen", construct: "LISTEN", hint: noMessages, ...recorded }),
  statement("NotifyStmt", { id: "notify", construct: "NOTIFY", hint: noMessages, ...recorded }),
  statement("UnlistenStmt", { id: "unlisten", construct: "UNLISTEN", hint: noMessages, ...recorded }),
  statement("AlterSystemStmt", {
    id: "alter-system",
    construct: "ALTER SYSTEM",
    hint: "Leave it out: the service runs the server.",
    ...recorded
  }),
  define({
    id: "set-parameter",
    construct: "SET statement_timeout, work_mem, default_statistics_target, default_transaction_read_only",
    message: 'setting configuration parameter "{name}" not supported',
    hint: "Leave it out; a time limit belongs into the client, read-only into BEGIN READ ONLY.",
    ...measured,
    when: {
      VariableSetStmt: ({ kind, name }) =>
        kind === "VAR_SET_VALUE" && name !== undefined && refused.has(name) ? found(undefined, { name }) : []
    }
  }),
  statement("DiscardStmt", {
    id: "discard",
    construct: "DISCARD",
    hint: "Open a new connection.",
    ...inferred(page.subset)
  }),
  statement("PrepareStmt", {
    id: "prepare",
    construct: "PREPARE as an SQL statement",
    hint: "Let the driver prepare it: the extended protocol does.",
    ...inferred(page.subset)
  }),
  statement("DeclareCursorStmt", {
    id: "cursor",
    construct: "DECLARE CURSOR",
    hint: "Read by key ranges: WHERE id > $1 ORDER BY id LIMIT n.",
    ...inferred(page.subset)
  })
]
