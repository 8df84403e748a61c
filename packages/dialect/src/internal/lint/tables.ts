/**
 * The tables that a script makes, as far as its lint rules ask: columns and their types, keys, references.
 */
import type { ColumnDef, Constraint, IndexStmt, Node, RangeVar } from "libpg-query"
import type { Statement } from "../../Statement.ts"
import * as ParseTree from "../../ParseTree.ts"
import type { Script } from "./script.ts"

/** A key or an index: its columns in order. An expression ends what it helps to find. */
export interface Key {
  readonly name: string | undefined
  readonly columns: ReadonlyArray<string>
  /** Whether it holds every row: no WHERE. */
  readonly whole: boolean
  readonly statement: Statement
  readonly location: number | undefined
}

/** A foreign key of the table. */
export interface Reference {
  readonly columns: ReadonlyArray<string>
  readonly to: string
  readonly statement: Statement
  readonly location: number | undefined
}

/** A table that the script creates. */
export interface Table {
  readonly name: string
  readonly statement: Statement
  readonly columns: ReadonlyMap<string, ColumnDef>
  readonly primaryKey: ReadonlyArray<string>
  readonly keys: ReadonlyArray<Key>
  readonly references: ReadonlyArray<Reference>
}

/** The table's name; without a schema, or in public, it is the same table. */
export const tableName = (relation: RangeVar | undefined): string => {
  const schema = relation?.schemaname ?? "public"
  return schema === "public" ? (relation?.relname ?? "") : `${schema}.${relation?.relname ?? ""}`
}

const withConstraint = (
  table: Table,
  constraint: Constraint,
  own: ReadonlyArray<string>,
  statement: Statement
): Table => {
  const { conname: name, contype, location } = constraint
  const listed = contype === "CONSTR_FOREIGN" ? constraint.fk_attrs : constraint.keys
  const columns = listed === undefined ? own : ParseTree.names(listed)
  const key = { name, columns, whole: true, statement, location }
  switch (contype) {
    case "CONSTR_PRIMARY":
      return { ...table, primaryKey: columns, keys: [...table.keys, key] }
    case "CONSTR_UNIQUE":
      // USING INDEX names one that is listed already.
      return constraint.indexname === undefined ? { ...table, keys: [...table.keys, key] } : table
    case "CONSTR_FOREIGN":
      return {
        ...table,
        references: [...table.references, { columns, to: tableName(constraint.pktable), statement, location }]
      }
    default:
      return table
  }
}

const withColumn = (table: Table, column: ColumnDef, statement: Statement): Table => {
  const name = column.colname ?? ""
  const start: Table = { ...table, columns: new Map([...table.columns, [name, column] as const]) }
  return constraintsIn(column.constraints).reduce(
    (table, constraint) => withConstraint(table, constraint, [name], statement),
    start
  )
}

const constraintsIn = (nodes: ReadonlyArray<Node> | undefined) => ParseTree.all(nodes, "Constraint")

const created = (statement: Statement, create: ParseTree.Fields<"CreateStmt">): Table => {
  const empty: Table = {
    name: tableName(create.relation),
    statement,
    columns: new Map(),
    primaryKey: [],
    keys: [],
    references: []
  }
  return (create.tableElts ?? []).reduce((table, element) => {
    const column = ParseTree.as(element, "ColumnDef")
    const constraint = ParseTree.as(element, "Constraint")
    if (column !== undefined) return withColumn(table, column, statement)
    return constraint === undefined ? table : withConstraint(table, constraint, [], statement)
  }, empty)
}

const altered = (table: Table, statement: Statement, alter: ParseTree.Fields<"AlterTableStmt">): Table =>
  (alter.cmds ?? []).reduce((table, node) => {
    const command = ParseTree.as(node, "AlterTableCmd")
    const column = ParseTree.as(command?.def, "ColumnDef")
    const constraint = ParseTree.as(command?.def, "Constraint")
    if (command?.subtype === "AT_AddColumn" && column !== undefined) return withColumn(table, column, statement)
    if (command?.subtype === "AT_AddConstraint" && constraint !== undefined) {
      return withConstraint(table, constraint, [], statement)
    }
    return table
  }, table)

const indexKey = (statement: Statement, index: IndexStmt): Key => {
  const columns = (index.indexParams ?? []).map((node) => ParseTree.as(node, "IndexElem")?.name)
  const expression = columns.indexOf(undefined)
  const plain = columns.filter((name) => name !== undefined)
  return {
    name: index.idxname,
    columns: expression === -1 ? plain : plain.slice(0, expression),
    whole: index.whereClause === undefined,
    statement,
    location: index.relation?.location
  }
}

const dropped = (tables: Map<string, Table>, drop: ParseTree.Fields<"DropStmt">): void => {
  for (const object of drop.objects ?? []) {
    const path = ParseTree.names(ParseTree.as(object, "List")?.items)
    const name = path.length > 1 && path[0] !== "public" ? path.join(".") : (path.at(-1) ?? "")
    if (drop.removeType === "OBJECT_TABLE") tables.delete(name)
    if (drop.removeType !== "OBJECT_INDEX") continue
    for (const table of tables.values()) {
      tables.set(table.name, { ...table, keys: table.keys.filter((key) => key.name !== path.at(-1)) })
    }
  }
}

/** What a statement does to the tables before it; `before` is the table that it names, if the script made it. */
export type Observer = (statement: Statement, before: Table | undefined) => void

/** The tables that are there at the end. A renamed table or column is no longer known. */
export const tables = ({ steps }: Script, observe: Observer = () => undefined): ReadonlyArray<Table> => {
  const known = new Map<string, Table>()
  for (const { statement } of steps) {
    const { node, tag } = ParseTree.tagged(statement.node)
    if (tag === "CreateStmt") {
      observe(statement, undefined)
      known.set(tableName(node.relation), created(statement, node))
    } else if (tag === "AlterTableStmt" || tag === "IndexStmt" || tag === "RenameStmt") {
      const name = tableName(node.relation)
      const table = known.get(name)
      observe(statement, table)
      if (table === undefined) continue
      if (tag === "AlterTableStmt") known.set(name, altered(table, statement, node))
      else if (tag === "IndexStmt") known.set(name, { ...table, keys: [...table.keys, indexKey(statement, node)] })
      else known.delete(name)
    } else if (tag === "DropStmt") dropped(known, node)
  }
  return [...known.values()]
}

/** The tables of the schema that the script works on, and its own. */
export const knownTables = ({ schema, steps, ...script }: Script): ReadonlyArray<Table> =>
  tables({
    ...script,
    schema: [],
    steps: [...schema.map((statement) => ({ statement, transaction: -1, explicit: false })), ...steps]
  })
