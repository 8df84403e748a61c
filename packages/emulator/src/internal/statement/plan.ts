/**
 * What the emulator has to do for a statement, as far as its parse tree tells.
 */
import { ParseTree, Quote, Statement } from "@effect-dsql/dialect"
import * as Reach from "./reach.ts"
import * as Refusal from "./refusal.ts"
import { qualified, type Table } from "./tables.ts"
import { ownSettings, settings } from "./version.ts"

/** What a statement that PostgreSQL runs as it stands does to rows. */
export type Effects = "read" | "lock" | "write" | "set"

/** What COPY takes: so many columns if it names them, in text or binary. */
export interface Taken {
  readonly columns: number | undefined
  readonly isBinary: boolean
}

/** A statement that PostgreSQL runs as it stands. */
export interface Plain {
  readonly _tag: "Plain"
  readonly effects: Effects
  /** Rows that it can change at most, as far as the text tells. */
  readonly bound: number
  /** Columns of the one table that it changes which the condition sets equal to a value. */
  readonly fixed: ReadonlyArray<Reach.Fixed>
  /** Has a locking clause. */
  readonly locks: boolean
  /** What it locks, if that is plain to see. */
  readonly locked: Reach.Locked | undefined
  /** What its locking clauses may lock, wherever they stand, if each speaks of one table alone. */
  readonly lockable: ReadonlyArray<Reach.Lockable> | undefined
  /** How it comes to the tables that it names, if that is plain to see. */
  readonly accesses: ReadonlyArray<Reach.Access> | undefined
  /** Changes rows of more than one table in one statement. */
  readonly compound: boolean
  /** Runs a body of which only PostgreSQL knows what it does. */
  readonly opaque: boolean
  /** Inserts into one table what is not there, and leaves alone what is. */
  readonly skips: boolean
  /** Makes values that are longer than what the client sent. */
  readonly inflates: boolean
  /** Takes rows from the client: COPY FROM STDIN. */
  readonly takes: Taken | undefined
  /** Waits for a job. */
  readonly waits: boolean
  /** What cannot run in a transaction of others. */
  readonly lonely: string | undefined
}

/** A statement that defines something: the job that it submits, and the columns and constraints that it drops. */
export interface Ddl {
  readonly _tag: "Ddl"
  readonly async: Async | undefined
  readonly drops: ReadonlyArray<string>
  readonly unties: ReadonlyArray<string>
  /** The roles that it drops. */
  readonly removes: ReadonlyArray<string>
  /** What PostgreSQL runs in its place. */
  readonly instead: string | undefined
  /** What its end is called where PostgreSQL would call it otherwise. */
  readonly tag: string | undefined
}

/** What the emulator does with a statement. */
export type Plan =
  | { readonly _tag: "Begin"; readonly readOnly: boolean }
  | { readonly _tag: "Commit" }
  | { readonly _tag: "Rollback" }
  | { readonly _tag: "Refused"; readonly refusal: Refusal.Refusal }
  | { readonly _tag: "Control"; readonly request: string }
  | { readonly _tag: "Constant"; readonly column: string; readonly value: string; readonly tag: string }
  | { readonly _tag: "Nothing"; readonly tag: string }
  | Ddl
  | Plain

/** A job to submit once the statement has run. */
export type Async =
  | { readonly _tag: "Index"; readonly table: string; readonly unique: boolean }
  | { readonly _tag: "Validation"; readonly table: string; readonly constraint: string }

/** Functions whose result is longer than their arguments. */
const inflating: ReadonlySet<string> = new Set([
  "repeat",
  "lpad",
  "rpad",
  "string_agg",
  "array_agg",
  "json_agg",
  "jsonb_agg"
])

const transaction = ({ kind, options }: ParseTree.Fields<"TransactionStmt">): Plan | undefined => {
  switch (kind) {
    case "TRANS_STMT_BEGIN":
    case "TRANS_STMT_START": {
      const readOnly = ParseTree.option(options, "transaction_read_only")?.arg
      return { _tag: "Begin", readOnly: ParseTree.as(readOnly, "A_Const")?.ival?.ival === 1 }
    }
    case "TRANS_STMT_COMMIT":
      return { _tag: "Commit" }
    case "TRANS_STMT_ROLLBACK":
      return { _tag: "Rollback" }
    default:
      return undefined
  }
}

