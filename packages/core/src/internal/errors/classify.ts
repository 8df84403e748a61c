/**
 * The one place where the driver's errors become the toolkit's.
 */
import * as SqlState from "@effect-dsql/dialect/SqlState"
import * as Predicate from "effect/Predicate"
import { SerializationError, SqlError, UnknownError } from "effect/sql/SqlError"
import * as DsqlError from "./tags.ts"
import { statementOf } from "./statement.ts"

/** An error of a statement or of the transaction around it, before retries. */
export type AttemptError = Exclude<DsqlError.DsqlError, DsqlError.ConditionFailed | Ended | DsqlError.KeyQueueFull>

/** A conflict is not retried any more. */
type Ended = DsqlError.ConflictRetriesExhausted | DsqlError.RetryQuotaExhausted

/** What an error of Effect SQL can say: of a statement by itself, that its conflicts were retried already. */
export type Failure = AttemptError | Ended

const text = (cause: unknown, field: string): string | undefined => {
  const value = Predicate.hasProperty(cause, field) ? cause[field] : undefined
  return typeof value === "string" && value !== "" ? value : undefined
}

/** Node reports one refused address per attempt as an AggregateError without a message of its own. */
const describe = (cause: unknown, fallback: string): string => {
  if (cause instanceof AggregateError) return cause.errors.map((error) => describe(error, fallback)).join(", ")
  return cause instanceof Error && cause.message !== "" ? cause.message : fallback
}

const authentication = (message: string, hint: string | undefined): DsqlError.AuthenticationFailed["reason"] => {
  // Both phrases are the service's own; see section 1.2 of its troubleshooting page.
  if (hint?.startsWith("Signature expired") === true) return "expired"
  return message.includes("Wrong user to action mapping") ? "role" : "denied"
}

/**
 * Reads the meaning of a driver's error, for a statement that nothing is committed with.
 *
 * An error that already carries one of the toolkit's keeps it. `operation` is what the transaction is called.
 */
export const classify = (error: SqlError, operation?: string): Failure => {
  const carried = error.reason.cause
  if (isCarried(carried)) return operation === undefined ? carried : within(operation, carried)
  return read(error, operation)
}

/** Reads the meaning of an error that is the driver's own. */
export const read = (error: SqlError, operation?: string): AttemptError => {
  const { cause: carried, operation: step } = error.reason
  const message = describe(carried, error.message)
  const props = { message, cause: error, ...placed(error, operation) }
  const sqlState = sqlStateOf(carried)
  const meaning = meaningOf(error, message)
  switch (meaning.kind) {
    case "conflict":
      return new DsqlError.SerializationConflict({ code: meaning.code, ...props })
    case "constraint":
      return constraintViolation(meaning.constraint, carried, props)
    case "unsupported":
      return new DsqlError.UnsupportedFeature(props)
    case "limit":
      return new DsqlError.LimitExceeded({ limit: meaning.limit, ...props })
    case "throttled":
      return new DsqlError.ConnectionThrottled(props)
    case "too_many_connections":
      return new DsqlError.TooManyConnections(props)
    case "authentication":
      return new DsqlError.AuthenticationFailed({ reason: authentication(message, text(carried, "hint")), ...props })
    case "connection":
    case "unavailable":
      return new DsqlError.ConnectionLost({ phase: step === "connect" ? "connect" : "statement", ...props })
    case "completion_unknown":
    case "other":
      return new DsqlError.StatementFailed({ sqlState, ...props })
  }
}

/** Whether an error says that the transaction lost a conflict. */
export const isConflict = (error: SqlError): boolean => {
  const { cause } = error.reason
  return isCarried(cause)
    ? cause._tag === "SerializationConflict"
    : meaningOf(error, describe(cause, error.message)).kind === "conflict"
}

/** Whether the error of a COMMIT, or of a statement that commits by itself, leaves open what became of it. */
export const leavesOpen = ({ reason }: SqlError): boolean => {
  if (isCarried(reason.cause) || reason.operation === "connect") return false
  const code = sqlStateOf(reason.cause)
  if (code !== undefined) return SqlState.leavesOutcomeOpen(code)
  return reason._tag === "ConnectionError" || reason.operation === "read"
}

