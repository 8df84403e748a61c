/** The errors themselves, which `DsqlError` shows, in a module of their own because what reads the driver's makes them. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

const TypeId = "~@effect-dsql/core/DsqlError"

const id = (tag: string) => `@effect-dsql/core/DsqlError/${tag}`

/** The fields of every error that began as an error of the driver. */
const fromDriver = {
  /** What the server or the driver said. */
  message: Schema.String,
  /** What the transaction is called; undefined outside of one. */
  operation: Schema.optional(Schema.String),
  /** The text of the statement that it is about, without its parameters; its first 1,000 characters. */
  statement: Schema.optional(Schema.String),
  /** The driver's own error. */
  cause: Schema.optional(Schema.Defect())
}

/**
 * The value of a fencing token as the database holds it.
 *
 * @since 0.1.0
 * @category models
 */
export const Token = Schema.Union([Schema.BigInt, Schema.Number, Schema.String])

/**
 * @since 0.1.0
 * @category models
 */
export type Token = typeof Token.Type

/**
 * Another transaction committed first (SQLSTATE 40001). Nothing was written.
 *
 * `code` is `OC000` for a conflict on data, `OC001` for a catalogue that has
 * changed, `unmarked` where the server does not say (plain PostgreSQL).
 *
 * @since 0.1.0
 * @category errors
 */
export class SerializationConflict extends Schema.TaggedError<SerializationConflict>(id("SerializationConflict"))(
  "SerializationConflict",
  { code: Schema.Literals(["OC000", "OC001", "unmarked"]), ...fromDriver }
) {
  readonly [TypeId] = TypeId
}

/**
 * A fence or a precondition did not hold: somebody else has moved the token.
 * Trying again with the same token cannot help, so no policy accepts it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConditionFailed extends Schema.TaggedError<ConditionFailed>(id("ConditionFailed"))("ConditionFailed", {
  /** What was guarded, for example `shards(shard_id = 7).range_id`. */
  what: Schema.String,
  /** The token that the caller held. */
  expected: Token,
  /** The token that the database holds; undefined where the row is missing, null where it has none. */
  actual: Schema.UndefinedOr(Schema.NullOr(Token))
}) {
  readonly [TypeId] = TypeId
  override get message(): string {
    const actual = this.actual === undefined ? "there is no such row" : `it is ${this.actual ?? "NULL"}`
    return `${this.what}: expected ${this.expected}, but ${actual}`
  }
}

/**
 * COMMIT, or a statement that commits by itself, ended without an answer. The
 * write may or may not have happened; `verify` of `Transaction.run` settles it.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommitOutcomeUnknown extends Schema.TaggedError<CommitOutcomeUnknown>(id("CommitOutcomeUnknown"))(
  "CommitOutcomeUnknown",
  fromDriver
) {
  readonly [TypeId] = TypeId
}

const constraint = { constraint: Schema.String, table: Schema.UndefinedOr(Schema.String), ...fromDriver }

/**
 * A unique constraint or primary key is violated (SQLSTATE 23505).
 *
 * @since 0.1.0
 * @category errors
 */
export class UniqueViolation extends Schema.TaggedError<UniqueViolation>(id("UniqueViolation"))(
  "UniqueViolation",
  constraint
) {
  readonly [TypeId] = TypeId
}

/**
 * A foreign key is violated (SQLSTATE 23503).
 *
 * @since 0.1.0
 * @category errors
 */
export class ForeignKeyViolation extends Schema.TaggedError<ForeignKeyViolation>(id("ForeignKeyViolation"))(
  "ForeignKeyViolation",
  constraint
) {
  readonly [TypeId] = TypeId
}

/**
 * A CHECK constraint is violated (SQLSTATE 23514).
 *
 * @since 0.1.0
 * @category errors
 */
export class CheckViolation extends Schema.TaggedError<CheckViolation>(id("CheckViolation"))(
  "CheckViolation",
  constraint
) {
  readonly [TypeId] = TypeId
}

/**
 * A column that may not be NULL was given NULL (SQLSTATE 23502).
 *
 * @since 0.1.0
 * @category errors
 */
