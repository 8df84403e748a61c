/**
 * One SQL statement of Aurora DSQL: its text, its place, its parse tree.
 *
 * DSQL's grammar is PostgreSQL 16's plus two things: `CREATE INDEX ASYNC` and
 * `ALTER TABLE ASYNC`, and `AWS IAM GRANT` and `AWS IAM REVOKE`. `parse` splits
 * a text of any number of statements with PostgreSQL's own parser, having taken
 * those words out with PostgreSQL's own lexer. What a function, a procedure or a DO block runs is read with it, in
 * SQL and in PL/pgSQL.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Node, RawStmt } from "libpg-query"
import * as Engine from "./internal/engine.ts"
import type { Kind } from "./internal/kinds.ts"
import * as Iam from "./internal/iam.ts"
import { kinds } from "./internal/kinds.ts"
import { readBody } from "./internal/statement/body.ts"
import type { Inside, Statement, SyntaxError } from "./internal/statement/model.ts"
import { syntaxError } from "./internal/statement/model.ts"
import { moved } from "./internal/statement/moved.ts"
import * as Redacted from "./internal/statement/redacted.ts"
import { routine } from "./internal/statement/routine.ts"
import * as Tokens from "./internal/tokens.ts"
import { waitingWords } from "./internal/waiting.ts"
import * as ParseTree from "./ParseTree.ts"
import * as Source from "./Source.ts"

export type { Kind } from "./internal/kinds.ts"
export type { Body, Inside, Statement } from "./internal/statement/model.ts"
export { SyntaxError } from "./internal/statement/model.ts"

const explained = (query: Node | undefined, options: ReadonlyArray<Node> | undefined): Kind => {
  const analyze = ParseTree.all(options, "DefElem").some(
    ({ arg, defname }) => defname === "analyze" && !ParseTree.isOff(arg)
  )
  return analyze && query !== undefined && kindOf(query) === "dml" ? "dml" : "query"
}

const kindOf = (node: Node): Kind => {
  const statement = ParseTree.tagged(node)
  switch (statement.tag) {
    case "SelectStmt":
      return statement.node.intoClause !== undefined ? "ddl" : changesRows(node) ? "dml" : "query"
    case "ExplainStmt":
      return explained(statement.node.query, statement.node.options)
    case "CopyStmt":
      return statement.node.is_from === true ? "dml" : "query"
    default:
      return kinds[statement.tag] ?? "other"
  }
}

// PostgreSQL allows a data-modifying WITH at the top level only.
const changesRows = (node: Node): boolean =>
  (ParseTree.as(node, "SelectStmt")?.withClause?.ctes ?? []).some((cte) => {
    const query = ParseTree.as(cte, "CommonTableExpr")?.ctequery
    return query !== undefined && kinds[ParseTree.tagged(query).tag] === "dml"
  })

const parseText = Effect.fnUntraced(function* (
  source: Source.Source,
  text: string,
  tokens: ReadonlyArray<Engine.Token> | undefined
): Effect.fn.Return<{ readonly stmts: ReadonlyArray<RawStmt>; readonly asyncs: ReadonlyArray<number> }, SyntaxError> {
  let asyncs = Tokens.certainAsyncs(tokens ?? []).map((token) => source.fromByte(token.start))
  while (true) {
    const parsed = yield* Engine.parse(Tokens.withoutAsync(text, asyncs))
    if (parsed._tag === "Tree") return { stmts: parsed.tree.stmts ?? [], asyncs }
    if (parsed._tag === "TooDeep") {
      return yield* syntaxError(source, "54001", "stack depth limit exceeded: the statement is nested too deeply", 0)
    }
    const offset = source.fromCharacter(parsed.character)
    const async = Tokens.mentions(source.text, Tokens.async) ? yield* asyncBefore(source, tokens, offset) : undefined
    if (async === undefined || asyncs.includes(async)) {
      return yield* syntaxError(source, "42601", parsed.message, offset)
    }
    asyncs = [...asyncs, async].toSorted((a, b) => a - b)
  }
})

// `ALTER TABLE async ADD x int` is a table of that name, `ALTER TABLE ASYNC add ...` is not: PostgreSQL's parser
// decides, by refusing what follows. A text that cannot be scanned to its end is scanned up to that place.
const asyncBefore = Effect.fnUntraced(function* (
  source: Source.Source,
  tokens: ReadonlyArray<Engine.Token> | undefined,
  offset: number
) {
  const before = tokens ?? (yield* Engine.scan(source.text.slice(0, offset))) ?? []
  const token = Tokens.asyncBefore(before, (token) => source.fromByte(token.start) >= offset)
  return token === undefined ? undefined : source.fromByte(token.start)
})

const statement = (
  source: Source.Source,
  readable: string,
  stmt: RawStmt,
  asyncs: ReadonlyArray<number>,
  tokens: ReadonlyArray<Engine.Token> | undefined
): ReadonlyArray<Statement> => {
  if (stmt.stmt === undefined) return []
  const startByte = stmt.stmt_location ?? 0
  const endByte = stmt.stmt_len === undefined || stmt.stmt_len === 0 ? undefined : startByte + stmt.stmt_len
  const start = source.fromByte(startByte)
  const end = endByte === undefined ? source.text.length : source.fromByte(endByte)
  const [from, to] =
    tokens === undefined
      ? Tokens.trim(source.text, start, end)
      : Tokens.extent(tokens, startByte, endByte ?? Number.MAX_SAFE_INTEGER).map(source.fromByte)
  if (from === undefined || to === undefined) return []
  const own = asyncs.filter((offset) => offset >= from && offset < to)
  const postgres = readable.slice(from, to)
  return [
    {
      text: source.text.slice(from, to),
      postgres:
        own.length === 0
          ? postgres
          : Tokens.withoutAsync(
              postgres,
              own.map((offset) => offset - from)
            ),
      ...source.place(from),
      async: own.length > 0,
      kind: kindOf(stmt.stmt),
      node: stmt.stmt,
      source
    }
  ]
}

/**
 * Splits a text into its statements. An empty text, or one of comments alone, has none.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Statement } from "@effect-dsql/dialect"
 *
 * const program = Effect.gen(function* () {
 *   const [table, index] = yield* Statement.parse("CREATE TABLE t (id int); CREATE INDEX ASYNC ON t (id)")
 *   return [table?.async, index?.async] // [false, true]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = Effect.fnUntraced(function* (
  sql: string,
  inside?: Inside
): Effect.fn.Return<ReadonlyArray<Statement>, SyntaxError> {
  const parsed = yield* Effect.result(parseAlone(sql))
  if (inside === undefined) return yield* Effect.fromResult(parsed)
  if (Result.isSuccess(parsed)) return parsed.success.map((statement) => moved(statement, inside))
  const { message, offset, sqlstate } = parsed.failure
  return yield* syntaxError(inside.source, sqlstate, message, inside.at(offset))
})

// Scanning costs as much as parsing: it is left out where there is neither a comment nor a word of DSQL's to find.
const mustScan = (sql: string): boolean =>
  Tokens.mayHaveComment(sql) || Tokens.mentions(sql, Tokens.async) || Iam.mayMap(sql)

const parseAlone = Effect.fnUntraced(function* (sql: string): Effect.fn.Return<ReadonlyArray<Statement>, SyntaxError> {
  // The parser takes an empty text for a missing one.
  if (sql === "") return []
  const source = Source.make(sql)
  // PostgreSQL's parser reads up to the first NUL and would call the rest not there.
  const nul = sql.indexOf("\0")
  if (nul !== -1) return yield* syntaxError(source, "22021", 'invalid byte sequence for encoding "UTF8": 0x00', nul)
  const tokens = mustScan(sql) ? yield* Engine.scan(sql) : undefined
  const readable = tokens === undefined ? sql : Iam.readable(sql, tokens, source.fromByte)
  const { asyncs, stmts } = yield* parseText(source, readable, tokens)
  const statements = stmts.flatMap((stmt) => statement(source, readable, stmt, asyncs, tokens))
  return yield* Effect.forEach(statements, (statement) => {
    if (Iam.isChanged(statement.text, statement.postgres) && iamMapping(statement) === undefined) {
      return syntaxError(source, "42601", Iam.form, statement.offset)
    }
    const program = routine(statement.node)
    return program === undefined
      ? Effect.succeed(statement)
      : Effect.map(readBody(statement, program, parse), (body): Statement => ({ ...statement, body }))
  })
})

/**
 * The place in the source of a `location` in the statement's tree.
 *
 * @since 0.1.0
 * @category accessors
 */
