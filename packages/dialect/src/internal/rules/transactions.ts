/**
 * What DSQL refuses of transactions: savepoints, isolation levels, two-phase commit.
 */
import type { Node, TransactionStmtKind } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"
import type { Definition, Finder, Match } from "./definition.ts"
import { define, documented, found, foundIf, inferred, linted, page, recorded } from "./definition.ts"

const noSavepoint = "Roll back the whole transaction and run it again; part of one cannot be undone."

const kind =
  (kind: TransactionStmtKind): Finder<"TransactionStmt"> =>
  (node) =>
    foundIf(node.kind === kind)

const refusedLevel = (level: Node | undefined): ReadonlyArray<Match> => {
  const asked = ParseTree.text(level)?.toUpperCase()
  return asked === undefined || asked === "REPEATABLE READ" || asked === "DEFAULT"
    ? []
    : found(ParseTree.as(level, "A_Const")?.location, { level: asked })
}

const isolation: ReadonlySet<string> = new Set(["transaction_isolation", "default_transaction_isolation"])

const twoPhase: Readonly<Partial<Record<TransactionStmtKind, string>>> = {
  TRANS_STMT_PREPARE: "PREPARE TRANSACTION",
  TRANS_STMT_COMMIT_PREPARED: "COMMIT PREPARED",
  TRANS_STMT_ROLLBACK_PREPARED: "ROLLBACK PREPARED"
}

export const transactions: ReadonlyArray<Definition> = [
  // Checked before SET TRANSACTION itself is refused: a cluster answered so.
  define({
    id: "isolation-level",
    construct: "an isolation level other than REPEATABLE READ",
    message: "Unsupported isolation level: {level}",
    hint: "Leave the level out: every transaction sees a snapshot; lock rows FOR UPDATE where that is not enough.",
    ...recorded,
    when: {
      TransactionStmt: ({ options }) => refusedLevel(ParseTree.option(options, "transaction_isolation")?.arg),
      VariableSetStmt: ({ args, kind, name }) =>
        kind === "VAR_SET_MULTI"
          ? refusedLevel(ParseTree.option(args, "transaction_isolation")?.arg)
          : isolation.has(name ?? "")
            ? refusedLevel(args?.[0])
            : []
    }
  }),
  define({
    id: "set-transaction",
    construct: "SET TRANSACTION; SET SESSION CHARACTERISTICS ... DEFERRABLE",
    message: 'setting configuration parameter "TRANSACTION" not supported',
    hint: "Say it in BEGIN: BEGIN READ ONLY; or for all transactions: SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY.",
    ...recorded,
    when: {
      VariableSetStmt: ({ args, kind, name }) =>
        foundIf(
          kind === "VAR_SET_MULTI" &&
            (name !== "SESSION CHARACTERISTICS" || ParseTree.option(args, "transaction_deferrable") !== undefined)
        )
    }
  }),
  define({
    id: "transaction-chain",
    construct: "COMMIT AND CHAIN, ROLLBACK AND CHAIN",
    message: "unsupported transaction statement: AND CHAIN",
    hint: "BEGIN the next transaction.",
    ...linted,
    when: { TransactionStmt: ({ chain }) => foundIf(chain) }
  }),
  define({
    id: "savepoint",
    construct: "SAVEPOINT",
    message: "unsupported transaction statement: SAVEPOINT",
    hint: noSavepoint,
    ...recorded,
    when: { TransactionStmt: kind("TRANS_STMT_SAVEPOINT") }
  }),
  define({
    id: "release-savepoint",
    construct: "RELEASE SAVEPOINT",
    message: "unsupported transaction statement: RELEASE",
    hint: noSavepoint,
    ...inferred(page.subset),
    when: { TransactionStmt: kind("TRANS_STMT_RELEASE") }
  }),
  define({
    id: "rollback-to-savepoint",
    construct: "ROLLBACK TO SAVEPOINT",
    message: "unsupported transaction statement: ROLLBACK TO",
    hint: noSavepoint,
    ...recorded,
    when: { TransactionStmt: kind("TRANS_STMT_ROLLBACK_TO") }
  }),
  define({
    id: "two-phase-commit",
    construct: "PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED",
    message: "unsupported transaction statement: {statement}",
    hint: "Commit in one database, and make the other's work repeatable.",
    ...inferred(page.subset),
    when: {
      TransactionStmt: ({ kind }) => {
        const statement = kind === undefined ? undefined : twoPhase[kind]
        return statement === undefined ? [] : found(undefined, { statement })
      }
    }
  })
]

/** What DSQL refuses of statements that share a transaction; `Dialect.mix` applies them. */
export const mixtures = {
  multipleDdl: define({
    id: "multiple-ddl",
    construct: "two DDL statements in one transaction",
    message: "multiple ddl statements not supported in a transaction",
    hint: "Commit after each DDL statement; several statements in one message are one transaction.",
    ...recorded,
    when: {}
  }),
  ddlAndDml: define({
    id: "ddl-and-dml",
    construct: "DDL and a change of rows in one transaction",
    message: "ddl and dml are not supported in the same transaction",
    hint: "Commit between them, and record what was done so that a crash between the two is found.",
    ...recorded,
    when: {}
  }),
  aborted: define({
    id: "aborted-transaction",
    construct: "any statement but COMMIT and ROLLBACK in a failed transaction",
    sqlstate: "25P02",
    message: "current transaction is aborted, commands ignored until end of transaction block",
    hint: "ROLLBACK, and run the transaction again.",
    ...recorded,
    when: {}
  }),
  rows: define({
    id: "transaction-rows",
    construct: "more than 3,000 changed rows in one transaction",
    sqlstate: "54000",
    message: "transaction row limit exceeded",
    hint: "Change at most 3,000 rows per transaction.",
    ...recorded,
    when: {}
  }),
  age: define({
    id: "transaction-age",
    construct: "a transaction older than five minutes",
    sqlstate: "54000",
    message: "transaction age limit of 300s exceeded",
    hint: "Commit within five minutes.",
    ...documented(page.quotas),
    when: {}
  })
} as const