export class NotNullViolation extends Schema.TaggedError<NotNullViolation>(id("NotNullViolation"))("NotNullViolation", {
  column: Schema.UndefinedOr(Schema.String),
  table: Schema.UndefinedOr(Schema.String),
  ...fromDriver
}) {
  readonly [TypeId] = TypeId
}

/**
 * The statement uses what DSQL does not have (SQLSTATE 0A000 and the like).
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsupportedFeature extends Schema.TaggedError<UnsupportedFeature>(id("UnsupportedFeature"))(
  "UnsupportedFeature",
  fromDriver
) {
  readonly [TypeId] = TypeId
}

/**
 * One of the service's hard limits, or what a column was declared to take, met
 * at the server (SQLSTATE 54xxx, 22001) or found before anything was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class LimitExceeded extends Schema.TaggedError<LimitExceeded>(id("LimitExceeded"))("LimitExceeded", {
  limit: Schema.Literals([
    "transaction_rows",
    "transaction_bytes",
    "transaction_age",
    "query_memory",
    "column_bytes",
    "column_characters",
    "row_bytes",
    "key_bytes",
    "index_columns",
    "indexes",
    "other"
  ]),
  ...fromDriver
}) {
  readonly [TypeId] = TypeId
}

/**
 * The cluster accepts no more connections per second for now (SQLSTATE 53400).
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionThrottled extends Schema.TaggedError<ConnectionThrottled>(id("ConnectionThrottled"))(
  "ConnectionThrottled",
  fromDriver
) {
  readonly [TypeId] = TypeId
}

/**
 * The cluster holds as many connections as it can (SQLSTATE 53300).
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyConnections extends Schema.TaggedError<TooManyConnections>(id("TooManyConnections"))(
  "TooManyConnections",
  fromDriver
) {
  readonly [TypeId] = TypeId
}

/**
 * The server refused who is connecting, or no token could be signed.
 *
 * `reason` is `expired` (the token's life is over), `role` (an admin token for
 * a custom role or the reverse), `credentials` (none found, or they cannot
 * sign), `denied` for anything else. For `credentials`, `step` says which link
 * of the AWS credential chain was asked and failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>(id("AuthenticationFailed"))(
  "AuthenticationFailed",
  {
    reason: Schema.Literals(["expired", "role", "credentials", "denied"]),
    step: Schema.optional(
      Schema.Literals([
        "region",
        "given",
        "environment",
        "profile",
        "sso",
        "process",
        "web_identity",
        "container",
        "instance",
        "none",
        "expired",
        "signing"
      ])
    ),
    ...fromDriver
  }
) {
  readonly [TypeId] = TypeId
}

/**
 * There is no connection: it could not be opened (`connect`), or it was lost
 * before COMMIT was sent (`statement`). Nothing was committed.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>(id("ConnectionLost"))("ConnectionLost", {
  phase: Schema.Literals(["connect", "statement"]),
  ...fromDriver
}) {
  readonly [TypeId] = TypeId
}

/**
 * The pool gave no connection: all were in use for as long as the pool lets anyone wait (`busy`), or the program is
 * shutting down (`closing`). Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionUnavailable extends Schema.TaggedError<ConnectionUnavailable>(id("ConnectionUnavailable"))(
  "ConnectionUnavailable",
  {
    reason: Schema.Literals(["busy", "closing"]),
    message: Schema.String,
    /** What the transaction is called that wanted one; undefined outside of one. */
    operation: Schema.optional(Schema.String)
  }
) {
  readonly [TypeId] = TypeId
}

/**
 * A part of the transaction that had joined it (`nested: "join"`) failed, so all of it was rolled back. Nothing was
 * committed. What the part failed with is the `cause`.
 *
 * @since 0.2.0
 * @category errors
 */
export class RollbackOnly extends Schema.TaggedError<RollbackOnly>(id("RollbackOnly"))("RollbackOnly", fromDriver) {
  readonly [TypeId] = TypeId
}