export const at = (statement: Statement, location: number): Source.Place =>
  statement.source.place(statement.source.fromByte(location))

/**
 * Whether the statement itself changes rows: INSERT, UPDATE, DELETE, MERGE, COPY FROM, a query with such a statement in
 * its WITH, EXPLAIN ANALYZE of one. What a called function does is not seen.
 *
 * @since 0.1.0
 * @category conditions
 */
export const writes = (statement: Statement): boolean => statement.kind === "dml"

/**
 * What `AWS IAM GRANT` and `AWS IAM REVOKE` say: which identity may connect as which role.
 *
 * @since 0.1.0
 * @category models
 */
export interface IamMapping {
  readonly action: "grant" | "revoke"
  readonly role: string
  /** Of an IAM role or user, as written. */
  readonly arn: string
}

/**
 * What the statement says if it is `AWS IAM GRANT` or `AWS IAM REVOKE`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Statement } from "@effect-dsql/dialect"
 *
 * const program = Effect.gen(function* () {
 *   const [grant] = yield* Statement.parse("AWS IAM GRANT app TO 'arn:aws:iam::111122223333:role/app'")
 *   return grant && Statement.iamMapping(grant)?.role // "app"
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const iamMapping = ({ node, postgres, text }: Statement): IamMapping | undefined => {
  const grant = ParseTree.as(node, "GrantRoleStmt")
  if (grant === undefined || !Iam.isChanged(text, postgres)) return undefined
  const [role, anotherRole] = ParseTree.all(grant.granted_roles, "AccessPriv")
  const [arn, another] = Iam.literals(Engine.tokensOf(text) ?? [])
  const isMore = anotherRole !== undefined || another !== undefined || grant.grantee_roles?.length !== 1
  if (role?.priv_name === undefined || arn === undefined || isMore || grant.opt !== undefined) return undefined
  return { action: grant.is_grant === true ? "grant" : "revoke", role: role.priv_name, arn }
}

/**
 * A row-locking clause: its strength, and what it says about waiting (`block` if nothing).
 *
 * @since 0.1.0
 * @category models
 */
