/**
 * What a statement reads: the plan by which the server ran it, with the rows that each part of it took.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect } from "effect"
import { asItIs, stepping } from "../../../../test/sessions.ts"

interface Node {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Index Name"?: string
  readonly "Actual Rows": number
  readonly "Actual Loops": number
  readonly "Rows Removed by Filter"?: number
  readonly "Rows Removed by Index Recheck"?: number
  readonly Plans?: ReadonlyArray<Node>
}

/** A statement, and how it was run. */
export interface Planned {
  readonly text: string
  /** Tables that were read from end to end. */
  readonly scanned: ReadonlyArray<string>
  /** The most rows that one part of it sorted. */
  readonly sorted: number
  /** Rows that were read of each table, those too that were then left out. */
  readonly read: Readonly<Record<string, number>>
}

const nodesOf = (node: Node): ReadonlyArray<Node> => [node, ...(node.Plans ?? []).flatMap(nodesOf)]

const planned = (text: string, root: Node): Planned => {
  const read: Record<string, number> = {}
  const nodes = nodesOf(root)
  const rowsOf = (node: Node) =>
    (node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0) + (node["Rows Removed by Index Recheck"] ?? 0)) *
    node["Actual Loops"]
  for (const node of nodes) {
    const table = node["Relation Name"]
    if (table !== undefined && node["Node Type"].endsWith("Scan")) read[table] = (read[table] ?? 0) + rowsOf(node)
  }
  return {
    text,
    scanned: nodes.flatMap((node) => (node["Node Type"] === "Seq Scan" ? (node["Relation Name"] ?? []) : [])),
    sorted: Math.max(0, ...nodes.map((node) => (node["Node Type"].includes("Sort") ? rowsOf(node) : 0))),
    read
  }
}

/** Runs a program, and gives the plan of each statement that it sends beside what comes of it. */
export const plansOf = <A, E>(program: Effect.Effect<A, E, DsqlClient.DsqlClient>) =>
  Effect.gen(function* () {
    const client = yield* DsqlClient.DsqlClient
    const plans: Array<Planned> = []
    const value = yield* stepping(client, Effect.void, asItIs, program, (connection, text, params) =>
      Effect.gen(function* () {
        const send = (text: string, params: ReadonlyArray<unknown> = []) =>
          connection.executeUnprepared(text, params, undefined)
        // It is run for its plan, taken back, and run again.
        yield* send("SAVEPOINT planned")
        // A row that lies elsewhere is no dearer than the next one: neither lies on a disk of this server's.
        yield* send("SET LOCAL random_page_cost = 1")
        const [row] = yield* send(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, params)
        yield* send("ROLLBACK TO planned")
        // The one column of EXPLAIN's one row, as its documentation has it.
        const [{ Plan }] = row["QUERY PLAN"] as [{ readonly Plan: Node }]
        plans.push(planned(text, Plan))
      })
    )
    return { value, plans }
  })
