/**
 * Transactions that begin, run, commit and, after a conflict, start over.
 *
 * On Aurora DSQL a conflict shows at COMMIT, so a retry has to own the whole
 * transaction. A body says that it needs one by requiring `Transaction`; `run`
 * provides it, and requires a `DsqlClient` itself. A body that requires a
 * `DsqlClient` would open a second transaction inside the first, which DSQL
 * does not have: it does not compile.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Tracer from "effect/Tracer"
import { DsqlClient } from "./DsqlClient.ts"
import * as DsqlError from "./DsqlError.ts"
import { type AttemptError, classify } from "./internal/classify.ts"
import { Deadline, withinDeadline } from "./internal/deadline.ts"
import * as measure from "./internal/measure.ts"
import { retrying } from "./internal/retrying.ts"
import { singleStatement } from "./internal/singleStatement.ts"
import { beginReadOnly } from "./internal/withTransaction.ts"
import * as RetryPolicy from "./RetryPolicy.ts"

/**
 * The transaction that a body runs in.
 *
 * @since 0.1.0
 * @category services
 */
export class Transaction extends Context.Service<
  Transaction,
  {
    /** Statements of this transaction. */
    readonly sql: SqlClient.SqlClient
    /** 1 for the first attempt, one more after each conflict. */
    readonly attempt: number
  }
>()("@effect-dsql/core/Transaction") {}

/**
 * The statement constructor of the transaction that the program runs in.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const rename = (id: string, name: string) =>
 *   Effect.gen(function*() {
 *     const sql = yield* Transaction.sql
 *     yield* sql`UPDATE accounts SET name = ${name} WHERE id = ${id}`
 *   })
 *
 * const program = Transaction.run(rename("7", "Ada"), { operation: "RenameAccount" })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const sql: Effect.Effect<SqlClient.SqlClient, never, Transaction> = Effect.map(
  Transaction,
  (transaction) => transaction.sql
)

/**
 * What became of a COMMIT whose answer was lost.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome<A> =
  | { readonly _tag: "Committed"; readonly value: A }
  | { readonly _tag: "NotCommitted" }
  | { readonly _tag: "Unknown" }

/**
 * The write is there, and the transaction's value is this one.
 *
 * @since 0.1.0
 * @category outcomes
 */
export const committed = <A>(value: A): Outcome<A> => ({ _tag: "Committed", value })

/**
 * The write is not there, and will not come.
 *
 * @since 0.1.0
 * @category outcomes
 */
export const notCommitted: Outcome<never> = { _tag: "NotCommitted" }

/**
 * What can be read does not tell.
 *
 * @since 0.1.0
 * @category outcomes
 */
export const unknown: Outcome<never> = { _tag: "Unknown" }

/**
 * How a transaction is run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A, R = never> {
  /** The label in metrics, spans and logs. Default: `transaction`. */
  readonly operation?: string | undefined
  /** Begins READ ONLY: it never conflicts on data, and writes are refused. Default: false. */
  readonly readOnly?: boolean | undefined
  /** When conflicts are retried. Default: `RetryPolicy.standard`. */
  readonly policy?: RetryPolicy.RetryPolicy | undefined
  /**
   * How long the transaction may take until COMMIT is sent, retries and the wait for a connection included.
   * A COMMIT that was sent is never cut short, because its outcome would be lost.
   */
  readonly deadline?: Duration.Input | undefined
  /**
   * Settles an unknown outcome, in a transaction of its own. It is given what the body returned, which
   * `autocommit` does not know. `Committed` becomes the result, `NotCommitted` a `ConnectionLost`, and `Unknown`
   * or a failure leaves `CommitOutcomeUnknown`.
   *
   * Read what was written with FOR UPDATE: a COMMIT that is still under way then conflicts with this transaction,
   * and `NotCommitted` stays true.
   */
  readonly verify?: ((value: Option.Option<A>) => Effect.Effect<Outcome<A>, unknown, R>) | undefined
}

/**
 * What remains of a body's errors: the driver's are classified, conflicts are retried.
 *
 * @since 0.1.0
 * @category models
 */
export type Failure<E> = Exclude<Exclude<E, SqlError>, DsqlError.SerializationConflict> | DsqlError.TransactionError

