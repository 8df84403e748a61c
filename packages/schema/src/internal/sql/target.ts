/**
 * Reads what a statement leaves behind in the catalogue from its parse tree.
 */
import { type Fields, names as namesIn, type Node } from "@effect-dsql/dialect/ParseTree"
import * as Statement from "@effect-dsql/dialect/Statement"
import type { Name, Target } from "../../SqlStatement.ts"
import * as Unnamed from "./unnamed.ts"

/** A name as one writes it. */
export const display = (name: Name): string => (name.schema === undefined ? name.name : `${name.schema}.${name.name}`)

/** The relations that a target is about: those to look up in the catalogue. */
export const names = (target: Target): ReadonlyArray<Name> => {
  switch (target._tag) {
    case "CreateTable":
    case "CreateIndex":
    case "CreateRelation":
    case "Drop":
      return [target.name]
    case "RenameRelation":
      return [target.name, target.to]
    case "Repeatable":
    case "Other":
      return []
    default:
      return [target.table]
  }
}

/** Those to read to tell whether what is there is what a target leaves: an index is compared at its table. */
export const compared = (target: Target): ReadonlyArray<Name> => {
  switch (target._tag) {
    case "CreateIndex":
      return [target.name, target.table]
    case "Drop":
    case "DropColumn":
    case "DropConstraint":
      return []
    default:
      return names(target)
  }
}

/** Reads a parsed statement. */
export const of = (node: Node): Target => named(node) ?? Unnamed.of(node)

/** By the name of what it leaves; undefined where that has none in the catalogue of relations. */
const named = (node: Node): Target | undefined => {
  if ("CreateStmt" in node) return { _tag: "CreateTable", name: nameOf(node.CreateStmt.relation) }
  if ("IndexStmt" in node) {
    const { idxname, relation, unique } = node.IndexStmt
    const table = nameOf(relation)
    return { _tag: "CreateIndex", name: { ...table, name: idxname ?? "" }, table, unique: unique === true }
  }
  if ("ViewStmt" in node) {
    // CREATE OR REPLACE changes a view that is there, so its being there says nothing.
    const { replace, view } = node.ViewStmt
    return replace === true ? undefined : { _tag: "CreateRelation", name: nameOf(view), kind: "view" }
  }
  if ("CreateSeqStmt" in node) {
    return { _tag: "CreateRelation", name: nameOf(node.CreateSeqStmt.sequence), kind: "sequence" }
  }
  if ("AlterTableStmt" in node) return alteration(node.AlterTableStmt)
  if ("RenameStmt" in node) return renaming(node.RenameStmt)
  if ("DropStmt" in node) return drop(node.DropStmt)
  return undefined
}

type Relation = { readonly schemaname?: string; readonly relname?: string }

const nameOf = (relation: Relation | undefined): Name => ({
  schema: relation?.schemaname,
  name: relation?.relname ?? ""
})

const alteration = ({ cmds, relation }: Fields<"AlterTableStmt">): Target | undefined => {
  const [only, ...more] = cmds ?? []
  if (only === undefined || more.length > 0 || !("AlterTableCmd" in only)) return undefined
  const { def, name, subtype } = only.AlterTableCmd
  const table = nameOf(relation)
  switch (subtype) {
    case "AT_AddColumn": {
      const column = def !== undefined && "ColumnDef" in def ? def.ColumnDef.colname : undefined
      return column === undefined ? undefined : { _tag: "AddColumn", table, column }
    }
    case "AT_AddConstraint": {
      const constraint = def !== undefined && "Constraint" in def ? def.Constraint.conname : undefined
      return constraint === undefined ? undefined : { _tag: "AddConstraint", table, constraint }
    }
    case "AT_DropColumn":
      return name === undefined ? undefined : { _tag: "DropColumn", table, column: name }
    case "AT_DropConstraint":
      return name === undefined ? undefined : { _tag: "DropConstraint", table, constraint: name }
    case "AT_ValidateConstraint":
      return name === undefined ? undefined : { _tag: "ValidateConstraint", table, constraint: name }
    default:
      return undefined
  }
}

const relations: ReadonlySet<string | undefined> = new Set([
  "OBJECT_TABLE",
  "OBJECT_INDEX",
  "OBJECT_VIEW",
  "OBJECT_SEQUENCE"
])

const renaming = ({ newname, relation, renameType, subname }: Fields<"RenameStmt">): Target | undefined => {
  if (newname === undefined) return undefined
  const name = nameOf(relation)
  if (renameType === "OBJECT_COLUMN" && subname !== undefined) {
    return { _tag: "RenameColumn", table: name, column: subname, to: newname }
  }
  return relations.has(renameType) ? { _tag: "RenameRelation", name, to: { ...name, name: newname } } : undefined
}

const dropped = {
  OBJECT_TABLE: "table",
  OBJECT_INDEX: "index",
  OBJECT_VIEW: "view",
  OBJECT_SEQUENCE: "sequence"
} as const

const isDropped = (kind: string | undefined): kind is keyof typeof dropped => kind !== undefined && kind in dropped

const drop = ({ objects, removeType }: Fields<"DropStmt">): Target | undefined => {
  const [only, ...more] = objects ?? []
  if (only === undefined || more.length > 0 || !("List" in only) || !isDropped(removeType)) return undefined
  const parts = namesIn(only.List.items)
  const name = parts.at(-1)
  return name === undefined
    ? undefined
    : { _tag: "Drop", name: { schema: parts.at(-2), name }, kind: dropped[removeType] }
}

// Long enough to tell statements apart, short enough for a line.
const summaryLength = 60

/** What a statement does, in a few words: `CREATE TABLE shards`. No text that it holds is among them. */
export const summary = (statement: Statement.Statement, target: Target): string => {
  const { node } = statement
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
      if ("InsertStmt" in node) return `INSERT INTO ${display(nameOf(node.InsertStmt.relation))}`
      if ("UpdateStmt" in node) return `UPDATE ${display(nameOf(node.UpdateStmt.relation))}`
      if ("DeleteStmt" in node) return `DELETE FROM ${display(nameOf(node.DeleteStmt.relation))}`
      const line = Statement.withoutTexts(statement).replaceAll(/\s+/g, " ")
      return line.length > summaryLength ? `${line.slice(0, summaryLength - 1)}…` : line
    }
  }
}
