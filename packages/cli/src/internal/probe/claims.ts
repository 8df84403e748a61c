/**
 * Claims as questions: what somebody knows of a cluster, asked of this one.
 */
import { type Claim, ParseTree, Statement } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { Probe } from "./probe.ts"
import { alone } from "./probe.ts"

/** What is made or changed beside all schemas, or waits for rows of the client. */
const elsewhere: ReadonlySet<ParseTree.Tag> = new Set<ParseTree.Tag>([
  "AlterDatabaseSetStmt",
  "AlterDatabaseStmt",
  "AlterRoleSetStmt",
  "AlterRoleStmt",
  "CopyStmt",
  "CreateRoleStmt",
  "CreateSchemaStmt",
  "DropRoleStmt",
  "GrantRoleStmt"
])

const isWithin = (sql: string): Effect.Effect<boolean> =>
  Statement.parse(sql).pipe(
    Effect.map((statements) => statements.every(({ node }) => !elsewhere.has(ParseTree.tagged(node).tag))),
    // What the parser refuses makes nothing.
    Effect.orElseSucceed(() => true)
  )

const probe = ({ answer, confidence, date, id, setup, source, statements, topic }: Claim.Claim): Probe =>
  alone("claim", id, `${topic}: ${source} (${[date, confidence].join(", ")})`, [
    ...setup.map((sql) => ({ sql })),
    ...statements.map((sql, i) => (i === statements.length - 1 ? { sql, expected: { claim: answer } } : { sql }))
  ])

/** The claims that can be asked in a schema of one's own, on a connection that is there. */
export const probes = (claims: ReadonlyArray<Claim.Claim>): Effect.Effect<ReadonlyArray<Probe>> =>
  Effect.gen(function* () {
    const within = yield* Effect.filter(claims, ({ options, setup, statements }) =>
      options === undefined
        ? Effect.map(Effect.forEach([...setup, ...statements], isWithin), (each) => each.every(Boolean))
        : Effect.succeed(false)
    )
    return within.map(probe)
  })
