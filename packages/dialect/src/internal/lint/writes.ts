/**
 * Lint rules over changes of rows whose number the statement does not bound.
 */
import type { Node, RangeVar, SelectStmt } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"
import type { Check, Spot } from "./script.ts"
import { guide } from "./script.ts"

const unbounded = (whereClause: Node | undefined, relation: RangeVar | undefined, verb: string) =>
  whereClause === undefined ? [{ location: relation?.location, verb }] : []

const withoutWhere: Check = {
  id: "unbounded-write",
  severity: "warning",
  description: "UPDATE or DELETE without WHERE",
  hint: "Change at most 3,000 rows at a time, by ranges of the primary key, each in a transaction of its own.",
  source: guide("CHAP_quotas"),
  find: ({ statements }) =>
    statements.flatMap((statement) => {
      const found: Array<{ readonly location: number | undefined; readonly verb: string }> = []
      ParseTree.walk(statement.node, {
        DeleteStmt: ({ relation, whereClause }) => found.push(...unbounded(whereClause, relation, "DELETE")),
        UpdateStmt: ({ relation, whereClause }) => found.push(...unbounded(whereClause, relation, "UPDATE"))
      })
      return found.map(({ location, verb }): Spot => ({
        statement,
        location,
        message: `${verb} without WHERE fails as soon as the table has more than 3,000 rows`
      }))
    })
}

const copied: Check = {
  id: "unbounded-insert",
  severity: "warning",
  description: "INSERT ... SELECT from a table without LIMIT or WHERE",
  hint: "Insert at most 3,000 rows at a time, by ranges of the source's primary key.",
  source: guide("CHAP_quotas"),
  find: ({ statements }) =>
    statements.flatMap((statement): ReadonlyArray<Spot> => {
      const insert = ParseTree.as(statement.node, "InsertStmt")
      const select = ParseTree.as(insert?.selectStmt, "SelectStmt")
      const named = new Map(
        [insert?.withClause, select?.withClause].flatMap((clause) =>
          (clause?.ctes ?? []).flatMap((node) => {
            const cte = ParseTree.as(node, "CommonTableExpr")
            return cte?.ctename === undefined ? [] : [[cte.ctename, ParseTree.as(cte.ctequery, "SelectStmt")] as const]
          })
        )
      )
      const table = wholeTable(select, named)
      if (table === undefined) return []
      return [
        {
          statement,
          location: table.location,
          message: "INSERT ... SELECT of a whole table fails as soon as it has more than 3,000 rows"
        }
      ]
    })
}

/** The table that a query gives all rows of, also by way of queries that WITH names. */
const wholeTable = (
  select: SelectStmt | undefined,
  named: ReadonlyMap<string, SelectStmt | undefined>
): RangeVar | undefined => {
  if (select?.whereClause !== undefined || select?.limitCount !== undefined) return undefined
  const table = select?.fromClause?.map((from) => ParseTree.as(from, "RangeVar")).find((from) => from !== undefined)
  // An aggregate without groups is one row.
  if (table === undefined || (select?.groupClause === undefined && (select?.targetList ?? []).every(isCall))) {
    return undefined
  }
  const name = table.schemaname === undefined ? table.relname : undefined
  if (name === undefined || !named.has(name)) return table
  // A name that is looked into once is not looked into again, or a recursive query would never end.
  return wholeTable(named.get(name), new Map([...named].filter(([other]) => other !== name)))
}

const isCall = (target: Node): boolean => ParseTree.as(ParseTree.as(target, "ResTarget")?.val, "FuncCall") !== undefined

export const writeChecks: ReadonlyArray<Check> = [withoutWhere, copied]