export interface Lock {
  readonly strength: "for key share" | "for share" | "for no key update" | "for update"
  readonly wait: "block" | "skip locked" | "nowait"
  /** The tables after OF; none means all of the query. */
  readonly of: ReadonlyArray<string>
}

const strengths: Readonly<Record<string, Lock["strength"]>> = {
  LCS_FORKEYSHARE: "for key share",
  LCS_FORSHARE: "for share",
  LCS_FORNOKEYUPDATE: "for no key update",
  LCS_FORUPDATE: "for update"
}

const waits: Readonly<Record<string, Lock["wait"]>> = { LockWaitSkip: "skip locked", LockWaitError: "nowait" }

/**
 * The row-locking clauses of the statement, those of its subqueries and WITH included.
 *
 * @since 0.1.0
 * @category accessors
 */
export const locks = (statement: Statement): ReadonlyArray<Lock> => {
  const found: Array<Lock> = []
  ParseTree.walk(statement.node, {
    LockingClause: (clause) => {
      const strength = strengths[clause.strength ?? ""]
      if (strength === undefined) return
      const of = (clause.lockedRels ?? []).flatMap((table) => ParseTree.as(table, "RangeVar")?.relname ?? [])
      found.push({ strength, wait: waits[clause.waitPolicy ?? ""] ?? "block", of })
    }
  })
  return found
}

