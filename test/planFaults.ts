/**
 * What is wrong with a plan, where tables grow: what reads all of a table, sorts what an index gives in order, reads
 * more than an operation may need, or compares across types, for which Aurora DSQL uses no index where PostgreSQL does.
 */
import { Linter } from "@effect-dsql/dialect"
import { Effect } from "effect"
import { given, isScan, type Node, parts, type Plan, scanned } from "./plans.ts"

export interface Expectation {
  /** The tables that are read along an index or not at all. */
  readonly growing: ReadonlySet<string>
  /** The schema's statements, for the types of columns. */
  readonly schema: string
  /** Rows that one statement may read. */
  readonly most: number
}

/** What is wrong with plans, each fault with the text of its statement. */
export const faults = Effect.fnUntraced(function* (plans: ReadonlyArray<Plan>, expected: Expectation) {
  const shaped = plans.flatMap(({ root, text }) =>
    shape(root, expected).map((fault) => `${fault}\n${drawn(root)}\n${text}`)
  )
  return [...shaped, ...(yield* acrossTypes(plans, expected.schema))]
})

const shape = (root: Node, { growing, most }: Expectation): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const { above, node } of parts(root)) {
    const table = node["Relation Name"] ?? ""
    if (!isScan(node) || !growing.has(table)) continue
    if (node["Node Type"] === "Seq Scan") found.push(`all of ${table} is read`)
    // What a LIMIT has cut is a page, and one row is in order; a part that was not run might have given any number.
    const limit = above.findIndex((each) => each["Node Type"] === "Limit")
    const sort = above.findIndex((each) => each["Node Type"] === "Sort")
    const several = node["Actual Loops"] === 0 || given(node) > 1
    if (several && sort !== -1 && (limit === -1 || sort < limit)) found.push(`rows of ${table} are sorted`)
  }
  const read = scanned(root)
  return read > most ? [...found, `${read} rows are read`] : found
}

/** A plan as people read it. */
const drawn = (root: Node): string =>
  parts(root)
    .map(({ above, node }) => {
      const rows = `${node["Actual Rows"]} rows${node["Actual Loops"] === 1 ? "" : `, ${node["Actual Loops"]} times`}`
      const what = [node["Node Type"], node["Relation Name"], node["Index Cond"], node.Filter].filter(Boolean)
      return `${"  ".repeat(above.length + 1)}${what.join(" ")}: ${rows}`
    })
    .join("\n")

/** The conditions of scans, which the server has written down with the types that it gave to what was sent. */
const acrossTypes = Effect.fnUntraced(function* (plans: ReadonlyArray<Plan>, schema: string) {
  const conditions = plans.flatMap(({ root, text }) =>
    parts(root).flatMap(({ node }) =>
      [node["Index Cond"], node["Recheck Cond"], node.Filter].flatMap((condition) => {
        const table = node["Relation Name"]
        // A part of the plan that stands in a condition is no SQL.
        if (condition === undefined || table === undefined || condition.includes("SubPlan")) return []
        return [{ sql: `SELECT 1 FROM ${table} AS ${node.Alias ?? table} WHERE ${condition}`, text }]
      })
    )
  )
  const texts = new Map(conditions.map(({ sql, text }) => [sql.replaceAll("\n", " "), text]))
  const script = [...texts.keys()]
  const found = yield* Linter.lint(`${script.join(";\n")};`, { schema })
  return found
    .filter(({ rule }) => rule === "comparison-type" || rule === "syntax-error")
    .map(({ line, message }) => `${message}\n${script[line - 1]}\n${texts.get(script[line - 1] ?? "")}`)
})
