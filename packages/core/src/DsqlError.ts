/**
 * Everything that can go wrong between a program and Aurora DSQL, as a closed
 * union of tagged errors.
 *
 * The tag says what a caller may do: only a `SerializationConflict` is retried
 * by the toolkit, because only then is it certain that nothing was written and
 * that trying again can help. Errors are classified once, where the driver's
 * error enters the toolkit; that error stays in `cause`.
 *
 * @since 0.1.0
 * @stability stable
 */
import type { SqlError } from "effect/sql/SqlError"
import { classify } from "./internal/errors/classify.ts"
import type { ConditionFailed, DsqlError } from "./internal/errors/tags.ts"

export {
  AuthenticationFailed,
  CheckViolation,
  CommitOutcomeUnknown,
  ConditionFailed,
  ConflictRetriesExhausted,
  ConnectionLost,
  ConnectionThrottled,
  ConnectionUnavailable,
  DeadlineExceeded,
  ForeignKeyViolation,
  KeyQueueFull,
  LimitExceeded,
  NotNullViolation,
  RetryQuotaExhausted,
  RollbackOnly,
  SerializationConflict,
  StatementFailed,
  Token,
  TooManyConnections,
  UniqueViolation,
  UnsupportedFeature,
  isDsqlError,
  type DsqlError,
  type TransactionError
} from "./internal/errors/tags.ts"

/**
 * The error that an error of Effect SQL is, for who uses `SqlClient` or `PgClient` themselves. `operation` is what to
 * call the program in the message.
 *
 * A statement by itself, and a COMMIT, whose answer was lost is `CommitOutcomeUnknown`; a conflict that was retried in
 * vain `ConflictRetriesExhausted`. `Transaction.run` and `autocommit` do this themselves.
 *
 * @example
 * ```ts
 * import { DsqlError } from "@effect-dsql/core"
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql"
 *
 * const register = (email: string) =>
 *   SqlClient.SqlClient.use((sql) => sql`INSERT INTO users ${sql.insert({ email })}`).pipe(
 *     Effect.catchTag("SqlError", (error) => Effect.fail(DsqlError.from(error))),
 *     Effect.catchTag("UniqueViolation", () => Effect.logInfo(`${email} is registered already`))
 *   )
 * ```
 *
 * @since 0.2.0
 * @category conversions
 */
export const from = (error: SqlError, operation?: string): Exclude<DsqlError, ConditionFailed> =>
  classify(error, operation)
