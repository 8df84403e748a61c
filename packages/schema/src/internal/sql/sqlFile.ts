/**
 * The SQL files of a schema: their statements, and where each stands.
 */
import * as Linter from "@effect-dsql/dialect/Linter"
import type * as ParseTree from "@effect-dsql/dialect/ParseTree"
import * as Statement from "@effect-dsql/dialect/Statement"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { InvalidStatement, SourceUnreadable } from "../../SourceError.ts"
import type { SqlStatement } from "../../SqlStatement.ts"
import { of as targetOf, summary as summaryOf } from "./target.ts"

/** Makes a statement of what a parser found. */
export const make = (statement: Statement.Statement, location: string): SqlStatement => {
  const target = targetOf(statement.node)
  const shown = Statement.redacted(statement)
  return {
    text: statement.text,
    postgres: statement.postgres,
    shown,
    async: statement.async,
    changesRows: changesRows(statement),
    // Not of a password either: everybody who reads the journal could try words until one fits.
    checksum: createHash("sha256").update(shown.replaceAll("\r\n", "\n")).digest("hex"),
    location,
    summary: summaryOf(statement, target),
    target
  }
}

/**
 * DO and CALL may: of what they do, the catalogue shows nothing, so it is recorded as a change of rows is. A block that
 * defines something shares its transaction with no change of rows, and so with no record of it either.
 */
const changesRows = ({ body, kind, node }: Statement.Statement): boolean =>
  kind === "dml" || "CallStmt" in node || ("DoStmt" in node && !(body?.statements ?? []).some(defines))

const defines = ({ kind }: Statement.Statement): boolean => kind === "ddl"

type Parsed = Effect.Effect<ReadonlyArray<SqlStatement>, SourceUnreadable | InvalidStatement>

/** What was found in files, by their paths: parsing them takes longer than all else that is done to know a schema. */
const found = new Map<string, { readonly bytes: Uint8Array; readonly statements: ReadonlyArray<SqlStatement> }>()

/** Files of which that is kept. */
const kept = 100

/**
 * Reads the statements of a file. What Aurora DSQL would refuse is refused, with
 * the linter's rule and advice, and so is what a schema may not hold: statements
 * that begin or end a transaction, change the session, or only read.
 */
export const parse = (bytes: Uint8Array, path: string): Parsed =>
  Effect.gen(function* () {
    const known = found.get(path)
    if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) return known.statements
    const statements = yield* parseAnew(bytes, path)
    if (found.size >= kept) found.clear()
    found.set(path, { bytes, statements })
    return statements
  })

const parseAnew = (bytes: Uint8Array, path: string): Parsed =>
  Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => new SourceUnreadable({ path, problem: "it is not UTF-8 text: save it as UTF-8" })
    })
    const statements = yield* Effect.mapError(
      Statement.parse(text),
      ({ column, line, shown }) => new InvalidStatement({ path, line, column, problem: shown })
    )
    if (statements.length === 0) {
      const problem = "there is no statement in it, and what is recorded as done cannot be written later: write one"
      return yield* new InvalidStatement({ path, line: 1, column: 1, problem })
    }
    for (const statement of statements) {
      const problem = problemOf(statement)
      if (problem !== undefined) {
        return yield* new InvalidStatement({ path, line: statement.line, column: statement.column, problem })
      }
    }
    const findings = yield* Linter.lint(text, { file: path })
    const error = findings.find(({ severity }) => severity === "error")
    if (error !== undefined) {
      const { column, hint, line, message, rule } = error
      return yield* new InvalidStatement({ path, line, column, problem: `${message} (${rule}): ${hint}` })
    }
    return statements.map((statement) => make(statement, `${path}:${statement.line}`))
  })

const changes = ({ kind }: Statement.Statement): boolean => kind === "dml"

const problemOf = ({ body, kind, node }: Statement.Statement): string | undefined => {
  if (usesSession.some((tag) => tag in node)) {
    return "a schema file cannot use what a session holds, its statements may run on several connections: remove it"
  }
  switch (kind) {
    case "transaction":
      return "a schema file cannot begin or end a transaction, each statement has one of its own: remove it"
    case "session":
      return "a schema file cannot change the session, its statements may run on several connections: remove it"
    case "query":
      return "a schema file cannot hold a statement that only reads: remove it"
    default:
      if ("DoStmt" in node && [defines, changes].every((does) => body?.statements.some(does) === true)) {
        return "a block that defines something and changes rows cannot be recorded with either: make two statements of it"
      }
      if ("CopyStmt" in node) {
        return "a schema file cannot hold COPY, whose rows come from the client and not from the file: write INSERT"
      }
      return "IndexStmt" in node && node.IndexStmt.idxname === undefined
        ? "the index has no name, so a second run would create another one: give it a name"
        : undefined
  }
}

/** What was prepared, opened or listened to before, on the same connection. */
const usesSession: ReadonlyArray<ParseTree.Tag> = [
  "ExecuteStmt",
  "DeallocateStmt",
  "FetchStmt",
  "ClosePortalStmt",
  "UnlistenStmt"
]
