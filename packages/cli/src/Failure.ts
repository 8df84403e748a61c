/**
 * What went wrong, in one line, and the code that the program ends with.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import type { EmulatorError } from "@effect-dsql/emulator/Emulator"
import type { PostgresError } from "@effect-dsql/emulator/Postgres"
import type { MigrationError } from "@effect-dsql/schema/MigrationError"
import type { SourceError } from "@effect-dsql/schema/SourceError"
import type { CatalogueDiffers } from "@effect-dsql/schema/Verify"
import * as Data from "effect/Data"
import type { CliError } from "effect/cli"
import { ExitCode } from "./ExitCode.ts"

/**
 * Flags, arguments or environment variables that make no sense.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidUsage extends Data.TaggedError("InvalidUsage")<{ readonly message: string }> {}

/**
 * The user was asked and said no.
 *
 * @since 0.1.0
 * @category errors
 */
export class Declined extends Data.TaggedError("Declined")<{ readonly message: string }> {}

/**
 * The database cannot be reached, or refuses who is connecting.
 *
 * @since 0.1.0
 * @category errors
 */
export class CannotConnect extends Data.TaggedError("CannotConnect")<{
  readonly problem: string
  readonly advice: string
  readonly cause: Error
}> {
  override get message(): string {
    return `${this.problem}: ${this.advice}`
  }
}

/**
 * Everything that a command can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type CommandError =
  | InvalidUsage
  | Declined
  | CannotConnect
  | SourceError
  | MigrationError
  | CatalogueDiffers
  | DsqlError
  | EmulatorError
  | PostgresError

/**
 * A failure as it is printed. With `--format json` this is the value of `error`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure {
  /** The error's tag, for example `UnknownVersion`; it does not change between versions. */
  readonly tag: string
  /** One line: what happened, where, what to do. */
  readonly message: string
  readonly exitCode: ExitCode
}

/**
 * Reads a failure of a command.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromCommandError = (error: CommandError): Failure => ({
  tag: error._tag,
  message: oneLine(error.message),
  exitCode: codeOf(error)
})

/**
 * Reads a failure to parse the command line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromUsage = (
  commandPath: ReadonlyArray<string>,
  errors: ReadonlyArray<CliError.NonShowHelpErrors>
): Failure => {
  // A value after a flag that does not exist is an argument too many, and could be a secret.
  const error = errors.find(({ _tag }) => _tag === "UnrecognizedOption") ?? errors[0]
  const secret = error?._tag === "UnrecognizedOption" && /^-+(password|passwd|pw|token|secret)/i.test(error.option)
  const advice = secret
    ? "a password is read from SQL_PASSWORD, never from a flag"
    : `see ${commandPath.join(" ")} --help`
  return {
    tag: "InvalidUsage",
    message: `${error === undefined ? "bad usage" : sentence(error)}: ${advice}`,
    exitCode: ExitCode.usage
  }
}

/**
 * What is printed where a signal ended a run that can go on: how far it came.
 *
 * @since 0.1.0
 * @category conversions
 */
export const interrupted = (came: string): Failure => ({
  tag: "Interrupted",
  message: `interrupted: ${came}: run the same command again to go on`,
  exitCode: ExitCode.interrupted
})

/**
 * What is printed of a defect.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromDefect = (defect: unknown): Failure => ({
  tag: "Defect",
  message: `this is a defect of effect-dsql, please report it with the output of --verbose: ${oneLine(
    defect instanceof Error ? defect.message : String(defect)
  )}`,
  exitCode: ExitCode.defect
})

const suggestion = (names: ReadonlyArray<string>): string =>
  names.length === 0 ? "" : ` (did you mean ${names.join(", ")}?)`

const sentence = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `unknown flag ${error.option.split("=")[0]}${suggestion(error.suggestions)}`
    case "UnknownSubcommand":
      return `unknown command ${JSON.stringify(error.subcommand)}${suggestion(error.suggestions)}`
    case "UnexpectedArgument":
      return `unexpected argument ${error.arguments.map((argument) => JSON.stringify(argument)).join(", ")}`
    case "InvalidValue":
      return error.value === ""
        ? `--${error.option} needs a value`
        : `--${error.option} cannot be ${JSON.stringify(error.value)}, ${expectation(error.expected)}`
    default:
      return oneLine(error.message)
  }
}

const expectation = (expected: string): string =>
  oneLine(expected)
    .replace("Schema validation failed: ", "")
    .replace(/^Expected:? ?/, "")
    .replace(/^/, "expected ")

const codeOf = (error: CommandError): ExitCode => {
  switch (error._tag) {
    case "InvalidUsage":
    case "InvalidVersion":
    case "UnknownVersion":
    case "UnknownSchema":
    case "SourceUnreadable":
    case "InvalidSource":
    case "InvalidManifest":
    case "InvalidStatement":
      return ExitCode.usage
    case "CannotConnect":
    case "AuthenticationFailed":
    case "ConnectionLost":
    case "ConnectionThrottled":
    case "TooManyConnections":
    case "ConnectionUnavailable":
      return ExitCode.connection
    case "NotSetUp":
    case "AnotherSchema":
    case "SetUpElsewhere":
    case "Downgrade":
    case "InvalidBookkeeping":
    case "VersionGap":
    case "IncompatibleVersion":
      return ExitCode.incompatible
    case "StatementRefused":
      return codeOf(error.cause)
    case "Declined":
    case "CatalogueDiffers":
    case "ObjectDiffers":
    case "StatementChanged":
    case "LeaseHeld":
    case "LeaseLost":
    case "TooFewConnections":
    case "IndexInvalid":
    case "JobFailed":
    case "CommitOutcomeUnknown":
    case "UniqueViolation":
    case "ForeignKeyViolation":
    case "CheckViolation":
    case "NotNullViolation":
    case "UnsupportedFeature":
    case "LimitExceeded":
    case "SerializationConflict":
    case "ConditionFailed":
    case "ConflictRetriesExhausted":
    case "RetryQuotaExhausted":
    case "KeyQueueFull":
    case "DeadlineExceeded":
    case "RollbackOnly":
    case "StatementFailed":
    case "EmulatorError":
    case "PostgresError":
      return ExitCode.failed
  }
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim()
