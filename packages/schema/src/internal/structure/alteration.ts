/**
 * What ALTER, RENAME and DROP change of it.
 */
import { all, as, type Fields, type Node, option } from "@effect-dsql/dialect/ParseTree"
import * as Quote from "@effect-dsql/dialect/Quote"
import { change, columnType, defaultOf, identified, identity } from "./column.ts"
import { constrain } from "./constraint.ts"
import { column } from "./creation.ts"
import type { KeyOf, Structure, Table } from "./model.ts"
import * as Sequence from "./sequence.ts"
import * as View from "./view.ts"

export const alter = (structure: Structure, { cmds, relation }: Fields<"AlterTableStmt">, keyOf: KeyOf): void => {
  const key = keyOf(relation)
  const table = structure.tables.get(key)
  if (table === undefined) return alterView(structure, cmds, key)
  for (const node of cmds ?? []) {
    if (!("AlterTableCmd" in node)) continue
    const { def, missing_ok, name = "", subtype } = node.AlterTableCmd
    switch (subtype) {
      case "AT_AddColumn":
        if (def === undefined || !("ColumnDef" in def)) break
        if (missing_ok === true && table.columns.has(def.ColumnDef.colname ?? "")) break
        column(structure, table, key, def.ColumnDef, keyOf)
        break
      case "AT_DropColumn":
        dropColumn(structure, table, key, name)
        break
      case "AT_AddConstraint":
        if (def !== undefined && "Constraint" in def) {
          constrain(structure, table, key, def.Constraint, undefined, keyOf)
        }
        break
      case "AT_DropConstraint":
        table.constraints.delete(name)
        break
      case "AT_ValidateConstraint": {
        const found = table.constraints.get(name)
        if (found !== undefined) table.constraints.set(name, found.replace(/ NOT VALID$/, ""))
        break
      }
      case "AT_ColumnDefault":
        change(table, name, { default: defaultOf(def) })
        break
      case "AT_SetNotNull":
        change(table, name, { nullable: false })
        break
      case "AT_DropNotNull":
        change(table, name, { nullable: true })
        break
      case "AT_DropExpression":
      case "AT_DropIdentity":
        change(table, name, { default: undefined })
        break
      case "AT_AddIdentity":
        if (def !== undefined && "Constraint" in def) change(table, name, identified(table, name, def.Constraint))
        break
      case "AT_SetIdentity":
        if (def !== undefined && "List" in def) reidentify(table, name, def.List.items)
        break
      case "AT_AlterColumnType":
        if (def !== undefined && "ColumnDef" in def) change(table, name, { type: columnType(def.ColumnDef) })
    }
  }
}

const alterView = (structure: Structure, cmds: ReadonlyArray<Node> | undefined, key: string): void => {
  for (const { def, subtype } of all(cmds, "AlterTableCmd")) {
    const view = structure.relations.get(key)
    if (view?.kind !== "view") return
    const options = as(def, "List")?.items
    if (subtype === "AT_SetRelOptions") structure.relations.set(key, View.set(view, options))
    if (subtype === "AT_ResetRelOptions") structure.relations.set(key, View.reset(view, options))
  }
}

/** Another rule for an identity column, or other options of its sequence. */
const reidentify = (table: Table, name: string, options: ReadonlyArray<Node> | undefined): void => {
  const { default: before, sequence } = table.columns.get(name) ?? {}
  if (sequence === undefined) return
  const given = as(option(options, "generated")?.arg, "Integer")?.ival
  // The parser gives the letter that the catalogue has for it.
  const always = given === undefined ? before?.startsWith("GENERATED ALWAYS") : String.fromCharCode(given) === "a"
  change(table, name, identity(always === true ? "a" : "d", Sequence.read(options, sequence)))
}

/** What a column takes with it: the constraints and indexes that it is in. */
const dropColumn = (structure: Structure, table: Table, key: string, name: string): void => {
  table.columns.delete(name)
  View.columnDropped(structure, key, name)
  for (const [constraint, text] of table.constraints) {
    if (text.includes(Quote.identifier(name))) table.constraints.delete(constraint)
  }
  for (const [index, { definition, table: of }] of structure.indexes) {
    if (of === key && definition.includes(Quote.identifier(name))) structure.indexes.delete(index)
  }
}

export const rename = (
  structure: Structure,
  { newname = "", relation, renameType, subname = "" }: Fields<"RenameStmt">,
  keyOf: KeyOf
): void => {
  const key = keyOf(relation)
  const table = structure.tables.get(key)
  switch (renameType) {
    case "OBJECT_TABLE":
    case "OBJECT_INDEX":
    case "OBJECT_VIEW":
    case "OBJECT_SEQUENCE":
      return move(structure, key, keyOf({ ...relation, relname: newname }))
    case "OBJECT_TABCONSTRAINT": {
      const found = table?.constraints.get(subname)
      if (table === undefined || found === undefined) return
      table.constraints.delete(subname)
      table.constraints.set(newname, found)
      return
    }
    case "OBJECT_COLUMN": {
      if (structure.relations.has(key)) View.viewChanged(structure, key)
      const found = table?.columns.get(subname)
      if (table === undefined || found === undefined) return
      View.columnRenamed(structure, key, subname, newname)
      const renamed = (text: string) => text.replaceAll(Quote.identifier(subname), Quote.identifier(newname))
      table.columns.delete(subname)
      table.columns.set(newname, found)
      for (const [name, text] of table.constraints) table.constraints.set(name, renamed(text))
      for (const [name, index] of structure.indexes) {
        if (index.table !== key) continue
        const swapped = (column: string) => (column === subname ? newname : column)
        structure.indexes.set(name, {
          ...index,
          definition: renamed(index.definition),
          form: renamed(index.form),
          expressions: index.expressions.map(renamed),
          columns: index.columns.map(swapped),
          including: index.including.map(swapped)
        })
      }
    }
  }
}

export const move = (structure: Structure, from: string, to: string): void => {
  const table = structure.tables.get(from)
  const index = structure.indexes.get(from)
  const relation = structure.relations.get(from)
  if (relation !== undefined) View.viewChanged(structure, from)
  drop(structure, from, to)
  View.tableRenamed(structure, from, to)
  if (table !== undefined) structure.tables.set(to, table)
  if (index !== undefined) structure.indexes.set(to, index)
  if (relation !== undefined) structure.relations.set(to, relation)
}

/** Takes something away; its indexes go with a table, or to where it moves. */
export const drop = (structure: Structure, key: string, to?: string): void => {
  if (structure.tables.delete(key)) {
    structure.gone.add(key)
    for (const [name, index] of structure.indexes) {
      if (index.table !== key) continue
      if (to === undefined) structure.indexes.delete(name)
      else structure.indexes.set(name, { ...index, table: to })
    }
  }
  structure.indexes.delete(key)
  structure.relations.delete(key)
}