/**
 * Refuses a body that would start a transaction of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type NotNested<R> = [R] extends [never]
  ? unknown
  : DsqlClient extends R
    ? { readonly "a transaction cannot start inside another: Aurora DSQL has no savepoints": never }
    : unknown

/**
 * Runs a body in a transaction and retries it, from BEGIN, while it conflicts.
 *
 * The body runs once per attempt, so what it does besides its statements
 * happens once per attempt too. Interruption rolls back; a COMMIT that was
 * sent is waited for.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const transfer = Effect.gen(function*() {
 *   const sql = yield* Transaction.sql
 *   yield* sql`UPDATE accounts SET cents = cents - 100 WHERE id = 'a'`
 *   yield* sql`UPDATE accounts SET cents = cents + 100 WHERE id = 'b'`
 * })
 *
 * const program = Transaction.run(transfer, { operation: "Transfer" }).pipe(
 *   Effect.catchTag("ConflictRetriesExhausted", (error) => Effect.logWarning(error.message))
 * )
 * ```
 *
 * @since 0.1.0
 * @category execution
 */
export const run = <A, E, R, R2 = never>(
  body: Effect.Effect<A, E, R> & NotNested<R>,
  options: Options<A, R2> = {}
): Effect.Effect<A, Failure<E>, DsqlClient | Exclude<R | R2, Transaction>> =>
  execute(body, options, options.readOnly === true ? inReadOnlyTransaction : inTransaction)

/**
 * Runs a body of exactly one statement, which commits by itself: one round
 * trip instead of three. Conflicts are retried as in `run`; a second statement
 * is a defect. With `readOnly` a lost answer is a `ConnectionLost`, because
 * nothing can have been written.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const touch = Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE accounts SET seen = now() WHERE id = 'a'`)
 * const program = Transaction.autocommit(touch, { operation: "TouchAccount" })
 * ```
 *
 * @since 0.1.0
 * @category execution
 */
export const autocommit = <A, E, R, R2 = never>(
  body: Effect.Effect<A, E, R> & NotNested<R>,
  options: Options<A, R2> = {}
): Effect.Effect<A, Failure<E>, DsqlClient | Exclude<R | R2, Transaction>> =>
  execute(body, options, options.readOnly === true ? inReadOnlyStatement : inStatement)

/** Runs an effect once, on a connection of its own. */
type Attempt = <A, E, R>(
  client: DsqlClient["Service"],
  effect: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | SqlError | DsqlError.DeadlineExceeded, R>

/** What one attempt of a body can end with. */
type AttemptFailure<E> = Exclude<E, SqlError> | AttemptError

const execute = <A, E, R, R2>(
  body: Effect.Effect<A, E, R>,
  options: Options<A, R2>,
  attempt: Attempt
): Effect.Effect<A, Failure<E>, DsqlClient | Exclude<R | R2, Transaction>> => {
  const operation = options.operation ?? "transaction"
  const policy = options.policy ?? RetryPolicy.standard
  return Effect.flatMap(DsqlClient, (client) =>
    Effect.withFiber<A, Failure<E>, Exclude<R | R2, Transaction>>((fiber) => {
      if (Option.isSome(Context.getOption(fiber.context, Transaction))) return Effect.die(nested(operation))
      const start = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      const deadline = deadlineAt(operation, options.deadline, start)
      const effect = retrying(operation, policy, start, deadline?.at, (number) =>
        settling(client, body, attempt, options.verify, operation, policy, number)
      )
      const measured = Effect.onExit(
        deadline === undefined ? effect : Effect.provideService(effect, Deadline, deadline),
        (exit) => measure.end(operation, start, exit)
      )
      return isTraced(fiber)
        ? Effect.withSpan(measured, "dsql.transaction", {
            kind: "client",
            attributes: { "dsql.operation": operation },
            captureStackTrace: false
          })
        : measured
    })
  )
}

const nested = (operation: string) =>
  new Error(`${operation}: a transaction cannot start inside another: Aurora DSQL has no savepoints`)

/** Runs the body once, and classifies what the driver says. */
const attemptOnce = <A, E, R>(
  client: DsqlClient["Service"],
  body: Effect.Effect<A, E, R>,
  attempt: Attempt,
  number: number
): Effect.Effect<A, AttemptFailure<E>, Exclude<R, Transaction>> =>
  Effect.mapError(
    attempt(client, Effect.provideService(marked(body, number), Transaction, { sql: client.sql, attempt: number })),
    (error) =>
      // The guard takes SqlError out of the union; the compiler cannot see that through the type parameter.
      isSqlError(error) ? classify(error, "statement") : (error as Exclude<E, SqlError>)
  )

/** The span that is current in the body is the attempt's own: Effect SQL makes one for each transaction. */
const marked = <A, E, R>(body: Effect.Effect<A, E, R>, number: number): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    isTraced(fiber) ? Effect.andThen(Effect.annotateCurrentSpan("dsql.attempt", number), body) : body
  )

