/**
 * The SQL files of a schema: their statements, where each stands, and what each
 * leaves behind in the catalogue.
 *
 * @since 0.1.0
 */
import * as Linter from "@effect-dsql/dialect/Linter"
import * as Statement from "@effect-dsql/dialect/Statement"
import * as Effect from "effect/Effect"
import { InvalidStatement, SourceUnreadable } from "./SchemaError.ts"

/**
 * The name of a relation. Without a schema it is looked for, and created, in the current one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Name {
  readonly schema: string | undefined
  readonly name: string
}

/**
 * What a statement leaves behind: how a catalogue shows that it has run. `Other`
 * leaves nothing that can be recognised, so it runs whenever it is reached.
 *
 * @since 0.1.0
 * @category models
 */
export type Target =
  | { readonly _tag: "CreateTable"; readonly name: Name; readonly columns: ReadonlyArray<string> }
  | { readonly _tag: "CreateIndex"; readonly name: Name; readonly table: Name; readonly unique: boolean }
  | { readonly _tag: "CreateRelation"; readonly name: Name; readonly kind: "view" | "sequence" }
  | { readonly _tag: "AddColumn"; readonly table: Name; readonly column: string }
  | { readonly _tag: "DropColumn"; readonly table: Name; readonly column: string }
  | { readonly _tag: "RenameColumn"; readonly table: Name; readonly column: string; readonly to: string }
  | { readonly _tag: "Drop"; readonly name: Name; readonly kind: "table" | "index" | "view" | "sequence" }
  | { readonly _tag: "Other" }

/**
 * A statement of a schema file.
 *
 * @since 0.1.0
 * @category models
 */
export interface SqlStatement {
  /** As written, for Aurora DSQL. */
  readonly text: string
  /** The same for plain PostgreSQL, which has no ASYNC. */
  readonly postgres: string
  /** Whether DSQL answers with the id of a job that does the work. */
  readonly async: boolean
  /** The file and line, for people: `versioned/v1.0/schema.sql:12`. */
  readonly location: string
  /** What it does, in a few words: `CREATE TABLE shards`. */
  readonly summary: string
  readonly target: Target
}

/**
 * A name as one writes it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const display = (name: Name): string => (name.schema === undefined ? name.name : `${name.schema}.${name.name}`)

/**
 * Reads the statements of a file. What Aurora DSQL would refuse is refused, with
 * the linter's rule and advice, and so is what a schema may not hold: statements
 * that begin or end a transaction, change the session, or only read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (
  bytes: Uint8Array,
  path: string
): Effect.Effect<ReadonlyArray<SqlStatement>, SourceUnreadable | InvalidStatement> =>
  Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => new SourceUnreadable({ path, problem: "it is not UTF-8 text: save it as UTF-8" })
    })
    const statements = yield* Effect.mapError(
      Statement.parse(text),
      ({ column, line, message }) => new InvalidStatement({ path, line, column, problem: message })
    )
    for (const statement of statements) {
      const problem = refusal(statement)
      if (problem !== undefined) {
        return yield* new InvalidStatement({ path, line: statement.line, column: statement.column, problem })
      }
    }
    const findings = yield* Linter.lint(text, { file: path })
    const error = findings.find(({ severity }) => severity === "error")
    if (error !== undefined) {
      const { column, hint, line, message, rule } = error
      return yield* new InvalidStatement({ path, line, column, problem: `${message} (${rule}): ${hint}` })
    }
    return statements.map((statement): SqlStatement => {
      const target = targetOf(statement.node)
      return {
        text: statement.text,
        postgres: statement.postgres,
        async: statement.async,
        location: `${path}:${statement.line}`,
        summary: summaryOf(statement.text, target),
        target
      }
    })
  })

/**
 * Asks less of tables that are there: not the columns that a later statement drops or renames. A run that was
 * stopped after it had done so would otherwise take its own table for somebody else's.
 *
 * @since 0.1.0
 * @category conversions
 */
export const withoutRemoved = (
  statements: ReadonlyArray<SqlStatement>,
  /** The statements of the versions after these. */
  after: ReadonlyArray<SqlStatement>
): ReadonlyArray<SqlStatement> =>
  statements.map((statement, i) => {
    const { target } = statement
    if (target._tag !== "CreateTable") return statement
    const removed = [...statements.slice(i + 1), ...after].flatMap(({ target: later }) =>
      (later._tag === "DropColumn" || later._tag === "RenameColumn") && display(later.table) === display(target.name)
        ? [later.column]
        : []
    )
    if (removed.length === 0) return statement
    return {
      ...statement,
      target: { ...target, columns: target.columns.filter((column) => !removed.includes(column)) }
    }
  })

