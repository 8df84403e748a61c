/**
 * One transaction by DSQL's rules: REPEATABLE READ, no savepoints, and a COMMIT
 * that says what happened.
 */
import type { Result } from "@effect/sql-pg/PgConnection"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import { StatementFailed, UnsupportedFeature } from "../../DsqlError.ts"
import { TransactionSession } from "../connection/transactionSession.ts"
import { carry, classify, orUnknown } from "../errors/classify.ts"
import { withinDeadline } from "./deadline.ts"
import { Single } from "./single.ts"

/** Reserves a connection of one's own, until the scope closes. */
export type Acquire = Effect.Effect<Connection, SqlError, Scope.Scope>

const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"

/** Begins a transaction that cannot write. */
export const beginReadOnly = `${begin} READ ONLY`

/** What becomes of a transaction inside another. */
export type Nested = "refuse" | "join"

/** Makes `withTransaction` for a client, with connections from `acquire`. */
export const withTransaction = (
  sql: SqlClient.SqlClient,
  acquire: Acquire,
  nested: Nested
): SqlClient.SqlClient["withTransaction"] => {
  const begun = SqlClient.makeWithTransaction<SqlClient.TransactionConnection, Connection>({
    transactionService: sql.transactionService,
    spanAttributes: [],
    acquireConnection: (restore) => restore(connection(acquire)),
    begin: (conn, statement) => Effect.asVoid(conn.execute(statement ?? begin, [], undefined)),
    commit,
    rollback,
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

const connection = (acquire: Acquire): Acquire =>
  Effect.catchTag(withinDeadline(acquire), "DeadlineExceeded", (error) => Effect.fail(carry(error, "connect")))

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

const swallowed = carry(
  new StatementFailed({
    sqlState: "25P02",
    message:
      "COMMIT was answered with ROLLBACK: a statement had failed, and its error did not reach the end of the transaction"
  }),
  "commit"
)

const commit = (conn: Connection): Effect.Effect<void, SqlError> =>
  Effect.matchEffect(conn.executeRaw("COMMIT", []), {
    onFailure: (error) => Effect.fail(orUnknown(error)),
    // `executeRaw` of sql-pg gives the driver's result; sql-pg reads the tag of its own COMMIT the same way.
    onSuccess: (result) => ((result as Result).command === "ROLLBACK" ? Effect.fail(swallowed) : Effect.void)
  })

/** A transaction whose connection is gone is rolled back already; what ended it is the error to report. */
const rollback = (conn: Connection): Effect.Effect<void, SqlError> =>
  Effect.catchIf(
    Effect.asVoid(conn.execute("ROLLBACK", [], undefined)),
    (error) => classify(error)._tag === "ConnectionLost",
    () => Effect.void
  )