const waiting: Plain = {
  _tag: "Plain",
  effects: "read",
  bound: 0,
  fixed: [],
  locks: false,
  locked: undefined,
  lockable: undefined,
  accesses: undefined,
  compound: false,
  opaque: false,
  skips: false,
  inflates: false,
  takes: undefined,
  waits: true,
  lonely: "sys.wait_for_job"
}

const call = ({ funccall }: ParseTree.Fields<"CallStmt">): Plan | undefined => {
  const name = ParseTree.names(funccall?.funcname).join(".")
  if (name === "sys.wait_for_job") return waiting
  return name === "emulator.control"
    ? { _tag: "Control", request: ParseTree.text(funccall?.args?.[0]) ?? "" }
    : undefined
}

const shown: ReadonlyMap<string, string> = new Map([...Object.entries(settings), ...Object.entries(ownSettings)])

const show = ({ name }: ParseTree.Fields<"VariableShowStmt">): Plan | undefined => {
  const column = name?.toLowerCase()
  const value = shown.get(column ?? "")
  return column === undefined || value === undefined ? undefined : { _tag: "Constant", column, value, tag: "SHOW" }
}

/** Settings that PostgreSQL does not have, or does not reset. */
const set = ({ kind, name = "" }: ParseTree.Fields<"VariableSetStmt">): Plan | undefined => {
  if (kind === "VAR_RESET" && name === "transaction_isolation") return { _tag: "Nothing", tag: "RESET" }
  if (!Object.hasOwn(ownSettings, name)) return undefined
  return { _tag: "Nothing", tag: kind === "VAR_RESET" ? "RESET" : "SET" }
}

const asyncOf = ({ async, node }: Statement.Statement, target: Table | undefined): Async | undefined => {
  if (!async || target === undefined) return undefined
  const table = qualified(target)
  const index = ParseTree.as(node, "IndexStmt")
  if (index !== undefined) return { _tag: "Index", table, unique: index.unique === true }
  const [command] = commandsOf(node)
  return { _tag: "Validation", table, constraint: command?.name ?? "" }
}

const commandsOf = (node: ParseTree.Node) => ParseTree.all(ParseTree.as(node, "AlterTableStmt")?.cmds, "AlterTableCmd")

const ddl = (statement: Statement.Statement, tables: ReadonlyArray<Table>): Ddl => {
  const mapping = Statement.iamMapping(statement)
  return {
    _tag: "Ddl",
    async: asyncOf(statement, tables[0]),
    drops: namedBy(statement.node, "AT_DropColumn"),
    unties: namedBy(statement.node, "AT_DropConstraint"),
    removes: rolesDropped(statement.node),
    instead: mapping === undefined ? withoutTriggers(statement.node, tables[0]) : mapped(mapping),
    tag: mapping === undefined ? undefined : `${mapping.action.toUpperCase()} ROLE`
  }
}

const rolesDropped = (node: ParseTree.Node): ReadonlyArray<string> =>
  ParseTree.all(ParseTree.as(node, "DropRoleStmt")?.roles, "RoleSpec").flatMap(({ rolename }) => rolename ?? [])

const mapped = ({ action, arn, role }: Statement.IamMapping): string =>
  `SELECT pg_catalog.dsql_emulator_${action}_iam(${Quote.literal(role)}, ${Quote.literal(arn)})`

const namedBy = (node: ParseTree.Node, kind: string): ReadonlyArray<string> =>
  commandsOf(node).flatMap(({ name, subtype }) => (subtype === kind ? (name ?? []) : []))

