/**
 * What the emulator has to do for a statement, read once from its parse tree.
 */
import { Statement } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import { version } from "../database/install.ts"
import * as Reach from "./reach.ts"
import * as Refusal from "./refusal.ts"
import { field, isTree, list, string, type Tree, visit } from "./tree.ts"

/** A table as the statement names it. */
export interface Table {
  readonly schema: string | undefined
  readonly name: string
  /** Where the name begins in the statement's text, its schema included. */
  readonly at: number
}

/** What a statement that PostgreSQL runs as it stands does to rows. */
export type Effects = "read" | "lock" | "write" | "set"

/** What the emulator does with a statement. */
export type Plan =
  | { readonly _tag: "Begin"; readonly readOnly: boolean }
  | { readonly _tag: "Commit" }
  | { readonly _tag: "Rollback" }
  | { readonly _tag: "Refused"; readonly refusal: Refusal.Refusal }
  | { readonly _tag: "Ddl"; readonly async: Async | undefined; readonly drops: ReadonlyArray<string> }
  | { readonly _tag: "Control"; readonly request: string }
  | { readonly _tag: "Constant"; readonly column: string; readonly value: string; readonly tag: string }
  | {
      readonly _tag: "Plain"
      readonly effects: Effects
      /** Rows that it can change at most, as far as the text tells. */
      readonly bound: number
      /** Columns of the one table that it changes which the condition sets equal to a value. */
      readonly fixed: ReadonlyArray<string>
      /** Has a locking clause. */
      readonly locks: boolean
      /** What it locks, if that is plain to see. */
      readonly locked: Reach.Locked | undefined
      /** Changes rows of more than one table in one statement. */
      readonly compound: boolean
      /** Makes values that are longer than what the client sent. */
      readonly inflates: boolean
      /** A job to wait for first. */
      readonly job: string | undefined
    }

/** A job to submit once the statement has run. */
export type Async =
  | { readonly _tag: "Index"; readonly table: string; readonly unique: boolean }
  | { readonly _tag: "Validation"; readonly table: string; readonly constraint: string }

/** A table that a statement changes, and how. */
export interface Target {
  readonly table: string
  readonly change: "insert" | "update" | "delete"
  /** The columns that an update sets. */
  readonly columns: ReadonlyArray<string>
}

/** A statement with its plan. */
export interface Prepared {
  /** As the client wrote it. */
  readonly text: string
  /** As PostgreSQL takes it. */
  readonly sql: string
  readonly plan: Plan
  readonly tables: ReadonlyArray<Table>
  readonly targets: ReadonlyArray<Target>
}

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** The name of a table as SQL. */
export const qualified = (table: Pick<Table, "schema" | "name">): string =>
  table.schema === undefined ? quote(table.name) : `${quote(table.schema)}.${quote(table.name)}`

// Functions whose result is longer than their arguments.
const inflating: ReadonlySet<string> = new Set([
  "repeat",
  "lpad",
  "rpad",
  "string_agg",
  "array_agg",
  "json_agg",
  "jsonb_agg"
])

const functionName = (call: unknown): string | undefined =>
  string(field(list(field(call, "funcname")).at(-1), "String", "sval"))

const option = (options: unknown, name: string): unknown =>
  list(options)
    .map((item) => field(item, "DefElem"))
    .find((item) => field(item, "defname") === name)

const transaction = (node: Tree): Plan | undefined => {
  switch (node["kind"]) {
    case "TRANS_STMT_BEGIN":
    case "TRANS_STMT_START":
      return {
        _tag: "Begin",
        readOnly: field(option(node["options"], "transaction_read_only"), "arg", "A_Const", "ival", "ival") === 1
      }
    case "TRANS_STMT_COMMIT":
      return node["chain"] === true ? undefined : { _tag: "Commit" }
    case "TRANS_STMT_ROLLBACK":
      return node["chain"] === true ? undefined : { _tag: "Rollback" }
    default:
      return undefined
  }
}

const call = (node: Tree): Plan | undefined => {
  const names = list(field(node, "funccall", "funcname")).map((item) => field(item, "String", "sval"))
  const argument = string(field(node, "funccall", "args", 0, "A_Const", "sval", "sval"))
  if (names[0] === "sys" && names[1] === "wait_for_job") {
    return {
      _tag: "Plain",
      effects: "read",
      bound: 0,
      fixed: [],
      locks: false,
      locked: undefined,
      compound: false,
      inflates: false,
      job: argument
    }
  }
  if (names[0] === "emulator" && names[1] === "control") return { _tag: "Control", request: argument ?? "" }
  return undefined
}

const ddl = (statement: Statement.Statement, tables: ReadonlyArray<Table>): Plan => {
  const [target] = tables
  const index = field(statement.node, "IndexStmt")
  const drops = list(field(statement.node, "AlterTableStmt", "cmds"))
    .map((command) => field(command, "AlterTableCmd"))
    .filter((command) => field(command, "subtype") === "AT_DropColumn")
    .flatMap((command) => string(field(command, "name")) ?? [])
  if (!statement.async || target === undefined) return { _tag: "Ddl", async: undefined, drops }
  const table = qualified(target)
  return {
    _tag: "Ddl",
    drops,
    async: isTree(index)
      ? { _tag: "Index", table, unique: index["unique"] === true }
      : {
          _tag: "Validation",
          table,
          constraint: string(field(statement.node, "AlterTableStmt", "cmds", 0, "AlterTableCmd", "name")) ?? ""
        }
  }
}