const refusal = (statement: Statement.Statement): string | undefined => {
  switch (statement.kind) {
    case "transaction":
      return "a schema file cannot begin or end a transaction, each statement has one of its own: remove it"
    case "session":
      return "a schema file cannot change the session, its statements may run on several connections: remove it"
    case "query":
      return "a schema file cannot hold a statement that only reads: remove it"
    default:
      return "IndexStmt" in statement.node && statement.node.IndexStmt.idxname === undefined
        ? "the index has no name, so a second run would create another one: give it a name"
        : undefined
  }
}

type Tree = Statement.Statement["node"]

type Relation = { readonly schemaname?: string; readonly relname?: string }

const nameOf = (relation: Relation | undefined): Name => ({
  schema: relation?.schemaname,
  name: relation?.relname ?? ""
})

const other: Target = { _tag: "Other" }

const targetOf = (node: Tree): Target => {
  if ("CreateStmt" in node) {
    const { relation, tableElts } = node.CreateStmt
    const columns = (tableElts ?? []).flatMap((element) =>
      "ColumnDef" in element ? (element.ColumnDef.colname ?? []) : []
    )
    return { _tag: "CreateTable", name: nameOf(relation), columns }
  }
  if ("IndexStmt" in node) {
    const { idxname, relation, unique } = node.IndexStmt
    const table = nameOf(relation)
    return { _tag: "CreateIndex", name: { ...table, name: idxname ?? "" }, table, unique: unique === true }
  }
  if ("ViewStmt" in node) {
    // CREATE OR REPLACE changes a view that is there, so it is never done already.
    const { replace, view } = node.ViewStmt
    return replace === true ? other : { _tag: "CreateRelation", name: nameOf(view), kind: "view" }
  }
  if ("CreateSeqStmt" in node) {
    return { _tag: "CreateRelation", name: nameOf(node.CreateSeqStmt.sequence), kind: "sequence" }
  }
  if ("AlterTableStmt" in node) return alteration(node.AlterTableStmt)
  if ("RenameStmt" in node) {
    const { newname, relation, renameType, subname } = node.RenameStmt
    return renameType === "OBJECT_COLUMN" && subname !== undefined && newname !== undefined
      ? { _tag: "RenameColumn", table: nameOf(relation), column: subname, to: newname }
      : other
  }
  return "DropStmt" in node ? drop(node.DropStmt) : other
}

type Fields<T extends string> =
  Extract<Tree, { readonly [K in T]: unknown }> extends { readonly [K in T]: infer F } ? F : never

const alteration = ({ cmds, relation }: Fields<"AlterTableStmt">): Target => {
  const [only, ...more] = cmds ?? []
  if (only === undefined || more.length > 0 || !("AlterTableCmd" in only)) return other
  const { def, name, subtype } = only.AlterTableCmd
  const table = nameOf(relation)
  if (subtype === "AT_AddColumn" && def !== undefined && "ColumnDef" in def && def.ColumnDef.colname !== undefined) {
    return { _tag: "AddColumn", table, column: def.ColumnDef.colname }
  }
  return subtype === "AT_DropColumn" && name !== undefined ? { _tag: "DropColumn", table, column: name } : other
}

const dropped = {
  OBJECT_TABLE: "table",
  OBJECT_INDEX: "index",
  OBJECT_VIEW: "view",
  OBJECT_SEQUENCE: "sequence"
} as const

const isDropped = (kind: string | undefined): kind is keyof typeof dropped => kind !== undefined && kind in dropped

const drop = ({ objects, removeType }: Fields<"DropStmt">): Target => {
  const [only, ...more] = objects ?? []
  if (only === undefined || more.length > 0 || !("List" in only) || !isDropped(removeType)) return other
  const names = (only.List.items ?? []).flatMap((item) => ("String" in item ? (item.String.sval ?? []) : []))
  const name = names.at(-1)
  return name === undefined ? other : { _tag: "Drop", name: { schema: names.at(-2), name }, kind: dropped[removeType] }
}

// Long enough to tell statements apart, short enough for a line.
const summaryLength = 60

const summaryOf = (text: string, target: Target): string => {
  switch (target._tag) {
    case "CreateTable":
      return `CREATE TABLE ${display(target.name)}`
    case "CreateIndex":
      return `CREATE ${target.unique ? "UNIQUE " : ""}INDEX ${display(target.name)}`
    case "AddColumn":
      return `ALTER TABLE ${display(target.table)} ADD COLUMN ${target.column}`
    case "DropColumn":
      return `ALTER TABLE ${display(target.table)} DROP COLUMN ${target.column}`
    default: {
      const line = text.replaceAll(/\s+/g, " ")
      return line.length > summaryLength ? `${line.slice(0, summaryLength - 1)}…` : line
    }
  }
}
