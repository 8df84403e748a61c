/**
 * One transaction by DSQL's rules: REPEATABLE READ, no savepoints, and a COMMIT
 * that says what happened.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { UnsupportedFeature } from "../../DsqlError.ts"
import { isFinishing, type Last } from "../connection/lastStatements.ts"
import { TransactionSession } from "../connection/transactionSession.ts"
import { carry } from "../errors/classify.ts"
import { Deadline, withinDeadline } from "./deadline.ts"
import { Single } from "./single.ts"
import { isTraced } from "./traced.ts"

/** Reserves a session, until the scope closes. */
export type Acquire<S extends Connection> = Effect.Effect<S, SqlError, Scope.Scope>

const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"

/** Begins a transaction that cannot write. */
export const beginReadOnly = `${begin} READ ONLY`

/** What becomes of a transaction inside another. */
export type Nested = "refuse" | "join"

/** Makes `withTransaction` for a client, with connections from `acquire`. */
export const withTransaction = (
  sql: SqlClient.SqlClient,
  acquire: Acquire<TransactionSession>,
  nested: Nested
): SqlClient.SqlClient["withTransaction"] => {
  const begun = SqlClient.makeWithTransaction<SqlClient.TransactionConnection, Connection>({
    transactionService: sql.transactionService,
    spanAttributes: [],
    acquireConnection: (restore) => restore(connection(acquire)),
    begin: (conn, statement) => own(conn).begin(statement ?? begin),
    commit: (conn) => own(conn).commit,
    rollback: (conn) => own(conn).close,
    savepoint: () => Effect.fail(nestedWithout),
    rollbackSavepoint: () => Effect.void
  })
  return (effect) =>
    Effect.withFiber((fiber) => {
      if (fiber.getRef(Single) !== undefined) return Effect.fail(inSingle("a transaction cannot start"))
      const outer = nested === "join" ? sessionOf(sql, fiber.context) : undefined
      return outer instanceof TransactionSession ? joined(outer, effect) : begun(effect)
    })
}

/** Without savepoints, what a part wrote before it failed can only be undone with all the rest. */
const joined = <A, E, R>(outer: TransactionSession, part: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onExit(part, (exit) =>
    Effect.sync(() => {
      if (Exit.isFailure(exit)) outer.fail(exit.cause)
    })
  )

/** Runs an effect that commits by itself, and so cannot be a part of another transaction. */
export const outermost = <A, E, R>(
  sql: SqlClient.SqlClient,
  transaction: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError, R> =>
  Effect.withFiber<A, E | SqlError, R>((fiber) =>
    sessionOf(sql, fiber.context) === undefined ? transaction : Effect.fail(inAnother)
  )

const sessionOf = (sql: SqlClient.SqlClient, context: Context.Context<never>): Connection | undefined =>
  Context.getOrUndefined(context, sql.transactionService)?.[0]

/** What a program of one statement is told that wants more. */
export const inSingle = (what: string): SqlError =>
  carry(
    new UnsupportedFeature({
      message: `${what} inside Transaction.autocommit, which is one statement: use Transaction.run`
    }),
    "query"
  )

const connection = (acquire: Acquire<TransactionSession>): Acquire<TransactionSession> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(Deadline) === undefined
      ? acquire
      : Effect.catchTag(withinDeadline(acquire), "DeadlineExceeded", (error) => Effect.fail(carry(error, "connect")))
  )

const inAnotherWith = (instead: string) =>
  carry(
    new UnsupportedFeature({
      message: `Aurora DSQL has no savepoints, so a transaction cannot start inside another: ${instead}`
    }),
    "savepoint"
  )

const inAnother = inAnotherWith("run it before or after")

const nestedWithout = inAnotherWith(
  'run it before or after, or let it join the outer one with the option nested: "join"'
)

/** What `acquire` gave; Effect SQL knows it as a connection. */
const own = (conn: Connection): TransactionSession => conn as TransactionSession

/** Leaves statements to be sent together with the COMMIT of the transaction that the program runs in. */
export const leave = (
  sql: SqlClient.SqlClient,
  statements: ReadonlyArray<Statement.Statement<object>>,
  settle: Last["settle"]
): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const session = sessionOf(sql, fiber.context)
    if (!isFinishing(session)) return Effect.die(new Error("there is no transaction to end"))
    const { context } = fiber
    const here: (outer: Context.Context<never>) => Context.Context<never> = () => context
    const within = (statement: Effect.Effect<unknown, SqlError>) =>
      Effect.uninterruptible(Effect.updateContext(statement, here))
    const last: Last = {
      get statements() {
        return statements.map(within)
      },
      settle
    }
    const isPlain =
      !isTraced(fiber) &&
      fiber.getRef(Statement.CurrentTransformer) === undefined &&
      statements.every((statement) => Object.getPrototypeOf(statement) === plainOf(sql))
    if (session instanceof TransactionSession) session.leave(last, isPlain ? statements : undefined)
    else session.leave(last)
    return Effect.void
  })

let plain: unknown

/** What statements are made after to which nobody has added anything. */
const plainOf = (sql: SqlClient.SqlClient): unknown => (plain ??= Object.getPrototypeOf(sql.unsafe("")))