const plain = (statement: Statement.Statement): Plan => {
  let writes = 0
  let locks = false
  let inflates = false
  visit(statement.node, (node, name) => {
    if (name === "InsertStmt" || name === "UpdateStmt" || name === "DeleteStmt") writes++
    else if (name === "LockingClause") locks = true
    else if (name === "FuncCall" && inflating.has(functionName(node) ?? "")) inflates = true
  })
  const values = field(statement.node, "InsertStmt", "selectStmt", "SelectStmt", "valuesLists")
  const conflict = field(statement.node, "InsertStmt", "onConflictClause")
  const effects: Effects = Statement.writes(statement)
    ? "write"
    : statement.kind === "session"
      ? "set"
      : locks
        ? "lock"
        : "read"
  return {
    _tag: "Plain",
    effects: "VariableShowStmt" in statement.node ? "read" : effects,
    bound:
      effects !== "write"
        ? 0
        : writes === 1 && Array.isArray(values) && conflict === undefined
          ? values.length
          : Infinity,
    fixed: effects === "write" && writes === 1 ? Reach.fixed(statement) : [],
    locks,
    locked: locks && effects === "lock" ? Reach.locked(statement) : undefined,
    compound: writes > 1,
    inflates,
    job: undefined
  }
}

const plan = (statement: Statement.Statement, tables: ReadonlyArray<Table>): Plan => {
  const { node } = statement
  const refusal = Refusal.of(statement)
  if (refusal !== undefined) return { _tag: "Refused", refusal }
  const special = "TransactionStmt" in node ? transaction(Object(node.TransactionStmt)) : undefined
  if (special !== undefined) return special
  const called = "CallStmt" in node ? call(Object(node.CallStmt)) : undefined
  if (called !== undefined) return called
  if ("VariableShowStmt" in node) {
    const name = string(field(node, "VariableShowStmt", "name"))?.toLowerCase()
    if (name === "server_version" || name === "server_version_num") {
      const value = name === "server_version" ? version.server : version.number
      return { _tag: "Constant", column: name, value, tag: "SHOW" }
    }
  }
  return statement.kind === "ddl" ? ddl(statement, tables) : plain(statement)
}

const tablesOf = (statement: Statement.Statement): ReadonlyArray<Table> => {
  const tables: Array<Table> = []
  visit(statement.node, (node) => {
    const name = string(node["relname"])
    if (name === undefined || node["relpersistence"] === undefined) return
    const location = typeof node["location"] === "number" ? node["location"] : 0
    const at = Statement.at(statement, location).offset - statement.offset
    tables.push({ schema: string(node["schemaname"]), name, at })
  })
  return tables.toSorted((a, b) => a.at - b.at)
}

const changes: Readonly<Record<string, Target["change"]>> = {
  InsertStmt: "insert",
  UpdateStmt: "update",
  DeleteStmt: "delete"
}

const targetsOf = (statement: Statement.Statement): ReadonlyArray<Target> => {
  if (!Statement.writes(statement)) return []
  const targets: Array<Target> = []
  visit(statement.node, (node, name) => {
    const change = changes[name]
    const table = string(field(node, "relation", "relname"))
    if (change === undefined || table === undefined) return
    const set = change === "insert" ? field(node, "onConflictClause", "targetList") : node["targetList"]
    const columns = list(set).flatMap((item) => string(field(item, "ResTarget", "name")) ?? [])
    targets.push({ table, change, columns })
  })
  return targets
}

const prepareOne = (statement: Statement.Statement): Prepared => {
  const tables = tablesOf(statement)
  return {
    text: statement.text,
    sql: statement.postgres,
    plan: plan(statement, tables),
    tables,
    targets: targetsOf(statement)
  }
}

/** Remembers what was parsed lately; parsing costs more than running a short statement. */
export const make = (capacity = 2_000) => {
  const known = new Map<string, ReadonlyArray<Prepared>>()
  return (sql: string): Effect.Effect<ReadonlyArray<Prepared>, Statement.SyntaxError> => {
    const found = known.get(sql)
    if (found !== undefined) return Effect.succeed(found)
    return Effect.map(Statement.parse(sql), (statements) => {
      const prepared = statements.map(prepareOne)
      if (sql.length < 100_000) {
        if (known.size >= capacity) known.clear()
        known.set(sql, prepared)
      }
      return prepared
    })
  }
}

/** The statement with the schemas of its tables blanked, so that `pg_temp` is looked at first. */
export const unqualified = (prepared: Prepared): string => {
  let text = prepared.sql
  for (const table of prepared.tables) {
    if (table.schema === undefined) continue
    const dot = text.indexOf(
      ".",
      table.at + (text[table.at] === '"' ? quote(table.schema).length : table.schema.length)
    )
    text = `${text.slice(0, table.at)}${" ".repeat(dot + 1 - table.at)}${text.slice(dot + 1)}`
  }
  return text
}
