/**
 * What the statements of a schema make of an object, one after the other: so that what is there under its name can be
 * told from what the schema means.
 */
import { all, as } from "@effect-dsql/dialect/ParseTree"
import type { Statement } from "@effect-dsql/dialect/Statement"
import type { Difference } from "../../Difference.ts"
import type { Name, Target } from "../../SqlStatement.ts"
import { readable } from "./canonical.ts"
import { compare } from "./compare.ts"
import type { Structure, Table } from "./model.ts"
import type { Same } from "./sameness.ts"
import * as Structures from "./structure.ts"

/** What is there. */
export interface There {
  /** The schema in which names without one are looked for. */
  readonly schema: string
  readonly structure: Structure
  /** The keys of indexes that are not valid. */
  readonly invalid: ReadonlySet<string>
}

/**
 * How what is there differs from what a statement leaves, and from what each later one does for as long as its object
 * lives: they may have run before. The first is the statement's own. Nothing is said of a statement that leaves nothing.
 */
export const differences = (
  statements: ReadonlyArray<Statement>,
  at: number,
  target: Target,
  { invalid, schema, structure: actual }: There,
  same: Same
): ReadonlyArray<ReadonlyArray<Difference>> => {
  const made = madeBy(target, schema)
  if (made === undefined) return []
  const expected = Structures.of(statements.slice(0, at), schema)
  if ("table" in target) {
    const table = Structures.key(target.table.schema ?? schema, target.table.name, schema)
    const there = actual.tables.get(table)
    if (there !== undefined && !expected.tables.has(table)) expected.tables.set(table, without(made, there))
  }
  const found: Array<ReadonlyArray<Difference>> = []
  const needed = namedIn(statements.slice(at + 1))
  for (const statement of statements.slice(at)) {
    Structures.add(expected, statement, schema)
    if (!lives(made, expected)) break
    found.push([
      ...compare(expected, actual, invalid, same).filter(concerns(made, expected, actual)),
      ...unnamed(made, expected, actual, needed)
    ])
  }
  return found
}

/** The constraints that statements speak of by name. */
const namedIn = (statements: ReadonlyArray<Statement>): ReadonlySet<string> =>
  new Set(
    statements.flatMap(({ node }) => {
      if ("RenameStmt" in node && node.RenameStmt.renameType === "OBJECT_TABCONSTRAINT") {
        return node.RenameStmt.subname ?? []
      }
      return all(as(node, "AlterTableStmt")?.cmds, "AlterTableCmd").flatMap(({ name, subtype }) =>
        subtype === "AT_DropConstraint" || subtype === "AT_ValidateConstraint" ? (name ?? []) : []
      )
    })
  )

/** Constraints of a table that are there under other names than those that statements after it speak of. */
const unnamed = (
  made: Made,
  expected: Structure,
  actual: Structure,
  needed: ReadonlySet<string>
): ReadonlyArray<Difference> => {
  const there = made._tag === "Relation" ? actual.tables.get(made.key) : undefined
  if (made._tag !== "Relation" || there === undefined) return []
  return [...(expected.tables.get(made.key)?.constraints ?? [])].flatMap(([name, text]) =>
    needed.has(name) && !there.constraints.has(name)
      ? [{ _tag: "MissingConstraint", table: made.key, expected: `CONSTRAINT ${name} ${readable(text)}` }]
      : []
  )
}

/** A table that this schema does not make is taken as it is, but for what the statement adds to it. */
const without = (made: Made, { columns, constraints }: Table): Table => {
  const rest = { columns: new Map(columns), constraints: new Map(constraints) }
  if (made._tag === "Column") rest.columns.delete(made.name)
  if (made._tag === "Constraint") rest.constraints.delete(made.name)
  return rest
}

/** What a statement leaves, by its keys. */
type Made =
  | { readonly _tag: "Relation"; readonly key: string }
  | { readonly _tag: "Column"; readonly table: string; readonly name: string }
  | { readonly _tag: "Constraint"; readonly table: string; readonly name: string }

const madeBy = (target: Target, schema: string): Made | undefined => {
  const keyOf = (name: Name) => Structures.key(name.schema ?? schema, name.name, schema)
  switch (target._tag) {
    case "CreateTable":
    case "CreateIndex":
    case "CreateRelation":
      return { _tag: "Relation", key: keyOf(target.name) }
    case "RenameRelation":
      return { _tag: "Relation", key: keyOf(target.to) }
    case "AddColumn":
      return { _tag: "Column", table: keyOf(target.table), name: target.column }
    case "RenameColumn":
      return { _tag: "Column", table: keyOf(target.table), name: target.to }
    case "AddConstraint":
    case "ValidateConstraint":
      return { _tag: "Constraint", table: keyOf(target.table), name: target.constraint }
    default:
      return undefined
  }
}

const lives = (made: Made, { indexes, relations, tables }: Structure): boolean => {
  switch (made._tag) {
    case "Relation":
      return tables.has(made.key) || indexes.has(made.key) || relations.has(made.key)
    case "Column":
      return tables.get(made.table)?.columns.has(made.name) === true
    case "Constraint":
      return tables.get(made.table)?.constraints.has(made.name) === true
  }
}

/** Whether a difference is of what a statement made. How an index is, is for the one that builds it, not for its table. */
const concerns = (made: Made, expected: Structure, actual: Structure) => {
  switch (made._tag) {
    case "Relation":
      return (difference: Difference): boolean => {
        if (difference._tag === "IndexInvalid") return false
        if ("name" in difference) return difference.name === made.key
        if (!("index" in difference) || difference._tag === "UnexpectedIndex") return difference.table === made.key
        return difference.index === made.key
      }
    case "Column":
      return (difference: Difference): boolean =>
        "column" in difference && difference.table === made.table && difference.column === made.name
    case "Constraint": {
      const textIn = ({ tables }: Structure) => readable(tables.get(made.table)?.constraints.get(made.name) ?? "")
      const [wanted, there] = [textIn(expected), textIn(actual)]
      return (difference: Difference): boolean =>
        (difference._tag === "MissingConstraint" && difference.expected === wanted) ||
        (difference._tag === "UnexpectedConstraint" && difference.actual === there)
    }
  }
}
