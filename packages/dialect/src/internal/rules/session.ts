/**
 * What DSQL refuses of sessions and of the server: settings, messages between sessions, maintenance.
 */
import * as Settings from "../settings.ts"
import type { Definition } from "./definition.ts"
import { define, documented, foundIf, inferred, linted, measured, page, recorded, statement } from "./definition.ts"

const noMessages = "Poll a table, or use a message service."

const isOwn = (name: string): boolean => name.toLowerCase().startsWith("dsql.")

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
    construct: "SET of anything but search_path, application_name, time zone, formats and planner switches; SET ROLE",
    message: 'setting configuration parameter "{name}" not supported',
    hint: "Leave it out; a time limit belongs into the client, read-only into BEGIN READ ONLY.",
    ...documented("accessing"),
    when: {
      VariableSetStmt: ({ kind, name = "" }) =>
        foundIf(
          (kind === "VAR_SET_VALUE" || kind === "VAR_SET_CURRENT") && !isOwn(name) && !Settings.isSettable(name),
          undefined,
          { name: name.toLowerCase() }
        )
    }
  }),
  define({
    id: "set-reserved",
    construct: "SET dsql.… of a name that the service does not have",
    sqlstate: "42602",
    message: 'invalid configuration parameter name "{name}"',
    hint: "dsql.enable_batched_nestloop is the only one.",
    ...measured,
    when: {
      VariableSetStmt: ({ name = "" }) =>
        foundIf(isOwn(name) && !Settings.isSettable(name), undefined, { name: name.toLowerCase() })
    }
  }),
  define({
    id: "deallocate",
    construct: "DEALLOCATE of one statement",
    message: "unsupported statement: Deallocate",
    hint: "DEALLOCATE ALL, or let the driver close it.",
    ...linted,
    when: { DeallocateStmt: ({ name }) => foundIf(name !== undefined) }
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
