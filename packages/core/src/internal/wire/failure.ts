/**
 * What the server and the socket say, as the errors of Effect SQL: those that the driver makes of the same.
 */
import type { ErrorFields } from "@effect/sql-pg/PgProtocol"
import {
  AuthenticationError,
  AuthorizationError,
  ConnectionError,
  ConstraintError,
  DeadlockError,
  LockTimeoutError,
  SerializationError,
  SqlError,
  type SqlErrorReason,
  SqlSyntaxError,
  StatementTimeoutError,
  UniqueViolation,
  UnknownError
} from "effect/sql/SqlError"

interface Props {
  readonly cause: unknown
  readonly message: string
  readonly operation: string
}

/** The server refused a statement. */
export const refused = (fields: ErrorFields, message = "The statement failed"): SqlError => {
  const cause = Object.assign(new Error(fields.message ?? "Unknown PostgreSQL error"), fields)
  return new SqlError({ reason: reasonOf(fields, { cause, message, operation: "query" }) })
}

const reasonOf = ({ code = "", constraint }: ErrorFields, props: Props): SqlErrorReason => {
  switch (code) {
    case "23505":
      return new UniqueViolation({ ...props, constraint: constraint?.trim() || "unknown" })
    case "40001":
      return new SerializationError(props)
    case "40P01":
      return new DeadlockError(props)
    case "42501":
      return new AuthorizationError(props)
    case "55P03":
      return new LockTimeoutError(props)
    case "57014":
      return new StatementTimeoutError(props)
  }
  switch (code.slice(0, 2)) {
    case "08":
      return new ConnectionError(props)
    case "23":
      return new ConstraintError(props)
    case "28":
      return new AuthenticationError(props)
    case "42":
      return new SqlSyntaxError(props)
  }
  return new UnknownError(props)
}

/** The connection ended, or what came over it made no sense. */
export const lost = (cause: unknown, message: string): SqlError =>
  new SqlError({ reason: new ConnectionError({ cause, message, operation: "query" }) })

/** A value could not be written, and the statement was not sent. */
export const unwritable = (cause: unknown): SqlError =>
  new SqlError({
    reason: new UnknownError({ cause, message: "A value of the statement could not be written", operation: "query" })
  })

/** What a statement was answered with could not be read: what it did, it did. */
export const unreadable = (cause: unknown): SqlError =>
  new SqlError({ reason: new UnknownError({ cause, message: "A row could not be read", operation: "read" }) })

/** The server wants to copy rows, which nobody here has, or takes. */
export const copying = (): SqlError =>
  refused({
    severity: "ERROR",
    code: "0A000",
    message: "COPY is not supported here, and the connection was ended: use INSERT or SELECT, or a client that has COPY"
  })

/** A statement was not run, because one that was sent together with it, before it, had failed. */
export const skipped = (): SqlError =>
  refused({
    severity: "ERROR",
    code: "25P02",
    message: "current transaction is aborted: the statement was sent together with one that failed before it"
  })
