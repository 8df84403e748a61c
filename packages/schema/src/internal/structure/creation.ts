/**
 * What CREATE leaves in a catalogue: tables with their columns and constraints,
 * indexes.
 */
import { type Fields, names, type Node } from "@effect-dsql/dialect/ParseTree"
import { expression, quoted, type } from "./canonical.ts"
import * as Sequence from "./sequence.ts"

export interface Column {
  /** `text`, or `text COLLATE "C"`. */
  readonly type: string
  readonly nullable: boolean
  /** The default, or how the value is generated; undefined for none. */
  readonly default: string | undefined
  /** Of an identity column. */
  readonly sequence?: Sequence.Options
}

export interface Index {
  /** The key of its table. */
  readonly table: string
  readonly definition: string
  /** The same without its expressions, and these in their order. */
  readonly form: string
  readonly expressions: ReadonlyArray<string>
  /** The columns that it only carries. */
  readonly including: ReadonlyArray<string>
  /** The columns in order where they are all that it is of, as a constraint on it would have them. */
  readonly columns: ReadonlyArray<string>
}

export interface Table {
  readonly columns: Map<string, Column>
  /** `PRIMARY KEY ("a", "b")`, by name. */
  readonly constraints: Map<string, string>
}

/** A view, or a sequence with its options. */
export type Relation = { readonly kind: "view" } | { readonly kind: "sequence"; readonly options: Sequence.Options }

/** Keys are names, with their schema where it is not the current one. */
export interface Structure {
  /** The schemas that the statements speak of, the current one included. */
  readonly schemas: Set<string>
  readonly tables: Map<string, Table>
  readonly indexes: Map<string, Index>
  readonly relations: Map<string, Relation>
  /** What was there once and is gone: tables that were dropped or renamed. */
  readonly gone: Set<string>
}

export const primaryKey = "PRIMARY KEY"

export type RelationName = { readonly schemaname?: string; readonly relname?: string } | undefined

/** The key of a relation's name. */
export type KeyOf = (relation: RelationName) => string

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
}

export const column = (structure: Structure, table: Table, key: string, def: Fields<"ColumnDef">, keyOf: KeyOf) => {
  const name = def.colname ?? ""
  table.columns.set(name, { type: columnType(def), nullable: true, default: undefined })
  for (const constraint of def.constraints ?? []) {
    if ("Constraint" in constraint) constrain(structure, table, key, constraint.Constraint, name, keyOf)
  }
}

/** A column's type, with its collation where that is not the type's own. */
export const columnType = ({ collClause, typeName }: Fields<"ColumnDef">): string => {
  const collation = names(collClause?.collname).filter((part) => part !== "pg_catalog")
  const isOwn = collation.length === 0 || (collation.length === 1 && collation[0] === "default")
  const given = type(typeName)
  // What a numeric without digits is on DSQL, as its catalogue may say.
  const own = given === "numeric" ? "numeric(18, 6)" : given
  return `${own}${isOwn ? "" : ` COLLATE ${collation.map(quoted).join(".")}`}`
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
  for (const index of [...structure.indexes.values()].filter((each) => each.table === from)) {
    const name = [own, ...index.columns, "idx"].join("_")
    structure.indexes.set(`${key.slice(0, key.lastIndexOf(".") + 1)}${name}`, { ...index, table: key })
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
      return change(table, at ?? "", { nullable: false, ...identified(table, at ?? "", constraint) })
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
      const more = used?.including ?? names(constraint.including)
      const include = more.length === 0 ? "" : ` INCLUDE ${parenthesised(more)}`
      table.constraints.set(name, `${primary ? primaryKey : "UNIQUE"}${nulls} ${parenthesised(columns)}${include}`)
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
  return `${name === undefined ? expression(expr) : quoted(name)}${descending ? " DESC" : ""}${nulls}`
}
