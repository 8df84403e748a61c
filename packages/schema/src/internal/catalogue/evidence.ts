/**
 * Whether the catalogue shows that a statement has run.
 */
import type { Relation, Snapshot } from "./catalogue.ts"
import { ObjectDiffers } from "../../MigrationError.ts"
import type { SqlStatement } from "../../SqlStatement.ts"
import type { Name, Target } from "../../SqlStatement.ts"
import { display } from "../sql/target.ts"

/** Whether what a statement would bring about is there. `Other` shows nothing by itself. */
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
    case "Other":
      return false
  }
}

/**
 * How what is there under the name of a statement's object differs from it, as far as a name, its columns and its
 * table tell; undefined where it does not.
 */
export const difference = ({ location, target }: SqlStatement, { find }: Snapshot): ObjectDiffers | undefined => {
  if (target._tag !== "CreateTable" && target._tag !== "CreateIndex" && target._tag !== "CreateRelation") {
    return undefined
  }
  const found = find(target.name)
  const differs = found === undefined ? undefined : how(target, found)
  return differs === undefined
    ? undefined
    : new ObjectDiffers({ object: `${differs.kind} ${display(target.name)}`, location, problem: differs.problem })
}

type Creation = Extract<Target, { readonly name: Name; readonly _tag: `Create${string}` }>

const how = (target: Creation, found: Relation): { readonly kind: string; readonly problem: string } | undefined => {
  const expected = target._tag === "CreateTable" ? "table" : target._tag === "CreateIndex" ? "index" : target.kind
  if (found.kind !== expected) return { kind: "a relation", problem: `it is a ${found.kind}` }
  switch (target._tag) {
    case "CreateTable": {
      const missing = target.columns.filter((column) => !found.columns.includes(column))
      return missing.length === 0
        ? undefined
        : { kind: "a table", problem: `it lacks the columns ${missing.join(", ")}` }
    }
    case "CreateIndex":
      if (found.index !== undefined && found.index.table !== target.table.name) {
        return { kind: "an index", problem: `it is on table ${found.index.table}` }
      }
      return found.index?.unique === target.unique
        ? undefined
        : { kind: "an index", problem: `it is ${target.unique ? "not " : ""}unique` }
    case "CreateRelation":
      return undefined
  }
}
