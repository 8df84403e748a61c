/**
 * What DSQL refuses inside of queries: locks, samples, functions.
 */
import type { FuncCall, Node } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"
import * as Settings from "../settings.ts"
import type { Definition } from "./definition.ts"
import { define, found, foundIf, inferred, measured, page, recorded, reported, statement } from "./definition.ts"

const builtin = ({ funcname }: FuncCall): string => {
  const path = ParseTree.names(funcname)
  return path.length === 1 || path[0] === "pg_catalog" ? (path.at(-1) ?? "") : ""
}

const advisory = (name: string): boolean => name.startsWith("pg_advisory_") || name.startsWith("pg_try_advisory_")

const textSearch: ReadonlySet<string> = new Set([
  "phraseto_tsquery",
  "plainto_tsquery",
  "setweight",
  "to_tsquery",
  "to_tsvector",
  "ts_headline",
  "ts_rank",
  "websearch_to_tsquery"
])

// Named by its first argument where there are two; the default is english.
const configuration = ({ args }: FuncCall): string =>
  ((args ?? []).length > 1 ? ParseTree.as(args?.[0], "A_Const")?.sval?.sval : undefined) ?? "english"

/** Functions over geometric types, and the type that the answer names. */
const geometry: Readonly<Record<string, string>> = {
  box: "box",
  center: "point",
  circle: "circle",
  line: "line",
  lseg: "lseg",
  path: "path",
  polygon: "polygon",
  radius: "circle"
}

const namesTable = (node: Node): boolean => {
  let found = false
  ParseTree.walk(node, {
    RangeVar: () => {
      found = true
    }
  })
  return found
}

export const queries: ReadonlyArray<Definition> = [
  define({
    id: "text-search",
    construct: "to_tsvector, to_tsquery and the like with another configuration than simple",
    sqlstate: "42704",
    message: 'text search configuration "{configuration}" does not exist',
    hint: "The configuration simple is the only one: to_tsvector('simple', ...); or use LIKE on an indexed prefix.",
    ...recorded,
    when: {
      FuncCall: (call) => {
        const name = configuration(call)
        return foundIf(textSearch.has(builtin(call)) && name !== "simple", call.location, { configuration: name })
      }
    }
  }),
  define({
    id: "geometric-function",
    construct: "line, circle, polygon, box, path, lseg, center, radius",
    message: "datatype {type} not supported",
    hint: "Store coordinates as numbers and compute in the application.",
    ...recorded,
    when: {
      FuncCall: (call) => {
        const name = builtin(call)
        const type = Object.hasOwn(geometry, name) ? geometry[name] : undefined
        return type === undefined ? [] : found(call.location, { type })
      }
    }
  }),
  define({
    id: "advisory-lock",
    construct: "pg_advisory_lock, pg_try_advisory_lock and the like",
    message: "function {name} not supported",
    hint: "Keep a lease in a row: owner, expiry and a token that every write checks.",
    ...reported("https://github.com/pressly/goose/pull/971"),
    when: { FuncCall: (call) => (advisory(builtin(call)) ? found(call.location, { name: builtin(call) }) : []) }
  }),
  define({
    id: "notify-function",
    construct: "pg_notify",
    message: "function pg_notify not supported",
    hint: "Poll a table, or use a message service.",
    ...inferred(page.subset),
    when: { FuncCall: (call) => foundIf(builtin(call) === "pg_notify", call.location) }
  }),
  define({
    id: "set-config",
    construct: "set_config of a setting that SET refuses, and of search_path",
    message: 'setting configuration parameter "{name}" not supported',
    hint: "Leave it out; SET search_path is accepted.",
    ...measured,
    when: {
      FuncCall: (call) => {
        const name = builtin(call) === "set_config" ? ParseTree.text(call.args?.[0])?.toLowerCase() : undefined
        return foundIf(name !== undefined && (name === "search_path" || !Settings.isSettable(name)), call.location, {
          name: name ?? ""
        })
      }
    }
  }),
  define({
    id: "locking-clause",
    construct: "FOR SHARE, FOR NO KEY UPDATE of a table",
    message: "locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported",
    hint: "FOR KEY SHARE against deletion of the row, FOR UPDATE against any change of it.",
    ...recorded,
    since: "2026-08-25",
    when: {
      // A clause that comes to no table locks nothing, and is accepted.
      SelectStmt: ({ fromClause, lockingClause }) =>
        foundIf(
          ParseTree.all(lockingClause, "LockingClause").some(
            ({ strength }) => strength === "LCS_FORSHARE" || strength === "LCS_FORNOKEYUPDATE"
          ) && (fromClause ?? []).some(namesTable)
        )
    }
  }),
  define({
    id: "key-share",
    construct: "FOR KEY SHARE, FOR SHARE, FOR NO KEY UPDATE",
    message: "locking clauses other than FOR UPDATE are not supported",
    hint: "FOR UPDATE on this service date.",
    ...inferred(page.concurrency),
    until: "2026-08-25",
    when: {
      LockingClause: ({ strength }) => foundIf(strength !== "LCS_FORUPDATE" && strength !== "LCS_NONE")
    }
  }),
  define({
    id: "tablesample",
    construct: "TABLESAMPLE",
    message: "TABLESAMPLE clause not supported",
    hint: "WHERE random() < 0.01.",
    ...recorded,
    when: { RangeTableSample: ({ location }) => found(location) }
  }),
  define({
    id: "merge",
    construct: "MERGE",
    message: "unsupported statement type: MERGE",
    hint: "INSERT ... ON CONFLICT DO UPDATE, or UPDATE and INSERT in one transaction.",
    ...recorded,
    when: { MergeStmt: ({ relation }) => found(relation?.location) }
  }),
  statement("LockStmt", {
    id: "lock-table",
    construct: "LOCK TABLE",
    hint: "Lock rows with FOR UPDATE; a conflict shows at COMMIT and is retried.",
    ...inferred(page.subset)
  }),
  define({
    id: "copy-file",
    construct: "COPY from or to a file or program of the server",
    message: "COPY with a file is not supported",
    hint: "COPY ... FROM STDIN: the client reads the file.",
    ...inferred(page.subset),
    when: { CopyStmt: ({ filename, is_program }) => foundIf(filename !== undefined || is_program) }
  })
]
