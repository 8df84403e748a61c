/**
 * The statements of a storage. Each commits by itself; inside `Transaction.run` it takes part in that transaction, which
 * owns its conflicts and its outcome.
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import { ConnectionLost, type TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

/** What a statement can end with, whatever it is. */
export type Failure = TransactionError | SqlError | Schema.SchemaError

/** The statements that a storage sends on a client. */
export interface Statements {
  /** Rows, in one round trip. */
  readonly read: <A, I>(
    operation: string,
    row: Schema.Codec<A, I>,
    select: Expression.Expression
  ) => Effect.Effect<ReadonlyArray<A>, Failure>
  /**
   * A guarded write, in one round trip. One whose answer was lost is done again once the first one is void, and so
   * must leave the same rows behind however often it runs, or be refused by its guards; then `verify` says what became
   * of it.
   */
  readonly write: <E = never>(
    operation: string,
    statement: Guarded.Statement<E>,
    verify?: () => Effect.Effect<Transaction.Outcome<Guarded.Told>, unknown, Transaction.Transaction>
  ) => Effect.Effect<Guarded.Told, E | Failure>
  /**
   * All of an effect in one transaction, or in the one that is under way. It runs again where it conflicts, or where the
   * connection was lost and nothing came of it; `verify` says so of a COMMIT whose answer was lost.
   */
  readonly transaction: <A, E, R>(
    operation: string,
    effect: Effect.Effect<A, E, R | Transaction.Transaction>,
    verify?: (value: Option.Option<A>) => Effect.Effect<Transaction.Outcome<A>, unknown, Transaction.Transaction>
  ) => Effect.Effect<A, E | Failure, R>
  /** Whether a transaction is under way on this client, by whatever way it began: then a connection is held. */
  readonly isInside: Effect.Effect<boolean>
  /** Runs an effect once the transaction that is under way has committed; at once where there is none. */
  readonly committed: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

/** The statements of a storage on a client. */
export const make = (client: DsqlClient["Service"]): Statements => {
  const transaction = <A, E, R>(
    operation: string,
    effect: Effect.Effect<A, E, R | Transaction.Transaction>,
    verify?: (value: Option.Option<A>) => Effect.Effect<Transaction.Outcome<A>, unknown, Transaction.Transaction>
  ): Effect.Effect<A, E | Failure, R> =>
    Effect.withFiber<A, E | Failure, R>((fiber) => {
      // Whatever else it needs is in the context that it runs in, and so is what the compiler would have it ask for.
      const body = effect as Effect.Effect<A, E, Transaction.Transaction>
      const outer = outerOf(client, fiber.context)
      if (outer !== undefined) return Effect.provideService(body, Transaction.Transaction, outer)
      return Transaction.run(body, { operation, verify }).pipe(
        Effect.provideService(DsqlClient, client),
        Effect.retry({ while: isLost, times: 5 }),
        Effect.updateContext(withoutTransaction)
      )
    })
  const run = <A, E>(
    body: Effect.Effect<A, E | SqlError, Transaction.Transaction>,
    options: Transaction.Options<A, Transaction.Transaction>
  ): Effect.Effect<A, E | Failure> =>
    Effect.withFiber<A, E | Failure>((fiber) => {
      const outer = outerOf(client, fiber.context)
      return outer !== undefined
        ? Effect.provideService(body, Transaction.Transaction, outer)
        : Effect.provideService(Transaction.autocommit(body, options), DsqlClient, client).pipe(
            Effect.updateContext(withoutTransaction)
          )
    })
  return {
    read: (operation, row, select) => run(rows(row, select), { operation, readOnly: "proven" }),
    write: (operation, statement, verify) => run(Guarded.write(statement), { operation, repeat: true, verify }),
    transaction,
    isInside: Effect.map(Effect.serviceOption(client.sql.transactionService), Option.isSome),
    committed: client.sql.afterCommit
  }
}

/** The transaction that is under way on this client: one of another cluster's has no part in this. */
const outerOf = <R>(
  client: DsqlClient["Service"],
  context: Context.Context<R>
): Transaction.Transaction["Service"] | undefined => {
  const outer = Context.getOption(context, Transaction.Transaction)
  return Option.isSome(outer) && outer.value.sql === client.sql ? outer.value : undefined
}

const withoutTransaction = <R>(context: Context.Context<R>): Context.Context<R> =>
  // What runs so begins a transaction of its own and asks for none.
  Context.omit(Transaction.Transaction)(context) as Context.Context<R>

const isLost = (error: unknown): boolean => error instanceof ConnectionLost

/** The rows of a SELECT, for a transaction that does more. */
export const rows = <A, I>(
  row: Schema.Codec<A, I>,
  select: Expression.Expression
): Effect.Effect<ReadonlyArray<A>, SqlError | Schema.SchemaError, Transaction.Transaction> =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const found = yield* sql`${Expression.fragment(sql, select)}`
    return yield* Schema.decodeUnknownEffect(Schema.Array(row))(found)
  })