/**
 * The statement as PostgreSQL 16 understands it, with spaces for SKIP LOCKED and NOWAIT: nobody holds a row that DSQL
 * could skip or wait for, so there they change nothing.
 *
 * @since 0.1.0
 * @category accessors
 */
export const withoutWaiting = (statement: Statement): string => {
  const { postgres } = statement
  if (locks(statement).every(({ wait }) => wait === "block")) return postgres
  const own = Source.make(postgres)
  const code = (Engine.tokensOf(postgres) ?? []).filter((token) => !Tokens.isComment(token))
  return waitingWords(code).reduce((text, token) => {
    const [from, to] = [own.fromByte(token.start), own.fromByte(token.end)]
    return text.slice(0, from) + " ".repeat(to - from) + text.slice(to)
  }, postgres)
}

/**
 * Where the query of CREATE VIEW begins in the statement's text, in UTF-16 units; undefined for any other statement.
 *
 * @since 0.1.0
 * @category accessors
 */
export const viewQuery = ({ node, text }: Statement): number | undefined => {
  if (!("ViewStmt" in node)) return undefined
  const code = (Engine.tokensOf(text) ?? []).filter((token) => !Tokens.isComment(token))
  const first = code[Tokens.outerWord(code, "AS") + 1]
  return first === undefined ? undefined : Source.make(text).fromByte(first.start)
}

/**
 * Every relation that the statement names, with the place of its name in the statement's text, in UTF-16 units.
 *
 * @since 0.1.0
 * @category accessors
 */
export const relations = (
  statement: Statement
): ReadonlyArray<{ readonly relation: ParseTree.Fields<"RangeVar">; readonly from: number; readonly to: number }> => {
  const own = Source.make(statement.text)
  const code = (Engine.tokensOf(statement.text) ?? []).filter((token) => !Tokens.isComment(token))
  const starts = code.map(({ start }) => own.fromByte(start))
  const found: Array<ReturnType<typeof relations>[number]> = []
  ParseTree.walk(statement.node, {
    RangeVar: (relation) => {
      const { catalogname, location = 0, schemaname } = relation
      const from = at(statement, location).offset - statement.offset
      const dots = [catalogname, schemaname].filter((part) => part !== undefined).length
      const last = code[starts.indexOf(from) + 2 * dots]
      if (last !== undefined) found.push({ relation, from, to: own.fromByte(last.end) })
    }
  })
  return found
}

/**
 * The statement as written, but with `'***'` for each password in it: what may be shown and kept. Where the word
 * PASSWORD stands in a comment, in what is said of an object or set for a role, or in the body of a function or a DO,
 * the comment and every text beside it are left out as well.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Statement } from "@effect-dsql/dialect"
 *
 * const program = Effect.gen(function* () {
 *   const [role] = yield* Statement.parse("CREATE ROLE app LOGIN PASSWORD 'secret'")
 *   return role && Statement.redacted(role) // "CREATE ROLE app LOGIN PASSWORD '***'"
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const redacted = (statement: Statement): string => Redacted.redacted(statement)

/**
 * The statement as written, but with `'…'` for each text in quotes, and without comments: for a line that says which
 * statement it is, and nothing of what it holds.
 *
 * @since 0.1.0
 * @category accessors
 */
export const withoutTexts = (statement: Statement): string => Redacted.withoutTexts(statement)

/**
 * The statement with `?` for each text and number in it, and without comments: what statements have in common that
 * differ in their values alone.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Statement } from "@effect-dsql/dialect"
 *
 * const program = Effect.gen(function* () {
 *   const [select] = yield* Statement.parse("SELECT name FROM users WHERE id = 7")
 *   return select && Statement.shape(select) // "SELECT name FROM users WHERE id = ?"
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const shape = (statement: Statement): string => Redacted.shape(statement)