/** Such an error as what it says. The driver calls it retryable, so it is replaced; any other stays the driver's. */
export const orUnknown = (error: SqlError): SqlError => {
  if (!leavesOpen(error)) return error
  const message = describe(error.reason.cause, error.message)
  return carry(new DsqlError.CommitOutcomeUnknown({ message, cause: error, ...placed(error) }), "commit")
}

/** Which statement of which operation an error is about, as far as that is known. */
const placed = (error: SqlError, operation?: string) => {
  const statement = statementOf(error)
  return { ...(operation !== undefined && { operation }), ...(statement !== undefined && { statement }) }
}

/** The driver says that a connection was closed, and nothing of what that means. */
const lostIn = (operation: string, { cause, message, statement }: DsqlError.CommitOutcomeUnknown) =>
  new DsqlError.CommitOutcomeUnknown({
    operation,
    cause,
    ...(statement !== undefined && { statement }),
    message: `${operation}: the answer to ${
      statement === "COMMIT" ? "COMMIT" : "a statement that commits by itself"
    } was lost, so it may have taken effect or not: ${message}`
  })

/** What the pool says it says to many; whose operation it is about is known here. */
const within = (operation: string, error: Failure): Failure => {
  const props = { operation, message: error.message, cause: error.cause }
  switch (error._tag) {
    case "CommitOutcomeUnknown":
      return lostIn(operation, error)
    case "ConnectionUnavailable":
      return new DsqlError.ConnectionUnavailable({ reason: error.reason, operation, message: error.message })
    case "RollbackOnly":
      return new DsqlError.RollbackOnly(props)
    case "ConnectionThrottled":
      return new DsqlError.ConnectionThrottled(props)
    case "TooManyConnections":
      return new DsqlError.TooManyConnections(props)
    case "AuthenticationFailed":
      return new DsqlError.AuthenticationFailed({
        reason: error.reason,
        ...(error.step !== undefined && { step: error.step }),
        ...props
      })
    case "ConnectionLost":
      return new DsqlError.ConnectionLost({
        phase: error.phase,
        ...(error.statement !== undefined && { statement: error.statement }),
        ...props
      })
    default:
      return error
  }
}

/** Node names its own errors by `code` too, EPIPE with as many letters as an SQLSTATE has; they tell the system's call. */
export const sqlStateOf = (cause: unknown): string | undefined => {
  const code = text(cause, "code")
  return code?.length === 5 && text(cause, "syscall") === undefined ? code : undefined
}

const meaningOf = ({ reason }: SqlError, message: string): SqlState.Meaning => {
  const code = sqlStateOf(reason.cause)
  // The service's fixed phrase for a refused token comes under more than one code, and only to who connects.
  if (reason.operation === "connect" && message.includes("access denied")) return { kind: "authentication" }
  return code === undefined ? { kind: withoutState(reason._tag) } : SqlState.meaning({ code, message })
}

/** Carries one of the toolkit's errors through an API that fails with `SqlError`. Only a conflict may be tried again. */
export const carry = (error: Failure, operation: string): SqlError => {
  const fields = { cause: error, message: error.message, operation }
  return new SqlError({
    reason: error._tag === "ConflictRetriesExhausted" ? new SerializationError(fields) : new UnknownError(fields)
  })
}

/** A `ConditionFailed` is never carried. */
const isCarried = (cause: unknown): cause is Failure => DsqlError.isDsqlError(cause)

const withoutState = (tag: SqlError["reason"]["_tag"]): "connection" | "authentication" | "other" => {
  if (tag === "ConnectionError") return "connection"
  return tag === "AuthenticationError" ? "authentication" : "other"
}

const constraintViolation = (
  kind: SqlState.Constraint,
  cause: unknown,
  props: {
    readonly message: string
    readonly cause: SqlError
    readonly operation?: string
    readonly statement?: string
  }
): AttemptError => {
  const table = text(cause, "table")
  const fields = { constraint: text(cause, "constraint") ?? "unknown", table, ...props }
  switch (kind) {
    case "unique":
      return new DsqlError.UniqueViolation(fields)
    case "foreign_key":
      return new DsqlError.ForeignKeyViolation(fields)
    case "check":
      return new DsqlError.CheckViolation(fields)
    case "not_null":
      return new DsqlError.NotNullViolation({ column: text(cause, "column"), table, ...props })
  }
}
