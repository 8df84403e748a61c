/**
 * Lint rules over changes of rows whose number the statement does not bound.
 */
import type { Node, RangeVar } from "libpg-query"
import * as Tree from "../tree.ts"
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
  find: ({ steps }) =>
    steps.flatMap(({ statement }) => {
      const found: Array<{ readonly location: number | undefined; readonly verb: string }> = []
      Tree.walk(statement.node, {
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
  find: ({ steps }) =>
    steps.flatMap(({ statement }): ReadonlyArray<Spot> => {
      const insert = Tree.as(statement.node, "InsertStmt")
      const select = Tree.as(insert?.selectStmt, "SelectStmt")
      const table = select?.fromClause?.map((from) => Tree.as(from, "RangeVar")).find((from) => from !== undefined)
      if (table === undefined || select?.whereClause !== undefined || select?.limitCount !== undefined) return []
      // An aggregate without groups is one row.
      if (select?.groupClause === undefined && (select?.targetList ?? []).every(isCall)) return []
      return [
        {
          statement,
          location: table.location,
          message: "INSERT ... SELECT of a whole table fails as soon as it has more than 3,000 rows"
        }
      ]
    })
}

const isCall = (target: Node): boolean => Tree.as(Tree.as(target, "ResTarget")?.val, "FuncCall") !== undefined

export const writeChecks: ReadonlyArray<Check> = [withoutWhere, copied]
