/**
 * Which rows a statement can reach, as far as its text alone tells.
 */
import { Statement } from "@effect-dsql/dialect"
import { field, isTree, list, string, visit } from "./tree.ts"

const isValue = (node: unknown): boolean =>
  isTree(node) && ("ParamRef" in node || "A_Const" in node || isValue(field(node, "TypeCast", "arg")))

/** The columns that a condition sets equal to a value, whatever else it asks. */
const fixedBy = (condition: unknown): ReadonlyArray<string> => {
  const conjunction = field(condition, "BoolExpr")
  if (field(conjunction, "boolop") === "AND_EXPR") return list(field(conjunction, "args")).flatMap(fixedBy)
  const comparison = field(condition, "A_Expr")
  if (field(comparison, "kind") !== "AEXPR_OP" || field(comparison, "name", 0, "String", "sval") !== "=") return []
  const column = list(field(comparison, "lexpr", "ColumnRef", "fields")).at(-1)
  const name = string(field(column, "String", "sval"))
  return name !== undefined && isValue(field(comparison, "rexpr")) ? [name] : []
}

/** The columns that a change of one table alone sets equal to a value. */
export const fixed = ({ node }: Statement.Statement): ReadonlyArray<string> => {
  const change = field(node, "UpdateStmt") ?? field(node, "DeleteStmt")
  const others = [field(change, "fromClause"), field(change, "usingClause"), field(change, "withClause")]
  return others.some((clause) => clause !== undefined) ? [] : fixedBy(field(change, "whereClause"))
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

/** What a query locks, if that is every row of one table that its condition holds for, the same ones every time. */
export const locked = (statement: Statement.Statement): Locked | undefined => {
  const select = field(statement.node, "SelectStmt")
  const from = list(field(select, "fromClause"))
  const table = field(from[0], "RangeVar")
  const locking = list(field(select, "lockingClause"))
  const location = field(select, "targetList", 0, "ResTarget", "location")
  const name = string(field(table, "alias", "aliasname")) ?? string(field(table, "relname"))
  let varies = false
  visit(select, (_, kind) => {
    varies ||= kind === "FuncCall" || kind === "SubLink" || kind === "SQLValueFunction" || kind === "withClause"
  })
  // A number in ORDER BY is the place of a column.
  visit(field(select, "sortClause"), (_, kind) => {
    varies ||= kind === "A_Const"
  })
  const limited = field(select, "limitCount") ?? field(select, "limitOffset")
  const clause = field(locking[0], "LockingClause")
  const strength = strengths[string(field(clause, "strength")) ?? ""]
  const waits = field(clause, "waitPolicy") === "LockWaitBlock"
  if (from.length !== 1 || locking.length !== 1 || !waits || varies || limited !== undefined) return undefined
  if (name === undefined || strength === undefined || typeof location !== "number") return undefined
  return { name, strength, at: Statement.at(statement, location).offset - statement.offset }
}
