/**
 * Which tables the queries of a statement read, and what their conditions ask of which columns.
 */
import type { ColumnRef, Node, RangeVar } from "libpg-query"
import type { Statement } from "../../Statement.ts"
import * as ParseTree from "../../ParseTree.ts"
import type { Table } from "./tables.ts"
import { tableName } from "./tables.ts"

/** A column of a known table. */
export interface Column {
  readonly table: Table
  readonly name: string
}

/** A query: what it reads, by the names that it gives them, and the conditions that all have to hold. */
export interface Scope {
  /** Undefined for what is not known: a table from elsewhere, a subquery, a name of WITH. */
  readonly relations: ReadonlyMap<string, Table | undefined>
  readonly conditions: ReadonlyArray<Node>
  readonly column: (reference: ColumnRef) => Column | undefined
}

const conjuncts = (condition: Node | undefined): ReadonlyArray<Node> => {
  if (condition === undefined) return []
  const expression = ParseTree.as(condition, "BoolExpr")
  return expression?.boolop === "AND_EXPR" ? (expression.args ?? []).flatMap(conjuncts) : [condition]
}

/** What FROM reads, joins taken apart. */
const sources = (from: ReadonlyArray<Node> | undefined): ReadonlyArray<Node> =>
  (from ?? []).flatMap((node) => {
    const join = ParseTree.as(node, "JoinExpr")
    return join === undefined ? [node] : sources([join.larg, join.rarg].filter((side) => side !== undefined))
  })

const joinConditions = (from: ReadonlyArray<Node> | undefined): ReadonlyArray<Node> =>
  (from ?? []).flatMap((node) => {
    const join = ParseTree.as(node, "JoinExpr")
    if (join === undefined) return []
    return conjuncts(join.quals).concat(joinConditions([join.larg, join.rarg].filter((side) => side !== undefined)))
  })

const scope = (
  tables: ReadonlyMap<string, Table>,
  named: ReadonlySet<string>,
  target: RangeVar | undefined,
  from: ReadonlyArray<Node> | undefined,
  where: Node | undefined
): Scope => {
  const relations = new Map<string, Table | undefined>()
  const add = (relation: RangeVar) => {
    const isNamed = relation.schemaname === undefined && named.has(relation.relname ?? "")
    const name = relation.alias?.aliasname ?? relation.relname ?? ""
    relations.set(name, isNamed ? undefined : tables.get(tableName(relation)))
  }
  if (target !== undefined) add(target)
  for (const [i, source] of sources(from).entries()) {
    const relation = ParseTree.as(source, "RangeVar")
    if (relation === undefined) relations.set(`${i}`, undefined)
    else add(relation)
  }
  const column = ({ fields }: ColumnRef): Column | undefined => {
    const path = ParseTree.names(fields)
    const name = path.at(-1) ?? ""
    const all = [...relations.values()]
    // Without a table before it, it may be of any that is not known.
    const table =
      path.length > 1
        ? relations.get(path.at(-2) ?? "")
        : all.includes(undefined)
          ? undefined
          : all.find((table) => table?.columns.has(name) === true)
    return table?.columns.has(name) === true ? { table, name } : undefined
  }
  return { relations, conditions: [...conjuncts(where), ...joinConditions(from)], column }
}

/** The queries of a statement, those in it included. */
export const scopes = ({ node }: Statement, known: ReadonlyArray<Table>): ReadonlyArray<Scope> => {
  const tables = new Map(known.map((table) => [table.name, table]))
  const named = new Set<string>()
  ParseTree.walk(node, { CommonTableExpr: ({ ctename }) => named.add(ctename ?? "") })
  const found: Array<Scope> = []
  ParseTree.walk(node, {
    SelectStmt: ({ fromClause, whereClause }) => found.push(scope(tables, named, undefined, fromClause, whereClause)),
    UpdateStmt: ({ fromClause, relation, whereClause }) =>
      found.push(scope(tables, named, relation, fromClause, whereClause)),
    DeleteStmt: ({ relation, usingClause, whereClause }) =>
      found.push(scope(tables, named, relation, usingClause, whereClause))
  })
  return found
}
