/**
 * What CREATE leaves in a catalogue: tables with their columns and constraints,
 * indexes.
 */
import type { Fields, Node } from "@effect-dsql/dialect/ParseTree"
import * as Quote from "@effect-dsql/dialect/Quote"
import { expression } from "./canonical.ts"
import { columnType } from "./column.ts"
import { constrain } from "./constraint.ts"
import { type Column, type KeyOf, primaryKey, type Structure, type Table } from "./model.ts"

export const create = (
  structure: Structure,
  { if_not_exists, relation, tableElts }: Fields<"CreateStmt">,
  keyOf: KeyOf
) => {
  const key = keyOf(relation)
  if (if_not_exists === true && structure.tables.has(key)) return
  const table: Table = { columns: new Map(), constraints: new Map() }
  structure.tables.set(key, table)
  structure.gone.delete(key)
  for (const element of tableElts ?? []) {
    if ("ColumnDef" in element) column(structure, table, key, element.ColumnDef, keyOf)
    if ("Constraint" in element) constrain(structure, table, key, element.Constraint, undefined, keyOf)
    if ("TableLikeClause" in element) like(structure, table, key, element.TableLikeClause, keyOf)
  }
  mergeKeys(table)
}

const unique = /^(?:PRIMARY KEY|UNIQUE)(.*)$/s

/** Of keys that are alike but for their names, a table is made with the primary one, or the first. */
const mergeKeys = ({ constraints }: Table): void => {
  const keys = [...constraints].flatMap(([name, text]) => {
    const on = unique.exec(text)?.[1]
    return on === undefined ? [] : { name, on, isPrimary: text.startsWith(primaryKey) }
  })
  const kept = new Set<string>()
  for (const { name, on } of keys.toSorted((a, b) => Number(b.isPrimary) - Number(a.isPrimary))) {
    if (kept.has(on)) constraints.delete(name)
    kept.add(on)
  }
}

export const column = (structure: Structure, table: Table, key: string, def: Fields<"ColumnDef">, keyOf: KeyOf) => {
  const name = def.colname ?? ""
  table.columns.set(name, { type: columnType(def), nullable: true, default: undefined })
  for (const constraint of def.constraints ?? []) {
    if ("Constraint" in constraint) constrain(structure, table, key, constraint.Constraint, name, keyOf)
  }
}

// The bits of what LIKE includes, as the parser numbers them.
const including = { constraints: 4, defaults: 8, generated: 16, identity: 32, indexes: 64 }

/** The columns of another table, and what else of it is included. */
const like = (
  structure: Structure,
  table: Table,
  key: string,
  { options = 0, relation }: Fields<"TableLikeClause">,
  keyOf: KeyOf
): void => {
  const from = keyOf(relation)
  const model = structure.tables.get(from)
  if (model === undefined) return
  const has = (bit: number) => (options & bit) !== 0
  const isKept = ({ default: value = "" }: Column) => {
    if (value.endsWith(" STORED")) return has(including.generated)
    return has(value.startsWith("GENERATED") ? including.identity : including.defaults)
  }
  for (const [name, column] of model.columns) {
    table.columns.set(name, isKept(column) ? column : { ...column, default: undefined })
  }
  const own = key.slice(key.lastIndexOf(".") + 1)
  for (const [name, text] of model.constraints) {
    const columns = text.slice(text.indexOf("(") + 1, text.indexOf(")")).split(", ")
    const plain = columns.map((column) => column.slice(1, -1))
    if (text.startsWith("CHECK") && has(including.constraints)) table.constraints.set(name, text)
    if (text.startsWith(primaryKey) && has(including.indexes)) table.constraints.set(`${own}_pkey`, text)
    if (text.startsWith("UNIQUE") && has(including.indexes)) {
      table.constraints.set([own, ...plain, "key"].join("_"), text)
    }
  }
  if (!has(including.indexes)) return
  const copied = [...structure.indexes.values()].filter((each) => each.table === from)
  for (const [n, index] of copied.entries()) {
    const name = [own, ...index.columns, `idx${n === 0 ? "" : n}`].join("_")
    structure.indexes.set(`${key.slice(0, key.lastIndexOf(".") + 1)}${name}`, { ...index, table: key, isNamed: false })
  }
}

export const index = (structure: Structure, statement: Fields<"IndexStmt">, keyOf: KeyOf): void => {
  const table = keyOf(statement.relation)
  const key = keyOf({ ...statement.relation, relname: statement.idxname ?? "" })
  if (statement.if_not_exists === true && structure.indexes.has(key)) return
  const params = statement.indexParams ?? []
  const columns = params.flatMap((param) => ("IndexElem" in param ? (param.IndexElem.name ?? []) : []))
  const included = statement.indexIncludingParams ?? []
  const include = included.length === 0 ? "" : ` INCLUDE (${included.map(element).join(", ")})`
  const where = statement.whereClause === undefined ? undefined : expression(statement.whereClause)
  const nulls = statement.nulls_not_distinct === true ? " NULLS NOT DISTINCT" : ""
  const unique = statement.unique === true ? "UNIQUE " : ""
  const definition = (of: (node: Node) => string, condition: string | undefined) =>
    `${unique}(${params.map(of).join(", ")})${include}${nulls}${condition === undefined ? "" : ` WHERE ${condition}`}`
  const keys = params.flatMap((param) => ("IndexElem" in param ? (param.IndexElem.expr ?? []) : []))
  structure.indexes.set(key, {
    table,
    isNamed: true,
    columns,
    including: included.flatMap((param) => ("IndexElem" in param ? (param.IndexElem.name ?? []) : [])),
    definition: definition(element, where),
    form: definition((node) => element(withoutExpression(node)), where === undefined ? undefined : "…"),
    expressions: [...keys.map(expression), ...(where === undefined ? [] : [where])]
  })
}

/** An element of an index with a name in the place of its expression. */
const withoutExpression = (node: Node): Node => {
  if (!("IndexElem" in node) || node.IndexElem.expr === undefined) return node
  const { expr: _, ...rest } = node.IndexElem
  return { IndexElem: { ...rest, name: "…" } }
}

const element = (node: Node): string => {
  if (!("IndexElem" in node)) return expression(node)
  const { expr, name, nulls_ordering, ordering } = node.IndexElem
  const descending = ordering === "SORTBY_DESC"
  // NULLS LAST is what ascending means anyway, NULLS FIRST what descending means.
  const usual = descending ? "SORTBY_NULLS_FIRST" : "SORTBY_NULLS_LAST"
  const nulls =
    nulls_ordering === "SORTBY_NULLS_DEFAULT" || nulls_ordering === undefined || nulls_ordering === usual
      ? ""
      : ` NULLS ${descending ? "LAST" : "FIRST"}`
  return `${name === undefined ? expression(expr) : Quote.identifier(name)}${descending ? " DESC" : ""}${nulls}`
}
