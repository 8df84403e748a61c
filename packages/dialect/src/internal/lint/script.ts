/**
 * The statements of a text and the transactions that they run in; what a rule over several statements is given.
 */
import type { Severity } from "../../Finding.ts"
import type { Place } from "../../Source.ts"
import type { Statement } from "../../Statement.ts"
import * as ParseTree from "../../ParseTree.ts"

/** A statement and its transaction: statements with the same number share one. */
export interface Step {
  readonly statement: Statement
  readonly transaction: number
  /** Whether it is inside of BEGIN ... COMMIT, those two included. */
  readonly explicit: boolean
}

/** The steps of a text, in order; what a DO block runs each time stands behind it, in its transaction. */
export interface Script {
  readonly steps: ReadonlyArray<Step>
  /** All statements, those in bodies included. */
  readonly statements: ReadonlyArray<Statement>
  /** The statements that made the tables which were there before; no rule looks at them themselves. */
  readonly schema: ReadonlyArray<Statement>
}

/** A statement and those in its body. */
const withBody = (statement: Statement): ReadonlyArray<Statement> => [
  statement,
  ...(statement.body?.statements ?? []).flatMap(withBody)
]

/** What runs as soon as the statement does. */
const running = (statement: Statement): ReadonlyArray<Statement> =>
  "DoStmt" in statement.node ? [statement, ...(statement.body?.always ?? []).flatMap(running)] : [statement]

/** A found place: in a statement, at a `location` of its tree if that says more than the statement's beginning. */
export interface Spot {
  readonly statement: Statement
  readonly location?: number | undefined
  /** Where it is no node of the tree. */
  readonly place?: Place | undefined
  readonly message: string
  /** Only where it differs from the rule's. */
  readonly hint?: string | undefined
}

/** A rule over a script. */
export interface Check {
  readonly id: string
  readonly severity: Severity
  readonly description: string
  readonly hint: string
  readonly sqlstate?: string | undefined
  readonly source: string
  readonly find: (script: Script) => ReadonlyArray<Spot>
}

/** What a transaction statement does. */
export const boundary = (statement: Statement): "begin" | "end" | undefined => {
  const kind = ParseTree.as(statement.node, "TransactionStmt")?.kind
  if (kind === "TRANS_STMT_BEGIN" || kind === "TRANS_STMT_START") return "begin"
  if (kind === "TRANS_STMT_COMMIT" || kind === "TRANS_STMT_ROLLBACK") return "end"
  return undefined
}

/** Numbers the transactions: each statement has its own outside of BEGIN, or all share one if sent as one message. */
export const script = (
  statements: ReadonlyArray<Statement>,
  oneMessage: boolean,
  schema: ReadonlyArray<Statement>
): Script => {
  let transaction = 0
  let explicit = false
  const steps = statements.flatMap((statement): ReadonlyArray<Step> => {
    const edge = boundary(statement)
    // BEGIN in the middle of a message takes what the message did before into its transaction.
    if (!explicit && !oneMessage) transaction++
    const own = transaction
    const within = explicit || edge !== undefined
    if (edge === "begin") explicit = true
    if (edge === "end") {
      explicit = false
      transaction++
    }
    return running(statement).map((statement) => ({ statement, transaction: own, explicit: within }))
  })
  return { steps, statements: statements.flatMap(withBody), schema }
}

/** Where the linter's own rules are argued for. */
export const guide = (page: string): string => `https://docs.aws.amazon.com/aurora-dsql/latest/userguide/${page}.html`