/** ENABLE and DISABLE TRIGGER ALL: PostgreSQL would ask for the triggers of foreign keys, which only a superuser may turn. */
const withoutTriggers = (node: ParseTree.Node, table: Table | undefined): string | undefined => {
  const commands = commandsOf(node)
  const isOfAll = commands.every(({ subtype }) => subtype === "AT_EnableTrigAll" || subtype === "AT_DisableTrigAll")
  return commands.length > 0 && isOfAll && table !== undefined
    ? `ALTER TABLE ${qualified(table)} ENABLE TRIGGER USER`
    : undefined
}

const effectsOf = (statement: Statement.Statement, writes: boolean, locks: boolean, sets: boolean): Effects => {
  if (writes) return "write"
  if (sets) return "set"
  if (statement.kind === "session") return "VariableShowStmt" in statement.node ? "read" : "set"
  return locks ? "lock" : "read"
}

/** Rows that a single write can change at most: as many as its VALUES are. */
const boundOf = (node: ParseTree.Node): number => {
  const insert = ParseTree.as(node, "InsertStmt")
  const values = ParseTree.as(insert?.selectStmt, "SelectStmt")?.valuesLists
  return values === undefined || insert?.onConflictClause !== undefined ? Infinity : values.length
}

const takenBy = (node: ParseTree.Node): Taken | undefined => {
  const copy = ParseTree.as(node, "CopyStmt")
  if (copy?.is_from !== true) return undefined
  const format = ParseTree.name(ParseTree.option(copy.options, "format")?.arg)
  return { columns: copy.attlist?.length, isBinary: format === "binary" }
}

/** Whether COPY TO takes the rows of a write. */
const copiesOut = (node: ParseTree.Node, writes: number): boolean => "CopyStmt" in node && writes > 0

const isSkipping = (node: ParseTree.Node): boolean => {
  const insert = ParseTree.as(node, "InsertStmt")
  return insert?.withClause === undefined && insert?.onConflictClause?.action === "ONCONFLICT_NOTHING"
}

const plain = (statement: Statement.Statement): Plain => {
  let writes = 0
  let locks = false
  let inflates = false
  let sets = false
  const write = () => void writes++
  ParseTree.walk(statement.node, {
    InsertStmt: write,
    UpdateStmt: write,
    DeleteStmt: write,
    LockingClause: () => {
      locks = true
    },
    FuncCall: ({ funcname }) => {
      const name = ParseTree.names(funcname).at(-1) ?? ""
      inflates ||= inflating.has(name)
      sets ||= name === "set_config"
    }
  })
  const effects = effectsOf(statement, Statement.writes(statement) || copiesOut(statement.node, writes), locks, sets)
  const single = effects === "write" && writes === 1
  return {
    _tag: "Plain",
    effects,
    bound: effects !== "write" ? 0 : single ? boundOf(statement.node) : Infinity,
    fixed: single ? Reach.fixed(statement) : [],
    locks,
    locked: effects === "lock" ? Reach.locked(statement) : undefined,
    lockable: locks ? Reach.lockable(statement) : undefined,
    accesses: Reach.accesses(statement),
    compound: writes > 1,
    skips: single && isSkipping(statement.node),
    opaque: "DoStmt" in statement.node || "CallStmt" in statement.node,
    inflates,
    takes: takenBy(statement.node),
    waits: false,
    lonely: "VacuumStmt" in statement.node ? "ANALYZE" : undefined
  }
}

/** What the emulator has special words for. */
const special = (node: ParseTree.Node): Plan | undefined => {
  const statement = ParseTree.tagged(node)
  switch (statement.tag) {
    case "TransactionStmt":
      return transaction(statement.node)
    case "CallStmt":
      return call(statement.node)
    case "VariableSetStmt":
      return set(statement.node)
    case "VariableShowStmt":
      return show(statement.node)
    default:
      return undefined
  }
}

/** Makes a plan for a statement that names these tables. */
export const of = (statement: Statement.Statement, tables: ReadonlyArray<Table>): Plan => {
  const refusal = Refusal.of(statement)
  if (refusal !== undefined) return { _tag: "Refused", refusal }
  return special(statement.node) ?? (statement.kind === "ddl" ? ddl(statement, tables) : plain(statement))
}