/**
 * The retry policy ended while transactions of others kept committing first.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConflictRetriesExhausted extends Schema.TaggedError<ConflictRetriesExhausted>(
  id("ConflictRetriesExhausted")
)("ConflictRetriesExhausted", {
  operation: Schema.String,
  /** How often the transaction was tried. */
  attempts: Schema.Int,
  /** Milliseconds since the first attempt began. */
  elapsed: Schema.Number,
  /** The conflict of the last attempt. */
  last: SerializationConflict
}) {
  readonly [TypeId] = TypeId
  override get message(): string {
    return `${this.operation}: gave up after ${this.attempts} attempts in ${Math.round(this.elapsed)} ms: ${this.last.message}`
  }
}

/**
 * A transaction conflicted, and the retries of its client had cost all that they may (`retryQuota`), so it was not tried
 * again. Nothing was committed.
 *
 * @since 0.2.0
 * @category errors
 */
export class RetryQuotaExhausted extends Schema.TaggedError<RetryQuotaExhausted>(id("RetryQuotaExhausted"))(
  "RetryQuotaExhausted",
  {
    operation: Schema.String,
    /** How often the transaction was tried. */
    attempts: Schema.Int,
    /** Milliseconds since the first attempt began. */
    elapsed: Schema.Number,
    /** The conflict of the last attempt. */
    last: SerializationConflict
  }
) {
  readonly [TypeId] = TypeId
  override get message(): string {
    return `${this.operation}: not tried again after ${this.attempts} attempts, because the client's retry quota is used up: ${this.last.message}`
  }
}

/**
 * As many transactions of this client wait for keys as may. Nothing was sent.
 *
 * @since 0.2.0
 * @category errors
 */
export class KeyQueueFull extends Schema.TaggedError<KeyQueueFull>(id("KeyQueueFull"))("KeyQueueFull", {
  operation: Schema.String,
  /** The table of the key that it would have waited for. */
  table: Schema.String,
  /** How many wait, for this key and for others. */
  waiting: Schema.Int
}) {
  readonly [TypeId] = TypeId
  override get message(): string {
    return `${this.operation}: ${this.waiting} transactions wait for keys already, so none waits for one of ${this.table} besides`
  }
}

/**
 * The transaction did not reach COMMIT before its deadline. Nothing was committed.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>(id("DeadlineExceeded"))("DeadlineExceeded", {
  operation: Schema.String,
  /** Milliseconds that the transaction had. */
  deadline: Schema.Number
}) {
  readonly [TypeId] = TypeId
  override get message(): string {
    return `${this.operation}: not committed within ${this.deadline} ms`
  }
}

/**
 * The server refused a statement for a reason that no other tag names, such as
 * a syntax error, a missing table or a value out of range.
 *
 * @since 0.1.0
 * @category errors
 */
export class StatementFailed extends Schema.TaggedError<StatementFailed>(id("StatementFailed"))("StatementFailed", {
  /** The SQLSTATE; undefined where the error did not come from the server. */
  sqlState: Schema.UndefinedOr(Schema.String),
  ...fromDriver
}) {
  readonly [TypeId] = TypeId
}

/**
 * What a transaction can end with, once conflicts have been retried.
 *
 * @since 0.1.0
 * @category models
 */
export type TransactionError =
  | CommitOutcomeUnknown
  | UniqueViolation
  | ForeignKeyViolation
  | CheckViolation
  | NotNullViolation
  | UnsupportedFeature
  | LimitExceeded
  | ConnectionThrottled
  | TooManyConnections
  | AuthenticationFailed
  | ConnectionLost
  | ConnectionUnavailable
  | ConflictRetriesExhausted
  | RetryQuotaExhausted
  | KeyQueueFull
  | DeadlineExceeded
  | RollbackOnly
  | StatementFailed

/**
 * Every error of this module.
 *
 * @since 0.1.0
 * @category models
 */
export type DsqlError = SerializationConflict | ConditionFailed | TransactionError

/**
 * Tells the toolkit's errors from all other values.
 *
 * @since 0.1.0
 * @category guards
 */
export const isDsqlError = (u: unknown): u is DsqlError => Predicate.hasProperty(u, TypeId)
