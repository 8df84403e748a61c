/**
 * What a column is: its type, and what fills it.
 */
import { type Fields, names, type Node } from "@effect-dsql/dialect/ParseTree"
import * as Quote from "@effect-dsql/dialect/Quote"
import { expression, type } from "./canonical.ts"
import type { Column, Table } from "./model.ts"
import * as Sequence from "./sequence.ts"

/** A column's type, with its collation where that is not the type's own. */
export const columnType = ({ collClause, typeName }: Fields<"ColumnDef">): string => {
  const collation = names(collClause?.collname).filter((part) => part !== "pg_catalog")
  const isOwn = collation.length === 0 || (collation.length === 1 && collation[0] === "default")
  const given = type(typeName)
  // What a numeric without digits is on DSQL, as its catalogue may say.
  const own = given === "numeric" ? "numeric(18, 6)" : given
  return `${own}${isOwn ? "" : ` COLLATE ${collation.map(Quote.identifier).join(".")}`}`
}

export const defaultOf = (node: Node | undefined): string | undefined => {
  const value = node !== undefined && "TypeCast" in node ? node.TypeCast.arg : node
  // NULL of any type is none.
  if (value !== undefined && "A_Const" in value && value.A_Const.isnull === true) return undefined
  return node === undefined ? undefined : expression(node)
}

/** How an identity column is filled: by which rule, and with what. */
export const identity = (when: string | undefined, sequence: Sequence.Options): Partial<Column> => ({
  default: `GENERATED ${when === "a" ? "ALWAYS" : "BY DEFAULT"} AS IDENTITY (${Sequence.text(sequence)})`,
  sequence
})

/** The same for a column that becomes one. */
export const identified = (table: Table, name: string, { generated_when, options }: Fields<"Constraint">) =>
  identity(generated_when, Sequence.read(options, Sequence.defaults(table.columns.get(name)?.type ?? "")))

export const change = (table: Table, name: string, by: Partial<Column>) => {
  const found = table.columns.get(name)
  if (found !== undefined) table.columns.set(name, { ...found, ...by })
}
