/**
 * Lint rules over the statements of one transaction.
 */
import * as Option from "effect/Option"
import type { Mix } from "../../Dialect.ts"
import * as Dialect from "../../Dialect.ts"
import * as Limits from "../../Limits.ts"
import type { Refusal } from "../../Rule.ts"
import * as Statement from "../../Statement.ts"
import { mixtures } from "../rules/transactions.ts"
import * as ParseTree from "../../ParseTree.ts"
import type { Check, Script, Spot, Step } from "./script.ts"
import { boundary, guide } from "./script.ts"

type Mixed = readonly [refusal: Refusal, statement: Statement.Statement]

const mixedIn = (statements: ReadonlyArray<Statement.Statement>): ReadonlyArray<Mixed> => {
  let mix: Mix = "empty"
  // The statements of a DO block are here themselves.
  return statements
    .filter(({ node }) => !("DoStmt" in node))
    .flatMap((statement): ReadonlyArray<Mixed> => {
      const next = Dialect.mix(mix, statement)
      mix = next.mix
      return Option.isSome(next.refusal) ? [[next.refusal.value, statement]] : []
    })
}

/** In each transaction, and in each body that will run in one. */
const mixed = ({ statements, steps }: Script): ReadonlyArray<Mixed> => {
  const transactions = Map.groupBy(steps, ({ transaction }) => transaction)
  const bodies = statements.filter(({ node }) => "CreateFunctionStmt" in node).map(({ body }) => body?.always ?? [])
  return [...[...transactions.values()].map((steps) => steps.map(({ statement }) => statement)), ...bodies].flatMap(
    mixedIn
  )
}

const mixture = (rule: typeof mixtures.multipleDdl): Check => ({
  id: rule.id,
  severity: "error",
  description: rule.construct,
  hint: rule.hint,
  sqlstate: rule.sqlstate,
  source: rule.source,
  find: (script) =>
    mixed(script)
      .filter(([refusal]) => refusal.rule === rule.id)
      .map(([refusal, statement]): Spot => ({ statement, message: refusal.message }))
})

const valuesRows = ({ node }: Statement.Statement): number =>
  ParseTree.as(ParseTree.as(node, "InsertStmt")?.selectStmt, "SelectStmt")?.valuesLists?.length ?? 0

const tooManyRows: Check = {
  id: mixtures.rows.id,
  severity: "error",
  description: mixtures.rows.construct,
  hint: mixtures.rows.hint,
  sqlstate: mixtures.rows.sqlstate,
  source: mixtures.rows.source,
  find: ({ steps }) => {
    const rows = new Map<number, number>()
    return steps.flatMap(({ statement, transaction }): ReadonlyArray<Spot> => {
      const before = rows.get(transaction) ?? 0
      const after = before + valuesRows(statement)
      rows.set(transaction, after)
      return before <= Limits.transactionRows && after > Limits.transactionRows
        ? [{ statement, message: mixtures.rows.message }]
        : []
    })
  }
}

/** The steps at which a transaction begins or ends although one is open, or none is. */
const outOfTurn = ({ steps }: Script, edge: "begin" | "end"): ReadonlyArray<Step> => {
  let open = false
  return steps.filter(({ statement }) => {
    const here = boundary(statement)
    const wrong = here === edge && open === (edge === "begin")
    if (here !== undefined) open = here === "begin"
    return wrong
  })
}

const nested: Check = {
  id: "nested-transaction",
  severity: "warning",
  description: "BEGIN inside of a transaction",
  hint: "COMMIT before it, or leave it out.",
  source: guide("working-with-postgresql-compatibility-supported-sql-subsets"),
  find: (script) =>
    outOfTurn(script, "begin").map(({ statement }): Spot => ({
      statement,
      message: "there is already a transaction in progress: this BEGIN does nothing, and the next COMMIT ends both"
    }))
}

const leftOpen: Check = {
  id: "transaction-left-open",
  severity: "warning",
  description: "BEGIN without COMMIT or ROLLBACK",
  hint: "COMMIT, within five minutes.",
  source: guide("CHAP_quotas"),
  find: ({ steps }) => {
    const last = steps.findLast(({ statement }) => boundary(statement) !== undefined)
    return last !== undefined && boundary(last.statement) === "begin"
      ? [{ statement: last.statement, message: "the transaction is still open at the end: nothing of it is kept" }]
      : []
  }
}

const endsNothing: Check = {
  id: "no-transaction",
  severity: "warning",
  description: "COMMIT or ROLLBACK without BEGIN",
  hint: "BEGIN before the statements that belong together, or leave it out.",
  source: guide("working-with-postgresql-compatibility-supported-sql-subsets"),
  find: (script) =>
    outOfTurn(script, "end").map(({ statement }): Spot => ({
      statement,
      message: "there is no transaction in progress: every statement before it is kept"
    }))
}

const waiting: Check = {
  id: "lock-without-waiting",
  severity: "warning",
  description: "SKIP LOCKED or NOWAIT",
  hint: "Claim with UPDATE ... WHERE and a token, spread claimants over the rows, and retry the conflict.",
  source: guide("working-with-concurrency-control"),
  find: ({ statements }) =>
    statements.flatMap((statement) =>
      Statement.locks(statement)
        .filter(({ wait }) => wait !== "block")
        .map(({ wait }): Spot => ({
          statement,
          message: `${wait.toUpperCase()} has no effect: nobody waits for a row, two transactions take the same one and the later COMMIT fails with 40001`
        }))
    )
}

export const transactionChecks: ReadonlyArray<Check> = [
  mixture(mixtures.multipleDdl),
  mixture(mixtures.ddlAndDml),
  tooManyRows,
  nested,
  leftOpen,
  endsNothing,
  waiting
]
