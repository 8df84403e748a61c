/**
 * What CREATE leaves in a catalogue: tables with their columns and constraints,
 * indexes.
 */
import { type Fields, names, type Node } from "@effect-dsql/dialect/ParseTree"
import { expression, quoted, type } from "./canonical.ts"

export interface Column {
  readonly type: string
  readonly nullable: boolean
  /** The default, or how the value is generated; undefined for none. */
  readonly default: string | undefined
}

export interface Index {
  /** The key of its table. */
  readonly table: string
  readonly definition: string
  /** The columns in order where they are all that it is of, as a constraint on it would have them. */
  readonly columns: ReadonlyArray<string>
}

export interface Table {
  readonly columns: Map<string, Column>
  /** `PRIMARY KEY ("a", "b")`, by name. */
  readonly constraints: Map<string, string>
}

/** Keys are names, with their schema where it is not the current one. */
export interface Structure {
  /** The schemas that the statements speak of, the current one included. */
  readonly schemas: Set<string>
  readonly tables: Map<string, Table>
  readonly indexes: Map<string, Index>
  readonly relations: Map<string, "view" | "sequence">
  /** What was there once and is gone: tables that were dropped or renamed. */
  readonly gone: Set<string>
}

export const primaryKey = "PRIMARY KEY"

export type Relation = { readonly schemaname?: string; readonly relname?: string } | undefined

/** The key of a relation's name. */
export type KeyOf = (relation: Relation) => string

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
  }
}

export const column = (structure: Structure, table: Table, key: string, def: Fields<"ColumnDef">, keyOf: KeyOf) => {
  const name = def.colname ?? ""
  table.columns.set(name, { type: type(def.typeName), nullable: true, default: undefined })
  for (const constraint of def.constraints ?? []) {
    if ("Constraint" in constraint) constrain(structure, table, key, constraint.Constraint, name, keyOf)
  }
}

export const change = (table: Table, name: string, by: Partial<Column>) => {
  const found = table.columns.get(name)
  if (found !== undefined) table.columns.set(name, { ...found, ...by })
}

const parenthesised = (columns: ReadonlyArray<string>): string => `(${columns.map(quoted).join(", ")})`

export const constrain = (
  structure: Structure,
  table: Table,
  key: string,
  constraint: Fields<"Constraint">,
  /** The column that it was written at. */
  at: string | undefined,
  keyOf: KeyOf
): void => {
  const own = at === undefined ? [] : [at]
  // What PostgreSQL calls one that has no name.
  const nameOf = (suffix: string, columns: ReadonlyArray<string>) =>
    constraint.conname ?? [key.slice(key.lastIndexOf(".") + 1), ...columns, suffix].join("_")
  const later = constraint.skip_validation === true ? " NOT VALID" : ""
  const indexName = constraint.indexname
  switch (constraint.contype) {
    case "CONSTR_NOTNULL":
      return change(table, at ?? "", { nullable: false })
    case "CONSTR_DEFAULT":
      return change(table, at ?? "", { default: defaultOf(constraint.raw_expr) })
    case "CONSTR_IDENTITY":
      return change(table, at ?? "", { nullable: false, default: identity(constraint) })
    case "CONSTR_GENERATED":
      return change(table, at ?? "", { default: `GENERATED ALWAYS AS (${expression(constraint.raw_expr)}) STORED` })
    case "CONSTR_PRIMARY":
    case "CONSTR_UNIQUE": {
      const primary = constraint.contype === "CONSTR_PRIMARY"
      const used = indexName === undefined ? undefined : take(structure, key, indexName)
      const columns = used?.columns ?? (at === undefined ? names(constraint.keys) : own)
      if (primary) for (const name of columns) change(table, name, { nullable: false })
      const nulls = constraint.nulls_not_distinct === true ? " NULLS NOT DISTINCT" : ""
      const name = primary ? nameOf("pkey", []) : (constraint.conname ?? indexName ?? nameOf("key", columns))
      table.constraints.set(name, `${primary ? primaryKey : "UNIQUE"}${nulls} ${parenthesised(columns)}`)
      return
    }
    case "CONSTR_CHECK":
      table.constraints.set(nameOf("check", own), `CHECK ${expression(constraint.raw_expr)}${later}`)
      return
    case "CONSTR_FOREIGN": {
      const columns = at === undefined ? names(constraint.fk_attrs) : own
      const target = keyOf(constraint.pktable)
      const given = names(constraint.pk_attrs)
      const referenced = given.length > 0 ? parenthesised(given) : keyColumns(structure.tables.get(target))
      const actions = `${action("UPDATE", constraint.fk_upd_action)}${action("DELETE", constraint.fk_del_action)}`
      table.constraints.set(
        nameOf("fkey", columns),
        `FOREIGN KEY ${parenthesised(columns)} REFERENCES ${target} ${referenced}${actions}${later}`
      )
    }
  }
}

/** Takes an index away that becomes a constraint's. */
const take = (structure: Structure, table: string, name: string): Index | undefined => {
  const key = `${table.slice(0, table.lastIndexOf(".") + 1)}${name}`
  const found = structure.indexes.get(key)
  structure.indexes.delete(key)
  return found
}

const keyColumns = (table: Table | undefined): string =>
  [...(table?.constraints.values() ?? [])].find((text) => text.startsWith(primaryKey))?.slice(primaryKey.length + 1) ??
  "()"

const actions: Readonly<Record<string, string>> = {
  r: "RESTRICT",
  c: "CASCADE",
  n: "SET NULL",
  d: "SET DEFAULT"
}

const action = (event: string, code: string | undefined): string => {
  const found = actions[code ?? ""]
  return found === undefined ? "" : ` ON ${event} ${found}`
}

export const defaultOf = (node: Node | undefined): string | undefined => {
  const text = node === undefined ? undefined : expression(node)
  return text === "NULL" ? undefined : text
}

export const identity = ({ generated_when }: Fields<"Constraint">): string =>
  `GENERATED ${generated_when === "a" ? "ALWAYS" : "BY DEFAULT"} AS IDENTITY`

export const index = (structure: Structure, statement: Fields<"IndexStmt">, keyOf: KeyOf): void => {
  const table = keyOf(statement.relation)
  const key = keyOf({ ...statement.relation, relname: statement.idxname ?? "" })
  if (statement.if_not_exists === true && structure.indexes.has(key)) return
  const params = statement.indexParams ?? []
  const columns = params.flatMap((param) => ("IndexElem" in param ? (param.IndexElem.name ?? []) : []))
  const including = statement.indexIncludingParams ?? []
  const include = including.length === 0 ? "" : ` INCLUDE (${including.map(element).join(", ")})`
  const where = statement.whereClause === undefined ? "" : ` WHERE ${expression(statement.whereClause)}`
  const nulls = statement.nulls_not_distinct === true ? " NULLS NOT DISTINCT" : ""
  const unique = statement.unique === true ? "UNIQUE " : ""
  structure.indexes.set(key, {
    table,
    columns,
    definition: `${unique}(${params.map(element).join(", ")})${include}${nulls}${where}`
  })
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
  return `${name === undefined ? expression(expr) : quoted(name)}${descending ? " DESC" : ""}${nulls}`
}
