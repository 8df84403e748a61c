/**
 * Lint rules over queries that the service answers wrongly.
 */
import type { Node } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"
import type { Check, Spot } from "./script.ts"

/** The names by which the tables of a query, and of the queries in it, are referred to. */
const tableNames = (query: Node): ReadonlySet<string> => {
  const names = new Set<string>()
  ParseTree.walk(query, {
    RangeVar: ({ alias, relname }) => names.add(alias?.aliasname ?? relname ?? ""),
    RangeSubselect: ({ alias }) => names.add(alias?.aliasname ?? ""),
    RangeFunction: ({ alias }) => names.add(alias?.aliasname ?? "")
  })
  return names
}

/** The first qualified column in the target list that is none of the query's own. */
const outerColumn = (query: Node): { readonly location: number | undefined } | undefined => {
  const own = tableNames(query)
  let outer: { readonly location: number | undefined } | undefined
  for (const target of ParseTree.as(query, "SelectStmt")?.targetList ?? []) {
    ParseTree.walk(target, {
      ColumnRef: ({ fields, location }) => {
        const path = ParseTree.names(fields)
        if (path.length > 1 && !own.has(path[0] ?? "")) outer ??= { location }
      }
    })
  }
  return outer
}

const leftJoinLateral: Check = {
  id: "left-join-lateral",
  severity: "warning",
  description: "LEFT JOIN LATERAL with a column of the outer query in its target list",
  hint: "Select the outer column outside of the subquery, or use CROSS or INNER JOIN LATERAL.",
  sqlstate: "42804",
  source: "https://github.com/Dreamescaper/dsql-emulator, answers of a cluster recorded until 2026-09-18",
  find: ({ statements }) =>
    statements.flatMap((statement) => {
      const spots: Array<Spot> = []
      ParseTree.walk(statement.node, {
        JoinExpr: ({ jointype, rarg }) => {
          const right = jointype === "JOIN_LEFT" ? ParseTree.as(rarg, "RangeSubselect") : undefined
          const query = right?.lateral === true ? right.subquery : undefined
          const column = query === undefined ? undefined : outerColumn(query)
          if (column === undefined) return
          spots.push({
            statement,
            location: column.location,
            message:
              "attribute 1 of type <the inner table> has wrong type: a defect of the service, seen in September 2026"
          })
        }
      })
      return spots
    })
}

export const queryChecks: ReadonlyArray<Check> = [leftJoinLateral]