/** Spans of the native tracer go nowhere, and would cost as much as all the rest of a transaction. */
const isTraced = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer

/** Runs the body once; if its outcome is unknown and there is a way to find out, finds out. */
const settling = <A, E, R, R2>(
  client: DsqlClient["Service"],
  body: Effect.Effect<A, E, R>,
  attempt: Attempt,
  verify: Options<A, R2>["verify"],
  operation: string,
  policy: RetryPolicy.RetryPolicy,
  number: number
): Effect.Effect<A, AttemptFailure<E>, Exclude<R | R2, Transaction>> => {
  if (verify === undefined) return attemptOnce(client, body, attempt, number)
  let value = Option.none<A>()
  const kept = Effect.tap(body, (result) =>
    Effect.sync(() => {
      value = Option.some(result)
    })
  )
  return Effect.catch(
    attemptOnce(client, kept, attempt, number),
    (error): Effect.Effect<A, AttemptFailure<E>, Exclude<R2, Transaction>> =>
      error instanceof DsqlError.CommitOutcomeUnknown
        ? settle(client, verify(value), operation, policy, error)
        : Effect.fail(error)
  )
}

/** A connection was just lost, so the first ones after it may be too. */
const untilConnected = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

const settle = <A, R2>(
  client: DsqlClient["Service"],
  verify: Effect.Effect<Outcome<A>, unknown, R2>,
  operation: string,
  policy: RetryPolicy.RetryPolicy,
  lost: DsqlError.CommitOutcomeUnknown
): Effect.Effect<A, DsqlError.CommitOutcomeUnknown | DsqlError.ConnectionLost, Exclude<R2, Transaction>> =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const name = `${operation}.verify`
    const outcome = yield* retrying(name, policy, start, undefined, (number) =>
      attemptOnce(client, verify, inTransaction, number)
    ).pipe(
      Effect.retry({ schedule: untilConnected, while: (error) => error instanceof DsqlError.ConnectionLost }),
      // Whether the transaction had a deadline or not, its outcome is worth knowing.
      Effect.provideService(Deadline, undefined),
      Effect.catchCause((cause) =>
        Effect.as(Effect.logWarning(`${name} failed: the outcome stays unknown`, cause), unknown)
      )
    )
    switch (outcome._tag) {
      case "Committed":
        return outcome.value
      case "NotCommitted":
        return yield* new DsqlError.ConnectionLost({
          phase: "statement",
          message: `${operation}: the connection was lost at COMMIT, and nothing was committed`,
          cause: lost
        })
      case "Unknown":
        return yield* lost
    }
  })

const deadlineAt = (operation: string, input: Duration.Input | undefined, start: number) => {
  if (input === undefined) return undefined
  const millis = Duration.toMillis(Duration.fromInputUnsafe(input))
  return { operation, millis, at: start + millis }
}

const inTransaction: Attempt = (client, effect) => client.sql.withTransaction(withinDeadline(effect))

const inReadOnlyTransaction: Attempt = (client, effect) =>
  Effect.provideService(inTransaction(client, effect), SqlClient.BeginTransaction, beginReadOnly)

const inStatement: Attempt = (client, effect) => singleStatement(client, effect, "autocommit")

const inReadOnlyStatement: Attempt = (client, effect) => singleStatement(client, effect, "statement")
