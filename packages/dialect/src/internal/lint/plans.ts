/**
 * Lint rules over conditions that no index serves. They know the tables that the script makes, and those of the schema
 * that the linter is given.
 */
import type { Node } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"
import * as Types from "../rules/types.ts"
import type { Check, Spot } from "./script.ts"
import { guide } from "./script.ts"
import type { Column, Scope } from "./scopes.ts"
import { scopes } from "./scopes.ts"
import { knownTables } from "./tables.ts"

const integers: ReadonlySet<string> = new Set(["int2", "int4", "int8"])
const texts: ReadonlySet<string> = new Set(["text", "varchar"])
const times: ReadonlySet<string> = new Set(["date", "timestamp", "timestamptz"])

/** Numbers, each after those that PostgreSQL makes one of it for a comparison. */
const numbers: ReadonlyArray<string> = ["int2", "int4", "int8", "numeric", "float4", "float8"]

/**
 * Whether an index on a column of one type is of no use for a comparison with another. PostgreSQL has operators across
 * times and across floats, whose indexes DSQL does not use; a number that is compared with a larger kind is made one.
 */
const keepsFromIndex = (column: string, other: string): boolean => {
  if (column === other || [integers, texts].some((family) => family.has(column) && family.has(other))) return false
  if (times.has(column) && times.has(other)) return true
  const [own, compared] = [numbers.indexOf(column), numbers.indexOf(other)]
  return own !== -1 && compared !== -1 && (own < compared || (column.startsWith("float") && other.startsWith("float")))
}

const typeOf = ({ name, table }: Column): string | undefined => {
  const type = table.columns.get(name)?.typeName
  return Types.isArray(type) ? undefined : Types.builtin(type)
}

/** The type of an expression, where the text says it. */
const written = (node: Node | undefined, scope: Scope): string | undefined => {
  const reference = ParseTree.as(node, "ColumnRef")
  const column = reference === undefined ? undefined : scope.column(reference)
  if (column !== undefined) return typeOf(column)
  const cast = ParseTree.as(node, "TypeCast")?.typeName
  if (cast !== undefined) return Types.isArray(cast) ? undefined : Types.builtin(cast)
  const constant = ParseTree.as(node, "A_Const")
  if (constant?.ival !== undefined) return "int4"
  const number = constant?.fval?.fval
  return number === undefined ? undefined : /^\d+$/.test(number) ? "int8" : "numeric"
}

const comparisons: ReadonlySet<string> = new Set(["=", "<", ">", "<=", ">="])

interface Comparison {
  readonly left: Node | undefined
  readonly right: Node | undefined
  readonly location: number | undefined
}

const compared = (condition: Node): Comparison | undefined => {
  const expression = ParseTree.as(condition, "A_Expr")
  return expression?.kind === "AEXPR_OP" && comparisons.has(ParseTree.names(expression.name).join("."))
    ? { left: expression.lexpr, right: expression.rexpr, location: expression.location }
    : undefined
}

/** The column of an expression, also below a cast of it. */
const columnOf = (node: Node | undefined, scope: Scope): Column | undefined => {
  const reference = ParseTree.as(node, "ColumnRef") ?? ParseTree.as(ParseTree.as(node, "TypeCast")?.arg, "ColumnRef")
  return reference === undefined ? undefined : scope.column(reference)
}

const isIndexed = ({ name, table }: Column): boolean => table.keys.some(({ columns }) => columns.includes(name))

const acrossTypes = (scope: Scope) =>
  scope.conditions.flatMap((condition) => {
    const comparison = compared(condition)
    if (comparison === undefined) return []
    const { left, location, right } = comparison
    return [[left, right] as const, [right, left] as const].flatMap(([node, other]) => {
      const column = columnOf(node, scope)
      const own = column === undefined ? undefined : typeOf(column)
      if (column === undefined || own === undefined || !isIndexed(column)) return []
      const seen = written(node, scope)
      const against = seen === own ? written(other, scope) : seen
      const differs = against !== undefined && (seen === own ? keepsFromIndex(own, against) : !same(own, against))
      return differs ? [{ column, own, against, location }] : []
    })
  })

const same = (one: string, other: string): boolean =>
  one === other || [integers, texts].some((family) => family.has(one) && family.has(other))

const comparisonType: Check = {
  id: "comparison-type",
  severity: "warning",
  description: "a comparison whose types keep the index on its column from being used",
  hint: "Cast the other side to the column's type, or give both columns one type: only integers compare across types.",
  source: "https://github.com/awslabs/agent-plugins, plugins/databases-on-aws/skills/dsql/references/query-plan",
  find: (script) => {
    const known = knownTables(script)
    return script.statements.flatMap((statement) =>
      scopes(statement, known)
        .flatMap(acrossTypes)
        .map(({ against, column, location, own }): Spot => ({
          statement,
          location,
          message: `${column.table.name}.${column.name} is ${own} and is compared as ${against}: no index on it is used`
        }))
    )
  }
}

/** Kinds of conditions other than comparisons that an index can serve. */
const served: ReadonlySet<string> = new Set(["AEXPR_IN", "AEXPR_OP_ANY", "AEXPR_BETWEEN"])

/** The columns that a condition narrows down; by what is not equal, none is. */
const narrowed = (condition: Node, scope: Scope): ReadonlyArray<string> => {
  const expression = ParseTree.as(condition, "A_Expr")
  const comparison = compared(condition)
  const sides = [
    comparison?.left,
    comparison?.right,
    served.has(expression?.kind ?? "") ? expression?.lexpr : undefined,
    ParseTree.as(condition, "NullTest")?.arg
  ]
  return sides
    .flatMap((side) => ParseTree.as(side, "RowExpr")?.args ?? [side])
    .flatMap((node) => {
      const reference = ParseTree.as(node, "ColumnRef")
      return (reference === undefined ? undefined : scope.column(reference)?.name) ?? []
    })
}

const withoutIndex = (scope: Scope) => {
  const [[name, table] = [], ...others] = scope.relations
  if (name === undefined || table === undefined || others.length > 0 || table.keys.length === 0) return []
  const columns = new Set(scope.conditions.flatMap((condition) => narrowed(condition, scope)))
  return columns.size === 0 || table.keys.some((key) => columns.has(key.columns[0] ?? "")) ? [] : [{ table, columns }]
}

const filterIndex: Check = {
  id: "filter-index",
  severity: "warning",
  description: "a condition on columns none of which begins an index of the table",
  hint: "CREATE INDEX ASYNC on what the condition asks, or ask for the beginning of a key as well.",
  source: guide("working-with-primary-keys"),
  find: (script) => {
    const known = knownTables(script)
    return script.statements.flatMap((statement) =>
      scopes(statement, known)
        .flatMap(withoutIndex)
        .map(({ columns, table }): Spot => ({
          statement,
          message: `reads all of ${table.name}: no index of it begins with ${[...columns].join(" or ")}`
        }))
    )
  }
}

export const planChecks: ReadonlyArray<Check> = [comparisonType, filterIndex]
