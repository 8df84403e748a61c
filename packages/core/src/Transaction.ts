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
 * @stability stable
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { DsqlClient } from "./DsqlClient.ts"
import * as DsqlError from "./DsqlError.ts"
import type * as HotKeys from "./HotKeys.ts"
import * as Monotonic from "./internal/time/monotonic.ts"
import * as Attempts from "./internal/transaction/attempt.ts"
import { classify } from "./internal/errors/classify.ts"
import { type State, stateOf } from "./internal/hotkeys/state.ts"
import { Deadline } from "./internal/transaction/deadline.ts"
import * as InTurn from "./internal/transaction/inTurn.ts"
import * as measure from "./internal/transaction/measure.ts"
import { committed, notCommitted, type Outcome, unknown } from "./internal/transaction/outcome.ts"
import { type Operation, retrying } from "./internal/transaction/retrying.ts"
import { settle } from "./internal/transaction/settling.ts"
import { isTraced } from "./internal/transaction/traced.ts"
import * as Validity from "./internal/transaction/validity.ts"
import { leave } from "./internal/transaction/withTransaction.ts"
import * as RetryPolicy from "./RetryPolicy.ts"

export { committed, notCommitted, type Outcome, unknown }

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
    /** The form in which `Guarded` sends its statements: the client's. */
    readonly guarded: "statement" | "transaction"
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
 * The keys that transactions of the client waited for or conflicted on the most of late, the hottest first; 100 of them
 * at most. Only keys that were named are known: see `HotKeys`.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const [hottest] = yield* Transaction.hottest
 *   if (hottest !== undefined) yield* Effect.logInfo(`${hottest.key.table}: ${hottest.waits} waits`)
 * })
 * ```
 *
 * @since 0.2.0
 * @category accessors
 */
export const hottest: Effect.Effect<ReadonlyArray<HotKeys.Hot>, never, DsqlClient> = Effect.flatMap(
  DsqlClient,
  ({ hotKeys }) => Effect.map(Monotonic.millis, (now) => stateOf(hotKeys).hottest.list(now))
)

/**
 * How a transaction is run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A, R = never> {
  /** The label in metrics, spans and logs. Default: `transaction`. */
  readonly operation?: string | undefined
  /**
   * Begins READ ONLY: it never conflicts on data, and writes are refused. Default: false.
   *
   * The service can be told so of a transaction, and not of one statement. So `autocommit` sends its statement in a
   * transaction, which costs one round trip more. `proven` says that a test has shown the statement to read and nothing
   * else, with what it calls: then it is sent by itself, in one round trip.
   */
  readonly readOnly?: boolean | "proven" | undefined
  /** When conflicts are retried. Default: `RetryPolicy.standard`. */
  readonly policy?: RetryPolicy.RetryPolicy | undefined
  /**
   * How long the transaction may take until COMMIT is sent, retries and the waits for its keys and a connection included.
   * A COMMIT that was sent is never cut short, because its outcome would be lost.
   */
  readonly deadline?: Duration.Input | undefined
  /**
   * The rows that the transaction changes, as far as it knows, where others change them too: it begins when no other
   * transaction of this client that names one of them is under way, in the order in which they came, and waits without a
   * connection. A transaction that reads alone has nobody to wait for. See `HotKeys`. Default: none.
   */
  readonly keys?: ReadonlyArray<HotKeys.Key> | undefined
  /**
   * Whether a lost answer is settled by running the body again: where it compares a token that it changes, or leaves
   * the same rows behind however often it runs. It runs once nothing can come of the first one any more, which takes up
   * to eight seconds for a `Guarded` statement: it names an instant of the server's clock, after which it does nothing.
   * A hand-written statement that commits by itself names none, and is sent again at once: give it this only where it
   * does no harm however late it comes, whatever others do meanwhile. If the second one is refused, `verify` says
   * whether the first one had been there before. Default: false.
   */
  readonly repeat?: boolean | undefined
  /**
   * Looks what became of a write whose answer was lost, in a transaction of its own. It is given what the body
   * returned, which `autocommit` does not know. `Committed` becomes the result, `NotCommitted` a `ConnectionLost` (or,
   * with `repeat`, what the second one was refused with), and `Unknown` or a failure leaves `CommitOutcomeUnknown`.
   *
   * Read FOR UPDATE a row that is there in any case and that the transaction held or changed, whatever it changed it
   * to: a COMMIT that is still under way then conflicts with this look, and `NotCommitted` stays true. A statement
   * that commits by itself can come after any look, so `autocommit` believes `NotCommitted` of `Guarded` statements
   * alone: the look comes after the instant that they name.
   */
  readonly verify?: ((value: Option.Option<A>) => Effect.Effect<Outcome<A>, unknown, R>) | undefined
}

/**
 * What remains of a body's errors: the driver's are classified, conflicts are retried. `run` and `autocommit` write it
 * out, because of an alias an editor shows the name, and not what remains.
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
): Effect.Effect<
  A,
  Exclude<Exclude<E, SqlError>, DsqlError.SerializationConflict> | DsqlError.TransactionError,
  DsqlClient | Exclude<R | R2, Transaction>
> => execute(body, options, isReadOnly(options) ? Attempts.inReadOnlyTransaction : Attempts.inTransaction, false)

/**
 * Runs a body of exactly one statement, which commits by itself: one round
 * trip instead of two. Conflicts are retried as in `run`; a second statement
 * is a defect. What the body makes of an answer that was lost does not count:
 * it is settled, or `CommitOutcomeUnknown`.
 *
 * Where the client sends `Guarded` statements as transactions, the body of one
 * begins twice: once to find out that it takes one, which sends nothing.
 *
 * With `readOnly` a lost answer is a `ConnectionLost`, because nothing can have
 * been written.
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
): Effect.Effect<
  A,
  Exclude<Exclude<E, SqlError>, DsqlError.SerializationConflict> | DsqlError.TransactionError,
  DsqlClient | Exclude<R | R2, Transaction>
> =>
  execute(
    body,
    options,
    options.readOnly === "proven"
      ? Attempts.inProvenStatement
      : isReadOnly(options)
        ? Attempts.inReadOnlyStatement
        : Attempts.inStatement,
    true
  )

/**
 * The rows of statements, in their order.
 *
 * @since 0.3.0
 * @category models
 */
export type Rows<S extends ReadonlyArray<Statement<object>>> = {
  readonly [K in keyof S]: Effect.Success<S[K]>
}

/**
 * Runs a body whose last statements it does not send, but returns: they are sent together with COMMIT, in one round
 * trip, and their rows are the result. A body that returns its only statements takes one round trip in all.
 *
 * Their rows arrive when all is committed, so nothing can be made to depend on them: a condition belongs in their SQL.
 * If one of them fails, that is the error, and nothing is committed. A connection that ends before they are answered
 * leaves open what became of COMMIT too, which was sent with them: that is `CommitOutcomeUnknown`, and what `verify` is
 * given is None.
 *
 * @example
 * ```ts
 * import { Fence, Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const shard = { table: "shards", key: { id: 7 }, token: "range_id" }
 *
 * // Two round trips: the first reads the fence, and BEGIN rides with it; the second writes, and COMMIT rides with it.
 * const program = Transaction.finish(
 *   Effect.gen(function*() {
 *     const sql = yield* Transaction.sql
 *     yield* Fence.shared(shard, 5n)
 *     return [
 *       sql`INSERT INTO tasks (id, body) VALUES (1, 'one')`,
 *       sql<{ readonly left: bigint }>`UPDATE shards SET left_over = left_over - 1 WHERE id = 7 RETURNING left_over AS left`
 *     ] as const
 *   })
 * )
 * ```
 *
 * @since 0.3.0
 * @category execution
 */
export const finish = <const S extends ReadonlyArray<Statement<object>>, E, R, R2 = never>(
  body: Effect.Effect<S, E, R> & NotNested<R>,
  options: Options<Rows<S>, R2> = {}
): Effect.Effect<
  Rows<S>,
  Exclude<Exclude<E, SqlError>, DsqlError.SerializationConflict> | DsqlError.TransactionError,
  DsqlClient | Exclude<R | R2, Transaction>
> => {
  const { verify, ...others } = options
  return Effect.flatMap(
    execute(
      Effect.flatMap(body, leaving),
      {
        ...others,
        // They are not there before all is committed.
        ...(verify !== undefined && { verify: () => Effect.map(verify(Option.none()), found) })
      },
      isReadOnly(options) ? Attempts.inReadOnlyTransaction : Attempts.inTransaction,
      false
    ),
    // Each statement's exit stands in its place, with the rows that its type names.
    (left: Left) => Effect.orDie(Effect.all(left.exits)) as Effect.Effect<Rows<S>>
  )
}

/** What became of the statements that a body left; there once all is committed. */
interface Left {
  exits: ReadonlyArray<Exit.Exit<unknown, SqlError>>
}

const leaving = (statements: ReadonlyArray<Statement<object>>): Effect.Effect<Left, never, Transaction> =>
  Effect.flatMap(sql, (sql) => {
    const left: Left = { exits: [] }
    return Effect.as(
      leave(sql, statements, (exits) => {
        left.exits = exits
      }),
      left
    )
  })

const found = (outcome: Outcome<ReadonlyArray<unknown>>): Outcome<Left> =>
  outcome._tag === "Committed" ? committed({ exits: outcome.value.map((rows) => Exit.succeed(rows)) }) : outcome

/**
 * Runs statements that depend on nothing but each other's order, in a transaction and one round trip. What holds of
 * `finish` holds of it.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 *
 * const transfer = Transaction.batch((sql) => [
 *   sql`UPDATE accounts SET cents = cents - 100 WHERE id = 'a'`,
 *   sql<{ readonly cents: bigint }>`UPDATE accounts SET cents = cents + 100 WHERE id = 'b' RETURNING cents`
 * ])
 * ```
 *
 * @since 0.3.0
 * @category execution
 */
export const batch = <const S extends ReadonlyArray<Statement<object>>, R2 = never>(
  statements: (sql: SqlClient.SqlClient) => S,
  options: Options<Rows<S>, R2> = {}
): Effect.Effect<Rows<S>, DsqlError.TransactionError, DsqlClient | Exclude<R2, Transaction>> =>
  finish(Effect.map(sql, statements), options)

const isReadOnly = (options: Pick<Options<unknown>, "readOnly">): boolean =>
  options.readOnly !== undefined && options.readOnly !== false

/** How a body is run. */
interface Execution<A, E, R, R2> {
  readonly client: DsqlClient["Service"]
  readonly body: Effect.Effect<A, E, R>
  readonly options: Options<A, R2>
  readonly operation: Operation
  readonly attempt: Attempts.Attempt
  /** Whether it is a single statement, whose bytes may come after anything that is done to find out about it. */
  readonly isSingle: boolean
}

const execute = <A, E, R, R2>(
  body: Effect.Effect<A, E, R>,
  options: Options<A, R2>,
  attempt: Attempts.Attempt,
  isSingle: boolean
): Effect.Effect<A, Failure<E>, DsqlClient | Exclude<R | R2, Transaction>> =>
  Effect.flatMap(DsqlClient, (client) =>
    Effect.withFiber<A, Failure<E>, Exclude<R | R2, Transaction>>((fiber) => {
      const name = options.operation ?? "transaction"
      if (Option.isSome(Context.getOption(fiber.context, Transaction))) return Effect.die(nested(name))
      const start = Monotonic.millisOf(fiber.getRef(Clock.Clock))
      const { quota } = stateOf(client.hotKeys)
      const operation = { name, policy: options.policy ?? RetryPolicy.standard, start, quota }
      const deadline = deadlineAt(operation, options.deadline)
      const effect = settled({ client, body, options, operation, attempt, isSingle })
      const measured = Effect.onExit(
        deadline === undefined ? effect : Effect.provideService(effect, Deadline, deadline),
        (exit) => measure.end(name, start, exit, fiber)
      )
      return isTraced(fiber)
        ? Effect.withSpan(measured, "dsql.transaction", {
            kind: "client",
            attributes: { "dsql.operation": name },
            captureStackTrace: false
          })
        : measured
    })
  )

const nested = (operation: string) =>
  new Error(`${operation}: a transaction cannot start inside another: Aurora DSQL has no savepoints`)

const deadlineAt = ({ name, start }: Operation, input: Duration.Input | undefined) => {
  if (input === undefined) return undefined
  const millis = Duration.toMillis(Duration.fromInputUnsafe(input))
  return { operation: name, millis, at: start + millis }
}

/** Runs the body; if its outcome is unknown and there is a way to find out, finds out. */
const settled = <A, E, R, R2>(
  execution: Execution<A, E, R, R2>
): Effect.Effect<A, Failure<E>, Exclude<R | R2, Transaction>> => {
  const { attempt, body, client, isSingle, operation, options } = execution
  const { repeat = false, verify } = options
  const state = stateOf(client.hotKeys)
  if (!repeat && verify === undefined) {
    return tried(state, operation, options, (number) => attempted(operation, client, body, attempt, number))
  }
  let value = Option.none<A>()
  const kept = Effect.tap(body, (result) =>
    Effect.sync(() => {
      value = Option.some(result)
    })
  )
  // A transaction's snapshot is older than whatever is done about it.
  const validity: Validity.Validity = { until: isSingle ? undefined : Validity.always, late: 0 }
  const once = (number: number): Effect.Effect<A, Attempts.AttemptFailure<E>, Exclude<R | R2, Transaction>> => {
    const one = attempted(operation, client, kept, attempt, number)
    return isSingle ? Effect.provideService(one, Validity.Validity, validity) : one
  }
  const over = Effect.suspend(() =>
    Effect.mapError(Validity.over(client, validity), (error) => classify(error, operation.name))
  )
  const again = repeat ? once(1) : undefined
  const look = verify && Effect.suspend(() => attempted(operation, client, verify(value), Attempts.inTransaction, 1))
  return Effect.catch(tried(state, operation, options, once), (error) => {
    const lost = repeat && isSingle ? asOneStatement(error, operation.name) : error
    return lost instanceof DsqlError.CommitOutcomeUnknown
      ? settle({ again, look, over }, operation, lost)
      : Effect.fail(error)
  })
}

/** Tries until there is no conflict, in turn with those of the client that want the same keys. */
const tried = <A, E, R>(
  state: State,
  operation: Operation,
  { keys = [], readOnly }: Pick<Options<never>, "keys" | "readOnly">,
  once: (number: number) => Effect.Effect<A, E | DsqlError.SerializationConflict, R>
) =>
  !isReadOnly({ readOnly }) && InTurn.hasTurn(state, keys)
    ? InTurn.inTurn(state, operation, keys, once)
    : retrying(operation, once)

/** A statement that was sent as a transaction is done again wherever that broke off, as it is where it is sent as one. */
const asOneStatement = <E>(error: E, operation: string): E | DsqlError.CommitOutcomeUnknown =>
  error instanceof DsqlError.ConnectionLost && error.phase === "statement"
    ? new DsqlError.CommitOutcomeUnknown({ operation, message: error.message, cause: error })
    : error

/** One attempt of a body, in which it is told so. */
const attempted = <A, E, R>(
  { name }: Operation,
  client: DsqlClient["Service"],
  body: Effect.Effect<A, E, R>,
  attempt: Attempts.Attempt,
  number: number
): Effect.Effect<A, Attempts.AttemptFailure<E>, Exclude<R, Transaction>> => {
  const transaction = { sql: client.sql, attempt: number, guarded: client.guarded }
  const whole = Effect.provideService(marked(body, number), Transaction, transaction)
  const mayEnd = stateOf(client.hotKeys).queue === "fences"
  return Attempts.attemptOnce(name, client, mayEnd ? InTurn.body(whole) : whole, attempt)
}

/** The span that is current in the body is the attempt's own: Effect SQL makes one for each transaction. */
const marked = <A, E, R>(body: Effect.Effect<A, E, R>, number: number): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    isTraced(fiber) ? Effect.andThen(Effect.annotateCurrentSpan("dsql.attempt", number), body) : body
  )
