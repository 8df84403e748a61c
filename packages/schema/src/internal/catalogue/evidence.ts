/**
 * Whether the catalogue shows, by names, that a statement has run.
 */
import type { Relation, Snapshot } from "./catalogue.ts"
import type { Target } from "../../SqlStatement.ts"

/** Whether something is there under the name of what a statement would bring about. Without a name, nothing shows. */
export const shows = (target: Target, { find }: Snapshot): boolean => {
  switch (target._tag) {
    case "CreateTable":
    case "CreateIndex":
    case "CreateRelation":
      return find(target.name) !== undefined
    case "AddColumn":
      return find(target.table)?.columns.includes(target.column) === true
    case "DropColumn":
      return find(target.table)?.columns.includes(target.column) === false
    case "RenameColumn": {
      const columns = find(target.table)?.columns ?? []
      return columns.includes(target.to) && !columns.includes(target.column)
    }
    case "AddConstraint":
      return find(target.table)?.constraints.has(target.constraint) === true
    case "DropConstraint":
      return find(target.table)?.constraints.has(target.constraint) === false
    case "ValidateConstraint":
      return find(target.table)?.constraints.get(target.constraint) === true
    case "RenameRelation":
      return find(target.to) !== undefined && find(target.name) === undefined
    case "Drop":
      return find(target.name) === undefined
    case "Repeatable":
    case "Other":
      return false
  }
}

/** What is there under the name of a statement's object where it is something else altogether: a view for a table. */
export const otherKind = (target: Target, { find }: Snapshot): Relation["kind"] | undefined => {
  if (target._tag !== "CreateTable" && target._tag !== "CreateIndex" && target._tag !== "CreateRelation") {
    return undefined
  }
  const expected = target._tag === "CreateTable" ? "table" : target._tag === "CreateIndex" ? "index" : target.kind
  const found = find(target.name)?.kind
  return found === expected ? undefined : found
}
