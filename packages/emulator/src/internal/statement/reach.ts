/**
 * Which rows a statement can reach, as far as its text alone tells.
 */
import { ParseTree, Statement } from "@effect-dsql/dialect"

const isValue = (node: ParseTree.Node | undefined): boolean =>
  node !== undefined && ("ParamRef" in node || "A_Const" in node || isValue(ParseTree.as(node, "TypeCast")?.arg))

/** The columns that a condition sets equal to a value, whatever else it asks. */
const fixedBy = (condition: ParseTree.Node | undefined): ReadonlyArray<string> => {
  const conjunction = ParseTree.as(condition, "BoolExpr")
  if (conjunction?.boolop === "AND_EXPR") return (conjunction.args ?? []).flatMap(fixedBy)
  const comparison = ParseTree.as(condition, "A_Expr")
  if (comparison?.kind !== "AEXPR_OP" || ParseTree.names(comparison.name)[0] !== "=") return []
  const column = ParseTree.as(comparison.lexpr, "ColumnRef")?.fields?.at(-1)
  const name = ParseTree.name(column)
  return name !== undefined && isValue(comparison.rexpr) ? [name] : []
}

/** The columns that a change of one table alone sets equal to a value. */
export const fixed = ({ node }: Statement.Statement): ReadonlyArray<string> => {
  const update = ParseTree.as(node, "UpdateStmt")
  const remove = ParseTree.as(node, "DeleteStmt")
  const others = update?.fromClause ?? remove?.usingClause ?? (update ?? remove)?.withClause
  return others === undefined ? fixedBy((update ?? remove)?.whereClause) : []
}

/** Rows of one table that a query locks. */
export interface Locked {
  /** The table, as the query calls it. */
  readonly name: string
  /** As `pgrowlocks` calls it. */
  readonly strength: "Update" | "Key Share"
  /** Where more columns fit in before the query's own. */
  readonly at: number
}

const strengths: Readonly<Record<string, Locked["strength"]>> = {
  LCS_FORUPDATE: "Update",
  LCS_FORKEYSHARE: "Key Share"
}

/** Whether a query may give other rows, or rows in another place, when it is asked again with more columns. */
const varies = (node: ParseTree.Node, select: ParseTree.Fields<"SelectStmt">): boolean => {
  let found = select.limitCount !== undefined || select.limitOffset !== undefined
  const find = () => {
    found = true
  }
  ParseTree.walk(node, { FuncCall: find, SubLink: find, SQLValueFunction: find, WithClause: find })
  // A number in ORDER BY is the place of a column.
  for (const order of select.sortClause ?? []) ParseTree.walk(order, { A_Const: find })
  return found
}

/** What a query locks, if that is every row of one table that its condition holds for, the same ones every time. */
export const locked = (statement: Statement.Statement): Locked | undefined => {
  const select = ParseTree.as(statement.node, "SelectStmt")
  if (select?.fromClause?.length !== 1 || select.lockingClause?.length !== 1) return undefined
  const table = ParseTree.as(select.fromClause[0], "RangeVar")
  const clause = ParseTree.as(select.lockingClause[0], "LockingClause")
  const location = ParseTree.as(select.targetList?.[0], "ResTarget")?.location
  const name = table?.alias?.aliasname ?? table?.relname
  const strength = strengths[clause?.strength ?? ""]
  if (clause?.waitPolicy !== "LockWaitBlock" || varies(statement.node, select)) return undefined
  if (name === undefined || strength === undefined || location === undefined) return undefined
  return { name, strength, at: Statement.at(statement, location).offset - statement.offset }
}
