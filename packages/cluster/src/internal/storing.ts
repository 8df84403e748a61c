/**
 * How a storage sends its statements: each commits by itself, conflicts are retried, and a lost answer is settled,
 * unless a transaction is open, which it then joins.
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import { PersistenceError } from "effect/cluster/ClusterError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { SqlError } from "effect/sql/SqlError"

/** A row, column by column, as the driver decodes it. */
export type Row = Readonly<Record<string, unknown>>

/** What a guard says instead of letting a statement write: no failure, but another outcome. */
export class Instead<out A> {
  readonly outcome: A
  constructor(outcome: A) {
    this.outcome = outcome
  }
}

/** Ends a guard with an outcome. */
export const instead = <A>(outcome: A): Effect.Effect<never, Instead<A>> => Effect.fail(new Instead(outcome))

/** Sends statements on a client. */
export interface Storing {
  /** What a guarded statement tells, or the outcome that a guard has instead. */
  readonly write: <A = never>(
    operation: string,
    statement: Guarded.Statement<Instead<A>>
  ) => Effect.Effect<Guarded.Told | Instead<A>, PersistenceError>
  /** The rows of a statement that may be sent again however late the first one comes. */
  readonly repeat: (
    operation: string,
    statement: Expression.Expression
  ) => Effect.Effect<ReadonlyArray<Row>, PersistenceError>
  /** The rows of a statement that a test has shown to read and nothing else. */
  readonly read: (
    operation: string,
    statement: Expression.Expression
  ) => Effect.Effect<ReadonlyArray<Row>, PersistenceError>
}

/** Whether the database refuses a statement for what is in it: it would each time. */
export const isRefused = ({ cause }: PersistenceError): boolean =>
  Predicate.hasProperty(cause, "_tag") &&
  typeof cause._tag === "string" &&
  (cause._tag === "LimitExceeded" || cause._tag === "StatementFailed" || cause._tag.endsWith("Violation"))

export const make = (client: DsqlClient["Service"]): Storing => {
  const send = <A>(
    body: Effect.Effect<A, SqlError, Transaction.Transaction>,
    options: Transaction.Options<A>
  ): Effect.Effect<A, PersistenceError> =>
    Effect.withFiber<A, PersistenceError>((fiber) => {
      const open = Context.getOption(fiber.context, Transaction.Transaction)
      const sent: Effect.Effect<A, SqlError | TransactionError> =
        open._tag === "Some"
          ? Effect.provideService(body, Transaction.Transaction, open.value)
          : Effect.provideService(
              Transaction.autocommit<A, SqlError, Transaction.Transaction>(body, options),
              DsqlClient,
              client
            )
      return Effect.mapError(sent, (cause) => new PersistenceError({ cause }))
    }).pipe(Effect.withTracerEnabled(false))

  const rows = (statement: Expression.Expression) =>
    Effect.flatMap(Transaction.sql, (sql) => sql<Row>`${Expression.fragment(sql, statement)}`)

  return {
    write: (operation, statement) => send(orInstead(Guarded.write(statement)), { operation, repeat: true }),
    repeat: (operation, statement) => send(rows(statement), { operation, repeat: true }),
    read: (operation, statement) => send(rows(statement), { operation, readOnly: "proven" })
  }
}

/** Nothing was written, and that settles a lost answer: the write that is asked again finds what the first one left. */
const orInstead = <A, E>(written: Effect.Effect<Guarded.Told, E | Instead<A>, Transaction.Transaction>) =>
  Effect.catch(written, (error) =>
    error instanceof Instead
      ? Effect.succeed<Guarded.Told | Instead<A>>(error)
      : // The guard takes it out of the union; the compiler cannot see that through the type parameter.
        Effect.fail(error as Exclude<E, Instead<A>>)
  )
